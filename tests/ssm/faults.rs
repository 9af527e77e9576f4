//! f21: what a real Parameter Store does, as the fake does it on request.

use funcify_backend_ssm::{SsmBackend, SsmConfig};
use funcify_core::StoreErrorKind;
use funcify_core::circuit::{CircuitRecord, CircuitStateProvider};
use funcify_core::register::{RecordKey, Register, Swap, WriteId};

use super::fake::FakeSsm;
use crate::support::attempt::{HOUR, attempt, body, circuit, n_of, write};

const PATH: &str = "/fleet";

fn name(key: &RecordKey) -> String {
    format!("{PATH}/{}/{}", key.kind(), key.name())
}

async fn fake(of: &str) -> (FakeSsm, SsmBackend, RecordKey) {
    let fake = FakeSsm::default();
    let register = fake.register(SsmConfig::new(PATH)).await;
    (fake, register, circuit(of))
}

#[tokio::test]
async fn f21_what_is_refused_is_classified_and_nothing_is_written() {
    for (code, kind) in [
        ("TooManyUpdates", StoreErrorKind::Unavailable),
        ("ThrottlingException", StoreErrorKind::Throttled),
    ] {
        let (fake, register, key) = fake("refused").await;
        let first = write(&register, &key, None, 1).await;
        fake.shelf().refusals.push_back((400, code));
        assert_eq!(attempt(&register, &key, Some(first), 2).await, Err(kind), "{code}");
        assert_eq!(n_of(&register.read(&key).await.unwrap().unwrap()), 1);
        write(&register, &key, Some(first), 2).await;
    }
}

/// `TooManyUpdates` is contention: another update of the same parameter was under way.
#[tokio::test]
async fn f21_a_report_that_met_another_update_is_repeated_and_not_lost() {
    let (fake, register, key) = fake("repeated").await;
    fake.shelf().refusals.extend([(400, "TooManyUpdates"), (400, "TooManyUpdates")]);
    let circuit = key.name().parse().unwrap();
    let mut record = CircuitRecord::default();
    record.epoch = 7;
    let swap = register.update_state(&circuit, None, WriteId::random(), &record).await.unwrap();
    assert!(matches!(swap, Swap::Applied(_)));
    assert_eq!(register.circuit_state(&circuit).await.unwrap().unwrap().value.epoch, 7);
}

#[tokio::test]
async fn f05_f21_a_throttled_report_is_one_request() {
    let (fake, register, key) = fake("rate").await;
    fake.shelf().refusals.push_back((400, "ThrottlingException"));
    let circuit = key.name().parse().unwrap();
    let record = CircuitRecord::default();
    let swap = register.update_state(&circuit, None, WriteId::random(), &record).await;
    assert_eq!(swap.unwrap_err().kind(), StoreErrorKind::Throttled);
    assert!(register.circuit_state(&circuit).await.unwrap().is_none());
    assert_eq!(fake.shelf().gets, 1, "and the read after it");
}

#[tokio::test]
async fn f21_a_version_that_is_missing_for_a_while_is_waited_for_not_guessed() {
    let (fake, register, key) = fake("late").await;
    let first = write(&register, &key, None, 1).await;
    write(&register, &key, Some(first), 2).await;
    let other = fake.register(SsmConfig::new(PATH)).await;

    // Who has not seen version 2 before must look at 1 in order to know that it counts.
    fake.shelf().late.insert(1);
    assert_eq!(other.read(&key).await.unwrap_err().kind(), StoreErrorKind::Unavailable);
    // A stale write is out, whether it counts is not known: so the answer is.
    assert_eq!(attempt(&other, &key, Some(first), 9).await, Err(StoreErrorKind::Ambiguous));
    fake.shelf().late.clear();

    let current = other.read(&key).await.unwrap().unwrap();
    assert_eq!((n_of(&current), current.version.pos()), (2, 2));
}

#[tokio::test]
async fn f21_a_write_whose_answer_was_an_internal_error_is_done_when_it_is_sent_again() {
    let (fake, register, key) = fake("internal").await;
    let first = write(&register, &key, None, 1).await;
    fake.shelf().refusals.push_back((500, "InternalServerError"));
    let (id, next) = (WriteId::random(), body(2));
    let lost = register.swap(&key, Some(first), id, &next, HOUR).await.unwrap_err();
    assert_eq!(lost.kind(), StoreErrorKind::Ambiguous);

    let Swap::Applied(made) = register.swap(&key, Some(first), id, &next, HOUR).await.unwrap()
    else {
        panic!("our own write stands in our way");
    };
    assert_eq!((made.id(), made.pos()), (id, 2));
    assert_eq!(register.read(&key).await.unwrap().unwrap().version, made);
    assert_eq!(fake.shelf().only().0, 3);
}

#[tokio::test]
async fn f21_ninety_eight_losers_in_a_row_hide_nothing() {
    let (fake, register, key) = fake("losers").await;
    let (old, current) = after_losers(&register, &key, 98).await;
    let other = fake.register(SsmConfig::new(PATH)).await;
    let read = other.read(&key).await.unwrap().unwrap();
    assert_eq!((read.version, n_of(&read), read.corruption), (current, 2, None));
    assert!(matches!(attempt(&other, &key, Some(old), 9).await, Ok(Swap::Conflict(_))));
}

#[tokio::test]
async fn f21_ninety_nine_losers_in_a_row_leave_a_vacant_record_that_one_can_take_over() {
    let (fake, register, key) = fake("lost").await;
    after_losers(&register, &key, 99).await;
    let (one, two) =
        (fake.register(SsmConfig::new(PATH)).await, fake.register(SsmConfig::new(PATH)).await);
    let (first, second) =
        (one.read(&key).await.unwrap().unwrap(), two.read(&key).await.unwrap().unwrap());
    assert!(first.corruption.is_some() && first.version == second.version);

    let version = write(&one, &key, Some(first.version), 3).await;
    let Ok(Swap::Conflict(Some(current))) = attempt(&two, &key, Some(second.version), 4).await
    else {
        panic!("two have taken over");
    };
    assert_eq!((current.version, n_of(&current)), (version, 3));
    write(&two, &key, Some(version), 4).await;
}

/// Two writes done, then so many that come too late: the version before, and the one that counts.
async fn after_losers(
    register: &SsmBackend,
    key: &RecordKey,
    losers: u64,
) -> (funcify_core::register::Version, funcify_core::register::Version) {
    let first = write(register, key, None, 1).await;
    let second = write(register, key, Some(first), 2).await;
    for loser in 0..losers {
        let swap = attempt(register, key, Some(first), 100 + loser).await;
        // The last of them find that what they stand on is no longer kept.
        assert!(matches!(swap, Ok(Swap::Conflict(_)) | Err(StoreErrorKind::Ambiguous)), "{swap:?}");
    }
    (first, second)
}

#[tokio::test]
async fn f21_a_foreign_overwrite_makes_the_record_vacant_at_its_version() {
    let (fake, register, key) = fake("foreign").await;
    let ours = write(&register, &key, None, 1).await;
    fake.shelf().write(&name(&key), "by hand");

    let vacant = register.read(&key).await.unwrap().unwrap();
    assert!(vacant.corruption.is_some() && vacant.version.pos() == 2);
    assert!(matches!(attempt(&register, &key, Some(ours), 9).await, Ok(Swap::Conflict(_))));
    assert!(matches!(attempt(&register, &key, None, 9).await, Ok(Swap::Conflict(Some(_)))));
    let version = write(&register, &key, Some(vacant.version), 2).await;
    let read = register.read(&key).await.unwrap().unwrap();
    assert_eq!((read.version, n_of(&read)), (version, 2));
}

#[tokio::test]
async fn f21_a_write_on_a_parameter_that_was_deleted_is_not_done() {
    let (fake, register, key) = fake("deleted").await;
    let first = write(&register, &key, None, 1).await;
    let second = write(&register, &key, Some(first), 2).await;
    fake.shelf().parameters.clear();

    assert_eq!(attempt(&register, &key, Some(second), 3).await, Ok(Swap::Conflict(None)));
    assert_eq!(register.read(&key).await.unwrap(), None);
    // There is a version now, and it does not count: a first write goes over it.
    let anew = write(&register, &key, None, 4).await;
    assert_eq!(anew.pos(), 2);
    assert_eq!(n_of(&register.read(&key).await.unwrap().unwrap()), 4);
}

#[tokio::test]
async fn f21_a_parameter_made_anew_at_the_same_number_is_not_taken_for_the_old_one() {
    let (fake, register, key) = fake("anew").await;
    let old = write(&register, &key, None, 1).await;
    fake.shelf().parameters.clear();
    let other = fake.register(SsmConfig::new(PATH)).await;
    let anew = write(&other, &key, None, 2).await;
    assert_eq!(old.pos(), anew.pos());

    let Ok(Swap::Conflict(Some(current))) = attempt(&register, &key, Some(old), 3).await else {
        panic!("a write on what was deleted is done");
    };
    assert_eq!((current.version, n_of(&current)), (anew, 2));
    for reader in [&register, &other] {
        assert_eq!(n_of(&reader.read(&key).await.unwrap().unwrap()), 2);
    }
}

#[tokio::test]
async fn a_read_of_what_was_proven_is_one_request() {
    let (fake, register, key) = fake("once").await;
    let first = write(&register, &key, None, 1).await;
    write(&register, &key, Some(first), 2).await;
    let before = fake.shelf().gets;
    for _ in 0..5 {
        register.read(&key).await.unwrap();
    }
    assert_eq!(fake.shelf().gets - before, 5);
}
