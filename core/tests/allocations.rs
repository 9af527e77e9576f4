//! What a call costs in allocations. A binary of its own: the count is the process's.

#![allow(clippy::unwrap_used, reason = "how a test fails")]

use std::{
    alloc::System,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use funcify_core::{
    StoreError,
    circuit::{
        CircuitBreaker, CircuitName, CircuitPolicy, CircuitRecord, CircuitState,
        CircuitStateProvider, CountRule,
    },
    register::{Swap, Version, Versioned, WriteId},
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[derive(Debug, Default)]
struct Memory(Mutex<Option<Versioned<CircuitRecord>>>);

#[async_trait]
impl CircuitStateProvider for Memory {
    async fn circuit_state(
        &self,
        _: &CircuitName,
    ) -> Result<Option<Versioned<CircuitRecord>>, StoreError> {
        Ok(self.0.lock().unwrap().clone())
    }

    async fn update_state(
        &self,
        _: &CircuitName,
        _: Option<Version>,
        id: WriteId,
        next: &CircuitRecord,
    ) -> Result<Swap<CircuitRecord>, StoreError> {
        *self.0.lock().unwrap() = Some(Versioned::new(next.clone(), Version::new(id)));
        Ok(Swap::Applied(Version::new(id)))
    }
}

/// The fewest allocations of a hundred calls in some tries: another thread may allocate too.
async fn fewest(circuit: &CircuitBreaker, admitted: bool) -> usize {
    let mut fewest = usize::MAX;
    for _ in 0..10 {
        let region = Region::new(ALLOCATOR);
        for _ in 0..100 {
            assert_eq!(circuit.call(async || Ok::<_, ()>(())).await.is_ok(), admitted);
        }
        fewest = fewest.min(region.change().allocations);
    }
    fewest
}

#[tokio::test]
async fn healthy_and_refused_calls_allocate_nothing() {
    let minute = Duration::from_secs(60);
    let count = CircuitPolicy::new(CountRule::new(1, minute));
    let circuit = CircuitBreaker::new("count", count, Arc::new(Memory::default())).unwrap();
    circuit.call(async || Ok::<_, ()>(())).await.unwrap();
    assert_eq!(fewest(&circuit, true).await, 0, "healthy, count rule");

    // The allocator does count: a call that fails makes a report.
    let region = Region::new(ALLOCATOR);
    circuit.call(async || Err::<(), _>(())).await.unwrap_err();
    assert!(region.change().allocations > 0);
    assert_eq!(circuit.record().await.state, CircuitState::Open);
    assert_eq!(fewest(&circuit, false).await, 0, "refused");

    let rate = CircuitPolicy::default();
    let circuit = CircuitBreaker::new("rate", rate, Arc::new(Memory::default())).unwrap();
    for _ in 0..20_000 {
        circuit.call(async || Ok::<_, ()>(())).await.unwrap();
    }
    assert_eq!(fewest(&circuit, true).await, 0, "healthy, rate rule");
}
