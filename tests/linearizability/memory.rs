//! The memory backend, behind wires that lose, delay and repeat.

use std::sync::Arc;
use std::time::Instant;

use funcify_backend_memory::MemoryBackend;
use funcify_core::conformance::Faulty;
use funcify_core::engine::Chance;
use funcify_core::register::Register;

use crate::support::env::{scaled, seed};
use crate::support::linearize::{Counts, HistoryPlan, Verdict, check};

/// A random plan for one history.
pub(super) fn plan(seed: u64) -> HistoryPlan {
    let chance = Chance::seeded(seed);
    let among = |least: u64, most: u64| (least + chance.bits() % (most - least + 1)) as usize;
    HistoryPlan {
        clients: among(2, 6),
        operations: among(6, 16),
        keys: among(1, 2),
        seed: chance.bits(),
        stale_reads: false,
        idempotency: among(0, 1) == 1,
    }
}

/// A faulty wire for each client.
pub(super) fn wires(
    store: &Arc<dyn Register>,
    plan: HistoryPlan,
    rate: f64,
) -> Vec<Arc<dyn Register>> {
    let wire = |client: u64| {
        let wire = Faulty::new(Arc::clone(store));
        wire.random(plan.seed.wrapping_add(client), rate);
        Arc::new(wire) as Arc<dyn Register>
    };
    (0..plan.clients as u64).map(wire).collect()
}

#[tokio::test(start_paused = true)]
async fn simulated_histories_on_failing_wires_are_linearizable() {
    let (wanted, start, seed) = (scaled(20_000), Instant::now(), seed());
    let (mut counted, mut tried, mut total) = (0, 0_u64, Counts::default());
    while counted < wanted {
        let plan = plan(seed.wrapping_add(tried));
        tried += 1;
        let store: Arc<dyn Register> = Arc::new(MemoryBackend::new());
        match check(&wires(&store, plan, 0.1), plan).await {
            Verdict::Linearizable(counts) => {
                counted += 1;
                total.operations += counts.operations;
                total.done += counts.done;
                total.unknown += counts.unknown;
            }
            Verdict::DoesNotCount(_) => {}
            Verdict::NotLinearizable(key, stuck) => panic!("{plan:?} on {key}: {stuck}"),
        }
        assert!(tried < 2 * wanted as u64 + 100, "only {counted} of {tried} histories count");
    }
    println!("{counted} of {tried} histories count: {total:?} in {:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn histories_of_parallel_threads_are_linearizable() {
    let seed = seed();
    for number in 0..scaled(5_000) as u64 {
        let plan = plan(seed.wrapping_add(number));
        let store: Arc<dyn Register> = Arc::new(MemoryBackend::new());
        match check(&[store], plan).await {
            Verdict::Linearizable(_) => {}
            other => panic!("{plan:?}: {other:?}"),
        }
    }
}
