//! The check itself, on histories with a known verdict.

use funcify_core::register::{RecordKey, WriteId};
use funcify_core::token::TokenRecord;

use crate::support::linearize::{Answer, Carried, History, Operation, Verdict, judge, search};

fn id(write: u128) -> WriteId {
    WriteId::from_bits(write)
}

/// 0 represents nothing.
fn state(write: u128) -> Option<WriteId> {
    (write > 0).then(|| id(write))
}

fn at(called: u64, returned: u64, answer: Answer) -> Operation {
    Operation { client: 0, called, returned, answer }
}

fn read(called: u64, returned: u64, found: u128) -> Operation {
    at(called, returned, Answer::Read { found: state(found) })
}

fn done(called: u64, returned: u64, expected: u128, write: u128) -> Operation {
    at(called, returned, Answer::Done { expected: state(expected), id: id(write) })
}

fn conflict(called: u64, returned: u64, expected: u128, write: u128, with: u128) -> Operation {
    let current = Carried::Exactly(state(with));
    at(called, returned, Answer::Conflict { expected: state(expected), id: id(write), current })
}

fn unknown(called: u64, returned: u64, expected: u128, write: u128) -> Operation {
    at(called, returned, Answer::Unknown { expected: state(expected), id: id(write) })
}

#[test]
fn a_history_that_one_register_can_produce_is_linearizable() {
    let cases: &[(&str, &[Operation])] = &[
        ("nothing happened", &[]),
        ("one after the other", &[read(0, 1, 0), done(2, 3, 0, 1), read(4, 5, 1)]),
        ("a read beside a write sees either", &[done(0, 3, 0, 1), read(1, 2, 0)]),
        ("a read beside a write sees either", &[done(0, 3, 0, 1), read(1, 2, 1)]),
        ("reads beside a write, in order", &[done(0, 9, 0, 1), read(1, 2, 0), read(3, 4, 1)]),
        ("two beside each other, one wins", &[done(0, 3, 0, 1), conflict(1, 2, 0, 2, 1)]),
        (
            "a chain whose returns are out of order",
            &[done(0, 9, 0, 1), done(1, 8, 1, 2), done(2, 7, 2, 3), read(3, 4, 1), read(5, 6, 2)],
        ),
        ("an unknown write is never seen", &[unknown(0, 1, 0, 1), read(2, 3, 0)]),
        ("an unknown write is seen at once", &[unknown(0, 1, 0, 1), read(2, 3, 1)]),
        (
            "an unknown write takes effect long after",
            &[unknown(0, 1, 0, 1), read(2, 3, 0), read(4, 5, 0), read(6, 7, 1)],
        ),
        (
            "an unknown write lies between two others",
            &[done(0, 1, 0, 1), unknown(2, 3, 1, 2), done(4, 5, 2, 3), read(6, 7, 3)],
        ),
        (
            "an unknown write comes too late to take effect",
            &[unknown(0, 1, 0, 1), done(2, 3, 0, 2), read(4, 5, 2)],
        ),
    ];
    for (what, operations) in cases {
        search(operations).unwrap_or_else(|stuck| panic!("{what}: {stuck}"));
    }
}

#[test]
fn a_history_that_no_register_can_produce_is_not_linearizable() {
    let cases: &[(&str, &[Operation])] = &[
        ("a read of what nobody wrote", &[read(0, 1, 1)]),
        ("a stale read", &[done(0, 1, 0, 1), read(2, 3, 0)]),
        ("a read that goes back", &[done(0, 9, 0, 1), read(1, 2, 1), read(3, 4, 0)]),
        ("two first writes", &[done(0, 1, 0, 1), done(2, 3, 0, 2)]),
        ("two first writes beside each other", &[done(0, 3, 0, 1), done(1, 2, 0, 2)]),
        ("two writes on the same version", &[done(0, 1, 0, 1), done(2, 5, 1, 2), done(3, 4, 1, 3)]),
        ("a lost write", &[done(0, 1, 0, 1), done(2, 3, 1, 2), read(4, 5, 1)]),
        (
            "a conflict that was applied",
            &[done(0, 1, 0, 1), conflict(2, 3, 0, 2, 1), read(4, 5, 2)],
        ),
        ("a conflict with nobody", &[done(0, 1, 0, 1), conflict(2, 3, 1, 2, 1)]),
        (
            "a conflict that carries what was long replaced",
            &[done(0, 1, 0, 1), done(2, 3, 1, 2), conflict(4, 5, 0, 3, 1)],
        ),
        ("a conflict with itself", &[conflict(0, 1, 0, 1, 1)]),
        (
            "an unknown write that took effect twice",
            &[unknown(0, 1, 0, 1), read(2, 3, 1), done(4, 5, 1, 2), read(6, 7, 1)],
        ),
        ("an unknown write before it was called", &[read(0, 1, 1), unknown(2, 3, 0, 1)]),
        ("a refused write that is seen", &[done(0, 1, 0, 1), read(2, 3, 9)]),
    ];
    for (what, operations) in cases {
        assert!(search(operations).is_err(), "{what}");
    }
}

#[test]
fn the_search_does_not_try_every_order_of_the_longest_history() {
    // 120 concurrent writes. Without the cache of visited configurations, the search would try 120! orders.
    let chain: Vec<_> =
        (0..120).map(|at| done(0, 1_000 + at, at.into(), u128::from(at) + 1)).collect();
    search(&chain).unwrap();
    let mut broken = chain;
    broken.push(read(2_000, 2_001, 7));
    assert!(search(&broken).is_err());
}

#[test]
fn the_error_names_the_operations_that_no_order_explains() {
    let stuck = search(&[done(0, 1, 0, 1), read(2, 3, 0)]).unwrap_err().to_string();
    assert!(stuck.contains("client 0 from 2 to 3: read nothing"), "{stuck}");
}

fn verdict(operations: Vec<Operation>, dropped_reads: usize) -> Verdict {
    let key = RecordKey::of::<TokenRecord>("key".parse().unwrap());
    judge(&History { records: [(key, operations)].into(), dropped_reads })
}

#[test]
fn a_history_without_an_applied_write_does_not_count() {
    assert!(matches!(verdict(vec![read(0, 1, 0)], 0), Verdict::DoesNotCount(_)));
    assert!(matches!(verdict(vec![done(0, 1, 0, 1)], 0), Verdict::Linearizable(_)));
}

#[test]
fn a_history_with_more_than_a_tenth_of_unknown_outcomes_does_not_count() {
    let with = |unknowns: u64| {
        let writes = (0..9).map(|at| done(2 * at, 2 * at + 1, at.into(), u128::from(at) + 1));
        let unknowns = (0..unknowns).map(|at| unknown(0, 1, 77, 100 + u128::from(at)));
        verdict(writes.chain(unknowns).collect(), 0)
    };
    assert!(matches!(with(1), Verdict::Linearizable(_)));
    assert!(matches!(with(2), Verdict::DoesNotCount(_)));
}

#[test]
fn a_history_with_a_dropped_read_does_not_count() {
    assert!(matches!(verdict(vec![done(0, 1, 0, 1)], 1), Verdict::DoesNotCount(_)));
}

#[test]
fn a_weak_history_that_is_not_linearizable_still_fails() {
    let broken = vec![done(0, 1, 0, 1), read(2, 3, 0), unknown(4, 5, 0, 2), unknown(4, 5, 0, 3)];
    assert!(matches!(verdict(broken, 1), Verdict::NotLinearizable(..)));
}
