//! Once an operation has waited in vain for a store, the others of the process do not wait too.

use std::time::Duration;

use funcify_core::{
    Deadline, StoreErrorKind,
    conformance::Fault,
    engine::{OPERATION, error_chain},
    register::Swap,
};
use tokio::time::{Instant, sleep};

use crate::wire::{Setup, kind, version};

/// How long nobody tries after an operation that got no answer.
const PAUSE: Duration = Duration::from_secs(1);

/// How long the operation takes.
async fn took(operation: impl Future) -> Duration {
    let begun = Instant::now();
    operation.await;
    begun.elapsed()
}

#[tokio::test(start_paused = true)]
async fn f07_a_cold_process_waits_once_for_a_store_that_hangs() {
    let setup = Setup::unconnected();
    setup.wire.always(Fault::Hang);
    assert_eq!(took(setup.read()).await, Duration::from_secs(2));
    let others = async {
        for _ in 0..10 {
            assert_eq!(kind(setup.read().await), Some(StoreErrorKind::Timeout));
            assert_eq!(kind(setup.swap(None, 1).await), Some(StoreErrorKind::Timeout));
        }
    };
    assert_eq!(took(others).await, Duration::ZERO);
    assert_eq!(setup.reads(), 0, "only the first one was sent");
}

#[tokio::test(start_paused = true)]
async fn f06_a_store_that_refuses_a_whole_operation_is_not_asked_for_a_second() {
    let setup = Setup::new().await;
    setup.wire.always(Fault::Refuse);
    assert!(took(setup.read()).await > Duration::ZERO);
    let asked = setup.reads();
    assert_eq!(took(setup.swap(None, 1)).await, Duration::ZERO);
    assert_eq!(kind(setup.read().await), Some(StoreErrorKind::Unavailable));
    assert_eq!(setup.reads(), asked);
}

#[tokio::test(start_paused = true)]
async fn f07_after_the_pause_one_operation_tries_the_store_and_the_others_do_not_wait() {
    let setup = Setup::new().await;
    setup.wire.always(Fault::Hang);
    assert_eq!(took(setup.read()).await, OPERATION);
    sleep(PAUSE).await;
    let (one, other) = tokio::join!(took(setup.read()), async {
        sleep(Duration::from_millis(1)).await;
        took(setup.read()).await
    });
    assert_eq!((one, other), (OPERATION, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn f07_a_store_that_answers_again_is_used_at_once() {
    let setup = Setup::new().await;
    setup.wire.always(Fault::Hang);
    assert!(setup.read().await.is_err());
    setup.wire.heal();
    assert!(setup.read().await.is_err(), "not asked");
    sleep(PAUSE).await;
    for n in 1..4 {
        let expected = (n > 1).then(|| version(n - 1));
        assert_eq!(setup.swap(expected, n).await.unwrap(), Swap::Applied(version(n)));
    }
}

/// The first try after the pause is given up by its caller: the next caller may try at once.
#[tokio::test(start_paused = true)]
async fn f26_a_try_that_is_given_up_keeps_nobody_from_trying() {
    let setup = Setup::new().await;
    setup.wire.always(Fault::Hang);
    assert!(setup.read().await.is_err());
    sleep(PAUSE).await;
    let given_up = tokio::time::timeout(Duration::from_millis(20), setup.read()).await;
    assert!(given_up.is_err());
    setup.wire.heal();
    assert!(setup.read().await.is_ok());
}

/// An invocation that has little time left proves nothing about the store.
#[tokio::test(start_paused = true)]
async fn f12_an_operation_that_the_deadline_cuts_off_does_not_put_others_off() {
    let setup = Setup::new().await;
    setup.wire.always(Fault::Hang);
    let hurried = Deadline::within(Duration::from_millis(100)).scope(async { setup.read().await });
    assert_eq!(kind(hurried.await), Some(StoreErrorKind::Timeout));
    setup.wire.heal();
    assert!(setup.read().await.is_ok());
}

/// A refusal is an answer: so is a conflict, and a store that throttles.
#[tokio::test(start_paused = true)]
async fn f05_a_store_that_answers_is_not_down_whatever_it_answers() {
    for fault in [Fault::Throttle, Fault::Deny] {
        let setup = Setup::new().await;
        setup.wire.always(fault);
        assert!(setup.read().await.is_err());
        setup.wire.heal();
        assert!(setup.read().await.is_ok(), "{fault:?}");
    }
    // Every write is refused, and every read after it is answered.
    let setup = Setup::new().await;
    setup.wire.script([Fault::Refuse, Fault::Pass].into_iter().cycle().take(200));
    assert_eq!(kind(setup.swap(None, 1).await), Some(StoreErrorKind::Unavailable));
    assert!(setup.read().await.is_ok());
}

/// Only a read can tell what became of a write whose responses were all lost.
#[tokio::test(start_paused = true)]
async fn f04_after_an_ambiguous_write_one_read_is_let_through() {
    let setup = Setup::new().await;
    setup.wire.always(Fault::Hang);
    assert_eq!(kind(setup.swap(None, 1).await), Some(StoreErrorKind::Ambiguous));
    assert_eq!(took(setup.read()).await, OPERATION);
    assert_eq!(took(setup.read()).await, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn f07_an_error_names_the_option_to_raise_each_time() {
    let setup = Setup::new().await;
    setup.wire.always(Fault::Hang);
    for _ in 0..3 {
        let error = error_chain(&setup.read().await.unwrap_err());
        assert!(error.contains("raise its option `timeout` (now 500 ms)"), "{error}");
    }
}
