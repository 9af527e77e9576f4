//! What a process knows may be old: it was frozen, or has no time to look.

use std::sync::Arc;

use async_trait::async_trait;
use funcify_core::{
    Deadline, ManualClock, StoreError,
    circuit::{
        Cause, CircuitBreaker, CircuitName, CircuitRecord, CircuitState, CircuitStateProvider,
    },
    register::{Swap, Version, Versioned, WriteId},
};
use tokio::time::sleep;

use crate::support::{
    START, Store, breaker, fail, fleet, is_refused, millis, seconds, succeed, touchy,
};

/// A store whose reader is frozen for a minute with the answer under way, while others open the
/// circuit.
#[derive(Debug)]
struct Freezing {
    store: Arc<Store>,
    other: CircuitBreaker,
    clock: Arc<ManualClock>,
}

#[async_trait]
impl CircuitStateProvider for Freezing {
    async fn circuit_state(
        &self,
        name: &CircuitName,
    ) -> Result<Option<Versioned<CircuitRecord>>, StoreError> {
        let found = self.store.circuit_state(name).await;
        if self.store.record().state == CircuitState::Closed {
            fail(&self.other).await.unwrap_err();
            self.clock.advance(seconds(60));
        }
        found
    }

    async fn update_state(
        &self,
        name: &CircuitName,
        expected: Option<Version>,
        id: WriteId,
        next: &CircuitRecord,
    ) -> Result<Swap<CircuitRecord>, StoreError> {
        self.store.update_state(name, expected, id, next).await
    }
}

#[tokio::test(start_paused = true)]
async fn f10_a_thawed_process_admits_nothing_by_what_it_read_before() {
    let (store, clock) = (Store::new(), Arc::new(ManualClock::at(START)));
    let policy = touchy().with_stand_down(seconds(600), seconds(600));
    let other = breaker(&store, policy.clone(), clock.clone());
    let freezing = Freezing { store: Arc::clone(&store), other, clock: clock.clone() };
    let thawed =
        CircuitBreaker::new("auth0", policy, Arc::new(freezing)).unwrap().with_clock(clock);
    assert!(is_refused(&succeed(&thawed).await));
    assert_eq!(store.record().state, CircuitState::Open);
}

#[tokio::test(start_paused = true)]
async fn without_time_to_look_nothing_passes_by_what_was_known_long_ago() {
    let store = Store::new();
    let fleet = fleet(&store, &touchy(), 2);
    succeed(&fleet[1]).await.unwrap();
    fail(&fleet[0]).await.unwrap_err();
    let hurried = Deadline::within(millis(40));
    assert!(hurried.scope(fleet[1].acquire()).await.is_ok(), "fresh it will do");
    sleep(seconds(5)).await;
    let hurried = Deadline::within(millis(40));
    let refused = hurried.scope(fleet[1].acquire()).await.unwrap_err();
    assert_eq!(refused.cause, Cause::Stale);
}
