//! `RetryingRegister` on a connection that fails: each fault that it must survive.

use std::time::Duration;

use funcify_core::{
    Deadline, StoreErrorKind, conformance::Fault, engine::OPERATION, register::Swap,
};
use tokio::time::{Instant, sleep, timeout};

use crate::wire::{Mark, Setup, kind, record, version};

#[tokio::test(start_paused = true)]
async fn f01_a_write_with_a_lost_reply_is_applied_once() {
    let setup = Setup::new().await;
    setup.wire.script([Fault::LoseReply]);
    assert_eq!(setup.swap(None, 1).await.unwrap(), Swap::Applied(version(1)));
    assert_eq!(setup.swaps(), 2);
    assert_eq!(setup.stored().await, record(1));
}

#[tokio::test(start_paused = true)]
async fn f01_a_write_with_many_lost_replies_is_applied_once() {
    let setup = Setup::new().await;
    let first = setup.other(None, 1).await;
    setup.wire.script([Fault::LoseReply, Fault::LoseRequest, Fault::LoseReply, Fault::LoseReply]);
    assert_eq!(setup.swap(Some(first), 2).await.unwrap(), Swap::Applied(version(2)));
    assert_eq!(setup.stored().await, record(2));
}

#[tokio::test(start_paused = true)]
async fn f02_a_write_with_a_lost_request_is_applied_once() {
    let setup = Setup::new().await;
    setup.wire.script([Fault::LoseRequest]);
    assert_eq!(setup.swap(None, 1).await.unwrap(), Swap::Applied(version(1)));
    assert_eq!(setup.stored().await, record(1));
}

#[tokio::test(start_paused = true)]
async fn f02_a_refused_request_is_retried_and_never_ambiguous() {
    let setup = Setup::new().await;
    setup.wire.script([Fault::Refuse, Fault::Pass, Fault::Refuse]);
    assert_eq!(setup.swap(None, 1).await.unwrap(), Swap::Applied(version(1)));
    assert_eq!(setup.swaps(), 3);
}

#[tokio::test(start_paused = true)]
async fn f03_a_late_duplicate_after_other_writes_has_no_effect() {
    for later in 0..4 {
        let setup = Setup::new().await;
        setup.wire.script([Fault::Duplicate { later }]);
        assert_eq!(setup.swap(None, 1).await.unwrap(), Swap::Applied(version(1)));
        setup.other(Some(version(1)), 2).await;
        setup.flush().await;
        assert_eq!(setup.stored().await, record(2), "{later}");
    }
}

#[tokio::test(start_paused = true)]
async fn f03_a_request_that_arrives_after_its_repetition_has_no_effect() {
    let setup = Setup::new().await;
    setup.wire.script([Fault::Late { later: 1 }]);
    assert_eq!(setup.swap(None, 1).await.unwrap(), Swap::Applied(version(1)));
    setup.other(Some(version(1)), 2).await;
    setup.flush().await;
    assert_eq!(setup.stored().await, record(2));
}

#[tokio::test(start_paused = true)]
async fn f04_a_write_whose_replies_are_all_lost_is_ambiguous_and_the_next_read_shows_it() {
    let setup = Setup::new().await;
    setup.wire.always(Fault::LoseReply);
    assert_eq!(kind(setup.swap(None, 1).await), Some(StoreErrorKind::Ambiguous));
    setup.wire.heal();
    assert_eq!(setup.read().await.unwrap(), record(1));
}

#[tokio::test(start_paused = true)]
async fn f04_a_write_whose_requests_are_all_lost_is_ambiguous_and_the_next_read_shows_nothing() {
    let setup = Setup::new().await;
    setup.wire.always(Fault::LoseRequest);
    assert_eq!(kind(setup.swap(None, 1).await), Some(StoreErrorKind::Ambiguous));
    setup.wire.heal();
    assert_eq!(setup.read().await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn f04_a_conflict_after_an_ambiguous_attempt_is_ambiguous() {
    let setup = Setup::new().await;
    // Applied, and the reply is lost. Another process writes on top before the second attempt arrives.
    setup.wire.script([Fault::LoseReply, Fault::Delay(Duration::from_millis(20))]);
    let other = async {
        sleep(Duration::from_millis(15)).await;
        setup.other(Some(version(1)), 2).await;
    };
    let (answer, ()) = tokio::join!(setup.swap(None, 1), other);
    assert_eq!(kind(answer), Some(StoreErrorKind::Ambiguous));
    assert_eq!(setup.stored().await, record(2));
}

#[tokio::test(start_paused = true)]
async fn f04_an_error_after_an_ambiguous_attempt_is_ambiguous() {
    for fault in [Fault::Deny, Fault::Hang] {
        let setup = Setup::new().await;
        setup.wire.script([Fault::LoseReply]);
        setup.wire.always(fault);
        assert_eq!(kind(setup.swap(None, 1).await), Some(StoreErrorKind::Ambiguous), "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn f05_a_throttled_operation_is_one_call_and_changes_nothing() {
    let setup = Setup::new().await;
    let first = setup.other(None, 1).await;
    setup.wire.always(Fault::Throttle);
    let start = Instant::now();
    assert_eq!(kind(setup.read().await), Some(StoreErrorKind::Throttled));
    assert_eq!(kind(setup.swap(Some(first), 2).await), Some(StoreErrorKind::Throttled));
    assert_eq!((setup.reads(), setup.swaps()), (1, 1));
    assert_eq!(start.elapsed(), Duration::ZERO, "the caller does not wait in vain");
    assert_eq!(setup.stored().await, record(1));
}

/// A throttled attempt ends the operation. It is ambiguous if an earlier attempt was.
#[tokio::test(start_paused = true)]
async fn f05_a_throttled_attempt_ends_the_operation_with_the_right_kind() {
    use StoreErrorKind::{Ambiguous, Throttled};
    /// The faults before, the kind of the error, how many swaps and reads were sent, and what is stored.
    type Case<'a> = (&'a [Fault], StoreErrorKind, (u64, u64), Option<u64>);
    let cases: [Case<'_>; 5] = [
        (&[], Throttled, (1, 0), None),
        (&[Fault::Refuse, Fault::Pass], Throttled, (2, 1), None),
        // The read that follows a refusal is throttled.
        (&[Fault::Refuse], Throttled, (1, 1), None),
        (&[Fault::LoseReply], Ambiguous, (2, 0), Some(1)),
        (&[Fault::LoseRequest], Ambiguous, (2, 0), None),
    ];
    for (before, expected, (swaps, reads), stored) in cases {
        let setup = Setup::new().await;
        setup.wire.script(before.iter().copied());
        setup.wire.always(Fault::Throttle);
        assert_eq!(kind(setup.swap(None, 1).await), Some(expected), "{before:?}");
        assert_eq!((setup.swaps(), setup.reads()), (swaps, reads), "{before:?}");
        assert_eq!(setup.stored().await, stored.and_then(record), "{before:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_back_off_of_a_refused_operation_is_random() {
    let mut waits = Vec::new();
    for _ in 0..200 {
        let setup = Setup::new().await;
        setup.wire.script([Fault::Refuse; 4]);
        let start = Instant::now();
        setup.read().await.unwrap();
        waits.push(start.elapsed());
    }
    let (least, most) = (waits.iter().min().unwrap(), waits.iter().max().unwrap());
    // Four waits of at most 10, 20, 40 and 80 ms, each drawn evenly from zero.
    assert!(*most <= Duration::from_millis(154), "{most:?}");
    assert!(*most > Duration::from_millis(100), "{most:?}");
    assert!(*least < Duration::from_millis(50), "{least:?}");
}

#[tokio::test(start_paused = true)]
async fn a_refused_write_ends_at_the_deadline_and_changes_nothing() {
    let setup = Setup::new().await;
    setup.wire.always(Fault::Refuse);
    let start = Instant::now();
    assert_eq!(kind(setup.swap(None, 1).await), Some(StoreErrorKind::Unavailable));
    assert!(start.elapsed() <= OPERATION);
    assert_eq!(setup.stored().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_write_is_applied_as_soon_as_the_store_accepts_it() {
    let setup = Setup::new().await;
    setup.wire.script([Fault::Refuse; 5]);
    assert_eq!(setup.swap(None, 1).await.unwrap(), Swap::Applied(version(1)));
}

#[tokio::test(start_paused = true)]
async fn f07_a_read_that_hangs_ends_at_the_deadline() {
    let setup = Setup::new().await;
    setup.wire.always(Fault::Hang);
    let start = Instant::now();
    assert_eq!(kind(setup.read().await), Some(StoreErrorKind::Timeout));
    assert_eq!(start.elapsed(), OPERATION);
}

#[tokio::test(start_paused = true)]
async fn f07_a_write_that_hangs_ends_at_the_deadline_and_is_ambiguous() {
    for fault in [Fault::Hang, Fault::HangAfter] {
        let setup = Setup::new().await;
        setup.wire.always(fault);
        let start = Instant::now();
        assert_eq!(kind(setup.swap(None, 1).await), Some(StoreErrorKind::Ambiguous));
        assert_eq!(start.elapsed(), OPERATION, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn f07_the_deadline_of_the_invocation_ends_an_operation_sooner() {
    let setup = Setup::new().await;
    setup.wire.always(Fault::Hang);
    let left = Duration::from_millis(120);
    let start = Instant::now();
    let read = Deadline::within(left).scope(async { setup.read().await });
    assert_eq!(kind(read.await), Some(StoreErrorKind::Timeout));
    assert_eq!(start.elapsed(), left);
}

#[tokio::test(start_paused = true)]
async fn f12_with_less_than_50_milliseconds_left_nothing_is_started() {
    for left in [0, 1, 49] {
        let setup = Setup::new().await;
        let read = Deadline::within(Duration::from_millis(left)).scope(setup.read());
        assert_eq!(kind(read.await), Some(StoreErrorKind::Timeout), "{left} ms");
        assert_eq!(setup.reads(), 0, "{left} ms");
    }
    let setup = Setup::new().await;
    let read = Deadline::within(Duration::from_millis(50)).scope(setup.read());
    assert!(read.await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn f12_no_attempt_is_started_with_less_than_50_milliseconds_left() {
    let setup = Setup::new().await;
    // The first attempt is refused at once. The read after it takes the rest of the time.
    let long = OPERATION - Duration::from_millis(30);
    setup.wire.script([Fault::Refuse, Fault::Delay(long)]);
    assert_eq!(kind(setup.swap(None, 1).await), Some(StoreErrorKind::Unavailable));
    assert_eq!(setup.swaps(), 1);
    assert_eq!(setup.stored().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_refused_write_conflicts_with_what_another_process_wrote_meanwhile() {
    let setup = Setup::new().await;
    setup.wire.script([Fault::Refuse]);
    setup.other(None, 2).await;
    assert_eq!(setup.swap(None, 1).await.unwrap(), Swap::Conflict(record(2)));
    assert_eq!(setup.swaps(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_denied_operation_is_not_retried() {
    let setup = Setup::new().await;
    setup.wire.always(Fault::Deny);
    assert_eq!(kind(setup.swap(None, 1).await), Some(StoreErrorKind::Denied));
    assert_eq!(kind(setup.read().await), Some(StoreErrorKind::Denied));
    assert_eq!((setup.swaps(), setup.reads()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_conflict_is_answered_with_one_operation() {
    let setup = Setup::new().await;
    setup.other(None, 2).await;
    assert_eq!(setup.swap(None, 1).await.unwrap(), Swap::Conflict(record(2)));
    assert_eq!((setup.swaps(), setup.reads()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn the_first_operation_on_a_store_has_two_seconds_and_the_next_half_a_second() {
    let setup = Setup::unconnected();
    setup.wire.always(Fault::Hang);
    for limit in [Duration::from_secs(2), OPERATION, OPERATION] {
        let start = Instant::now();
        assert_eq!(kind(setup.read().await), Some(StoreErrorKind::Timeout));
        assert_eq!(start.elapsed(), limit);
        // Nobody tries for a second after that.
        sleep(Duration::from_secs(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn operations_that_start_before_the_first_is_over_have_two_seconds_too() {
    let setup = Setup::unconnected();
    setup.wire.always(Fault::Delay(Duration::from_millis(900)));
    let (read, swap) = tokio::join!(setup.read(), setup.swap(None, 1));
    assert!(read.is_ok());
    assert_eq!(swap.unwrap(), Swap::Applied(version(1)));
    assert_eq!(kind(setup.read().await), Some(StoreErrorKind::Timeout));
}

#[tokio::test(start_paused = true)]
async fn a_first_operation_that_is_dropped_is_over() {
    let setup = Setup::unconnected();
    setup.wire.always(Fault::Hang);
    assert!(timeout(Duration::from_millis(100), setup.read()).await.is_err());
    let start = Instant::now();
    assert_eq!(kind(setup.read().await), Some(StoreErrorKind::Timeout));
    assert_eq!(start.elapsed(), OPERATION);
}

#[tokio::test(start_paused = true)]
async fn each_store_has_a_first_operation_of_its_own_which_its_clones_share() {
    let (one, other) = (Setup::new().await, Setup::unconnected());
    let clone = one.store.clone();
    for (setup, store, limit) in
        [(&one, &clone, OPERATION), (&other, &other.store, Duration::from_secs(2))]
    {
        setup.wire.always(Fault::Hang);
        let start = Instant::now();
        let read = store.read_record::<Mark>(&setup.name).await;
        assert_eq!(kind(read), Some(StoreErrorKind::Timeout));
        assert_eq!(start.elapsed(), limit);
    }
}
