//! `settle` on a wire that fails: each row of faults that it must survive.

use std::time::Duration;

use funcify_core::{
    Chance, Deadline, StoreErrorKind,
    conformance::Fault,
    register::{OPERATION, RetryingRegister, Swap},
};
use tokio::time::{Instant, sleep};

use crate::wire::{Bench, kind, record, version};

#[tokio::test(start_paused = true)]
async fn f01_a_lost_reply_is_done_once() {
    let bench = Bench::new();
    bench.wire.script([Fault::LoseReply]);
    assert_eq!(bench.swap(None, 1).await.unwrap(), Swap::Applied(version(1)));
    assert_eq!(bench.wire.swaps(), 2);
    assert_eq!(bench.stored().await, record(1));
}

#[tokio::test(start_paused = true)]
async fn f01_many_lost_replies_are_done_once() {
    let bench = Bench::new();
    let first = bench.other(None, 1).await;
    bench.wire.script([Fault::LoseReply, Fault::LoseRequest, Fault::LoseReply, Fault::LoseReply]);
    assert_eq!(bench.swap(Some(first), 2).await.unwrap(), Swap::Applied(version(2)));
    assert_eq!(bench.stored().await, record(2));
}

#[tokio::test(start_paused = true)]
async fn f02_a_lost_request_is_done_once() {
    let bench = Bench::new();
    bench.wire.script([Fault::LoseRequest]);
    assert_eq!(bench.swap(None, 1).await.unwrap(), Swap::Applied(version(1)));
    assert_eq!(bench.stored().await, record(1));
}

#[tokio::test(start_paused = true)]
async fn f02_a_refused_request_is_tried_again_and_never_ambiguous() {
    let bench = Bench::new();
    bench.wire.script([Fault::Refuse, Fault::Pass, Fault::Refuse]);
    assert_eq!(bench.swap(None, 1).await.unwrap(), Swap::Applied(version(1)));
    assert_eq!(bench.wire.swaps(), 3);
}

#[tokio::test(start_paused = true)]
async fn f03_a_late_duplicate_after_other_writes_has_no_effect() {
    for later in 0..4 {
        let bench = Bench::new();
        bench.wire.script([Fault::Duplicate { later }]);
        assert_eq!(bench.swap(None, 1).await.unwrap(), Swap::Applied(version(1)));
        bench.other(Some(version(1)), 2).await;
        bench.flush().await;
        assert_eq!(bench.stored().await, record(2), "{later}");
    }
}

#[tokio::test(start_paused = true)]
async fn f03_a_request_that_arrives_after_its_repetition_has_no_effect() {
    let bench = Bench::new();
    bench.wire.script([Fault::Late { later: 1 }]);
    assert_eq!(bench.swap(None, 1).await.unwrap(), Swap::Applied(version(1)));
    bench.other(Some(version(1)), 2).await;
    bench.flush().await;
    assert_eq!(bench.stored().await, record(2));
}

#[tokio::test(start_paused = true)]
async fn f04_a_write_whose_replies_are_all_lost_is_ambiguous_and_the_next_read_shows_it() {
    let bench = Bench::new();
    bench.wire.always(Fault::LoseReply);
    assert_eq!(kind(bench.swap(None, 1).await), Some(StoreErrorKind::Ambiguous));
    bench.wire.heal();
    assert_eq!(bench.settle().read().await.unwrap(), record(1));
}

#[tokio::test(start_paused = true)]
async fn f04_a_write_whose_requests_are_all_lost_is_ambiguous_and_the_next_read_shows_nothing() {
    let bench = Bench::new();
    bench.wire.always(Fault::LoseRequest);
    assert_eq!(kind(bench.swap(None, 1).await), Some(StoreErrorKind::Ambiguous));
    bench.wire.heal();
    assert_eq!(bench.settle().read().await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn f04_a_conflict_after_an_ambiguous_attempt_is_ambiguous() {
    let bench = Bench::new();
    // Applied; the reply is lost; somebody writes on top of it before the second attempt arrives.
    bench.wire.script([Fault::LoseReply, Fault::Delay(Duration::from_millis(20))]);
    let somebody = async {
        sleep(Duration::from_millis(15)).await;
        bench.other(Some(version(1)), 2).await;
    };
    let (answer, ()) = tokio::join!(bench.swap(None, 1), somebody);
    assert_eq!(kind(answer), Some(StoreErrorKind::Ambiguous));
    assert_eq!(bench.stored().await, record(2));
}

#[tokio::test(start_paused = true)]
async fn f04_an_error_after_an_ambiguous_attempt_is_ambiguous() {
    for fault in [Fault::Deny, Fault::Hang] {
        let bench = Bench::new();
        bench.wire.script([Fault::LoseReply]);
        bench.wire.always(fault);
        assert_eq!(kind(bench.swap(None, 1).await), Some(StoreErrorKind::Ambiguous), "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn f05_a_throttled_operation_is_one_call_and_changes_nothing() {
    let bench = Bench::new();
    let first = bench.other(None, 1).await;
    bench.wire.always(Fault::Throttle);
    let start = Instant::now();
    assert_eq!(kind(bench.settle().read().await), Some(StoreErrorKind::Throttled));
    assert_eq!(kind(bench.swap(Some(first), 2).await), Some(StoreErrorKind::Throttled));
    assert_eq!((bench.wire.reads(), bench.wire.swaps()), (1, 1));
    assert_eq!(start.elapsed(), Duration::ZERO, "the caller need not wait for nothing");
    assert_eq!(bench.stored().await, record(1));
}

/// What came before does not change what a throttled attempt means; what it may have done does.
#[tokio::test(start_paused = true)]
async fn f05_a_throttled_attempt_ends_the_operation_truthfully() {
    use StoreErrorKind::{Ambiguous, Throttled};
    /// What came before, how it ends, after how many swaps and reads, and what is stored then.
    type Case<'a> = (&'a [Fault], StoreErrorKind, (u64, u64), Option<u128>);
    let cases: [Case<'_>; 5] = [
        (&[], Throttled, (1, 0), None),
        (&[Fault::Refuse, Fault::Pass], Throttled, (2, 1), None),
        // The look that follows a refusal.
        (&[Fault::Refuse], Throttled, (1, 1), None),
        (&[Fault::LoseReply], Ambiguous, (2, 0), Some(1)),
        (&[Fault::LoseRequest], Ambiguous, (2, 0), None),
    ];
    for (before, expected, (swaps, reads), stored) in cases {
        let bench = Bench::new();
        bench.wire.script(before.iter().copied());
        bench.wire.always(Fault::Throttle);
        assert_eq!(kind(bench.swap(None, 1).await), Some(expected), "{before:?}");
        assert_eq!((bench.wire.swaps(), bench.wire.reads()), (swaps, reads), "{before:?}");
        assert_eq!(bench.stored().await, stored.and_then(record), "{before:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_operation_waits_at_random() {
    let waits = |seed| async move {
        let bench = Bench::new();
        bench.wire.script([Fault::Refuse; 4]);
        let start = Instant::now();
        let chance = Chance::seeded(seed);
        let settle = RetryingRegister::within(&bench.wire, &bench.key, OPERATION, chance).unwrap();
        settle.read().await.unwrap();
        start.elapsed()
    };
    let mut took = Vec::new();
    for seed in 0..50 {
        took.push(waits(seed).await);
    }
    let (least, most) = (took.iter().min().unwrap(), took.iter().max().unwrap());
    // Four waits of at most 10, 20, 40 and 80 ms, each anywhere between none and all of it.
    assert!(*most <= Duration::from_millis(154), "{most:?}");
    assert!(*most > Duration::from_millis(100), "{most:?}");
    assert!(*least < Duration::from_millis(50), "{least:?}");
}

#[tokio::test(start_paused = true)]
async fn a_write_that_is_refused_is_given_up_at_the_deadline_and_changes_nothing() {
    let bench = Bench::new();
    bench.wire.always(Fault::Refuse);
    let start = Instant::now();
    assert_eq!(kind(bench.swap(None, 1).await), Some(StoreErrorKind::Unavailable));
    assert!(start.elapsed() <= OPERATION);
    assert_eq!(bench.stored().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_write_is_done_as_soon_as_the_store_takes_it() {
    let bench = Bench::new();
    bench.wire.script([Fault::Refuse; 5]);
    assert_eq!(bench.swap(None, 1).await.unwrap(), Swap::Applied(version(1)));
}

#[tokio::test(start_paused = true)]
async fn f07_a_read_that_hangs_is_cut_at_the_deadline() {
    let bench = Bench::new();
    bench.wire.always(Fault::Hang);
    let start = Instant::now();
    assert_eq!(kind(bench.settle().read().await), Some(StoreErrorKind::Timeout));
    assert_eq!(start.elapsed(), OPERATION);
}

#[tokio::test(start_paused = true)]
async fn f07_a_write_that_hangs_is_cut_at_the_deadline_and_is_ambiguous() {
    for fault in [Fault::Hang, Fault::HangAfter] {
        let bench = Bench::new();
        bench.wire.always(fault);
        let start = Instant::now();
        assert_eq!(kind(bench.swap(None, 1).await), Some(StoreErrorKind::Ambiguous));
        assert_eq!(start.elapsed(), OPERATION, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn f07_the_invocation_cuts_sooner() {
    let bench = Bench::new();
    bench.wire.always(Fault::Hang);
    let left = Duration::from_millis(120);
    let start = Instant::now();
    let read = Deadline::within(left).scope(async { bench.settle().read().await });
    assert_eq!(kind(read.await), Some(StoreErrorKind::Timeout));
    assert_eq!(start.elapsed(), left);
}

#[tokio::test(start_paused = true)]
async fn f12_with_less_than_50_milliseconds_left_nothing_is_started() {
    for left in [0, 1, 49] {
        let bench = Bench::new();
        let settle = Deadline::within(Duration::from_millis(left)).scope(async {
            RetryingRegister::within(&bench.wire, &bench.key, OPERATION, Chance::seeded(1))
                .map(drop)
        });
        assert_eq!(kind(settle.await), Some(StoreErrorKind::Timeout), "{left} ms");
    }
    let bench = Bench::new();
    let read =
        Deadline::within(Duration::from_millis(50)).scope(async { bench.settle().read().await });
    assert!(read.await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn f12_no_attempt_is_started_with_less_than_50_milliseconds_left() {
    let bench = Bench::new();
    // The first attempt is refused at once; the look at the record takes what time there is.
    let long = OPERATION - Duration::from_millis(30);
    bench.wire.script([Fault::Refuse, Fault::Delay(long)]);
    assert_eq!(kind(bench.swap(None, 1).await), Some(StoreErrorKind::Unavailable));
    assert_eq!(bench.wire.swaps(), 1);
    assert_eq!(bench.stored().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_refused_write_sees_what_others_wrote_meanwhile() {
    let bench = Bench::new();
    bench.wire.script([Fault::Refuse]);
    bench.other(None, 2).await;
    assert_eq!(bench.swap(None, 1).await.unwrap(), Swap::Conflict(record(2)));
    assert_eq!(bench.wire.swaps(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_denied_is_not_tried_again() {
    let bench = Bench::new();
    bench.wire.always(Fault::Deny);
    assert_eq!(kind(bench.swap(None, 1).await), Some(StoreErrorKind::Denied));
    assert_eq!(kind(bench.settle().read().await), Some(StoreErrorKind::Denied));
    assert_eq!((bench.wire.swaps(), bench.wire.reads()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_conflict_is_answered_with_one_operation() {
    let bench = Bench::new();
    bench.other(None, 2).await;
    assert_eq!(bench.swap(None, 1).await.unwrap(), Swap::Conflict(record(2)));
    assert_eq!((bench.wire.swaps(), bench.wire.reads()), (1, 0));
}
