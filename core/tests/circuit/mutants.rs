//! Mutants of what surrounds the rules: each is broken in one way, and caught.

use std::sync::Arc;

use async_trait::async_trait;
use funcify_core::{
    StoreError, StoreErrorKind,
    circuit::{
        CircuitBreaker, CircuitName, CircuitPolicy, CircuitRecord, CircuitState,
        CircuitStateProvider,
    },
    register::{Swap, Version, Versioned, WriteId},
};

use crate::support::{
    Store, VirtualClock, fail, five_a_minute, fleet, is_refused, seconds, succeed, touchy,
};

/// Whether an instance with a snapshot of its own refuses calls six seconds after another one opened
/// the circuit.
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
    let ageless = five_a_minute().with_snapshot_ttl(seconds(300), seconds(300));
    assert!(!the_others_refuse_too(ageless).await);
}

/// A store that applies a write and loses the answer; its mutant then sends it as a new one.
#[derive(Debug)]
struct LosesAnswers {
    store: Arc<Store>,
    counts_again: bool,
}

#[async_trait]
impl CircuitStateProvider for LosesAnswers {
    async fn circuit_state(
        &self,
        circuit: &CircuitName,
    ) -> Result<Option<Versioned<CircuitRecord>>, StoreError> {
        self.store.circuit_state(circuit).await
    }

    async fn update_state(
        &self,
        circuit: &CircuitName,
        expected: Option<Version>,
        id: WriteId,
        next: &CircuitRecord,
    ) -> Result<Swap<CircuitRecord>, StoreError> {
        self.store.update_state(circuit, expected, id, next).await?;
        if self.counts_again {
            let mut twice = next.clone();
            twice.failures.extend(next.failures.last().copied());
            let there = Some(Version::new(id));
            self.store.update_state(circuit, there, WriteId::random(), &twice).await?;
        }
        Err(StoreError::new("test", StoreErrorKind::Ambiguous, "reset after sending"))
    }
}

async fn one_failure_counts_once(counts_again: bool) -> bool {
    let store = Store::new();
    let lossy = LosesAnswers { store: Arc::clone(&store), counts_again };
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
    let lossy = LosesAnswers { store: Arc::clone(&store), counts_again: false };
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
