//! Mutants of the code around the rules. Each is broken in one way and must be caught.

use std::sync::Arc;

use funcify_core::{
    StoreError, StoreErrorKind,
    circuit::{CircuitBreaker, CircuitPolicy, CircuitState},
    register::{Version, WriteId},
};
use funcify_test_support::HookedCircuits;

use crate::support::{
    Store, VirtualClock, fail, five_a_minute, fleet, is_refused, seconds, succeed, touchy,
    with_snapshot_ttl,
};

/// Whether an instance that has a snapshot refuses calls six seconds after another instance has opened the
/// circuit.
async fn the_others_refuse_too(policy: CircuitPolicy) -> bool {
    let store = Store::new();
    let fleet = fleet(&store, &policy, 2);
    succeed(&fleet[1]).await.unwrap();
    for _ in 0..5 {
        fail(&fleet[0]).await.unwrap_err();
    }
    tokio::time::sleep(seconds(6)).await;
    is_refused(&succeed(&fleet[1]).await)
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_that_never_ages_is_caught() {
    assert!(the_others_refuse_too(five_a_minute()).await);
    let ageless = with_snapshot_ttl(five_a_minute(), seconds(300));
    assert!(!the_others_refuse_too(ageless).await);
}

/// A store that applies every write and loses every answer. With `counts_again`, the mutant counts the
/// failure again.
fn loses_answers(store: &Arc<Store>, counts_again: bool) -> HookedCircuits {
    HookedCircuits::over(Arc::clone(store)).on_write(move |mut write| async move {
        write.send().await?;
        if counts_again {
            write.next.failures.extend(write.next.failures.last().copied());
            write.expected = Some(Version::from(write.id));
            write.id = WriteId::random();
            write.send().await?;
        }
        Err(StoreError::new("test", StoreErrorKind::Ambiguous, "reset after sending"))
    })
}

async fn one_failure_counts_once(counts_again: bool) -> bool {
    let store = Store::new();
    let lossy = loses_answers(&store, counts_again);
    let circuit = CircuitBreaker::new("auth0", five_a_minute(), Arc::new(lossy))
        .unwrap()
        .with_clock(VirtualClock::new());
    fail(&circuit).await.unwrap_err();
    store.record().failures.len() == 1
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_is_counted_again_is_caught() {
    assert!(one_failure_counts_once(false).await);
    assert!(!one_failure_counts_once(true).await);
}

#[tokio::test(start_paused = true)]
async fn the_result_of_a_probe_counts_once_though_every_answer_is_lost() {
    let store = Store::new();
    let lossy = loses_answers(&store, false);
    let circuit = CircuitBreaker::new("auth0", touchy(), Arc::new(lossy))
        .unwrap()
        .with_clock(VirtualClock::new());
    fail(&circuit).await.unwrap_err();
    tokio::time::sleep(seconds(10)).await;
    succeed(&circuit).await.unwrap();
    assert_eq!((store.record().state, store.record().round_successes), (CircuitState::HalfOpen, 1));
    succeed(&circuit).await.unwrap();
    assert_eq!((store.record().state, store.record().epoch), (CircuitState::Closed, 3));
}
