//! Counts the allocations of a call. This is a binary of its own, because the count covers the whole
//! process.

#![allow(clippy::unwrap_used, reason = "how a test fails")]

use std::{alloc::System, sync::Arc, time::Duration};

use funcify_backend_memory::MemoryBackend;
use funcify_core::{
    circuit::{CircuitBreaker, CircuitPolicy, CircuitState, CountRule},
    register::RetryingRegister,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn memory() -> RetryingRegister {
    RetryingRegister::new(MemoryBackend::new())
}

/// Returns the fewest allocations of a hundred calls in several tries, because another thread may allocate
/// too.
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
    let circuit = CircuitBreaker::new("count", count, Arc::new(memory())).unwrap();
    circuit.call(async || Ok::<_, ()>(())).await.unwrap();
    assert_eq!(fewest(&circuit, true).await, 0, "healthy, count rule");

    // A call that fails allocates its report, which shows that the allocator counts.
    let region = Region::new(ALLOCATOR);
    circuit.call(async || Err::<(), _>(())).await.unwrap_err();
    assert!(region.change().allocations > 0);
    assert_eq!(circuit.record().await.state, CircuitState::Open);
    assert_eq!(fewest(&circuit, false).await, 0, "refused");

    let rate = CircuitPolicy::default();
    let circuit = CircuitBreaker::new("rate", rate, Arc::new(memory())).unwrap();
    for _ in 0..20_000 {
        circuit.call(async || Ok::<_, ()>(())).await.unwrap();
    }
    assert_eq!(fewest(&circuit, true).await, 0, "healthy, rate rule");
}
