//! Events per second with 64 invocations in flight, as a function with `AWS_LAMBDA_MAX_CONCURRENCY=64` has them, on one thread
//! and on two.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Instant,
};

use funcify::testing::TestEvent;
use tokio::runtime::{Builder, Runtime};

use crate::curves::{context, pipeline, process};

pub(crate) const CURVE: &str = "an event, by threads, 64 in flight";

const IN_FLIGHT: u32 = 64;
const EVENTS: u32 = 20_000;

/// The number of threads, and nanoseconds of wall time for each event: the least of so many rounds.
pub(crate) fn measured(rounds: u32) -> Vec<(u64, f64)> {
    let counts = [1_u64, 2];
    let runtimes = counts.map(|threads| {
        let runtime =
            Builder::new_multi_thread().worker_threads(threads as usize).enable_all().build();
        runtime.expect("expected a runtime")
    });
    let mut least = [f64::INFINITY; 2];
    for _ in 0..rounds {
        for (least, runtime) in least.iter_mut().zip(&runtimes) {
            *least = least.min(round(runtime));
        }
    }
    counts.into_iter().zip(least.map(|ns| (ns * 10.0).round() / 10.0)).collect()
}

fn round(runtime: &Runtime) -> f64 {
    let pipeline = pipeline(100);
    let event: Arc<str> = TestEvent::get("/r57/orders/7").to_string().into();
    let left = Arc::new(AtomicU32::new(EVENTS));
    runtime.block_on(async {
        let start = Instant::now();
        let workers: Vec<_> = (0..IN_FLIGHT)
            .map(|_| {
                let (pipeline, event, left) =
                    (pipeline.clone(), Arc::clone(&event), Arc::clone(&left));
                tokio::spawn(async move {
                    while left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok() {
                        process(&pipeline, &event, context()).await;
                        // Lambda's runtime sends the output and waits for the next event.
                        tokio::task::yield_now().await;
                    }
                })
            })
            .collect();
        for worker in workers {
            worker.await.expect("expected the worker to end");
        }
        start.elapsed().as_secs_f64() * 1e9 / f64::from(EVENTS)
    })
}
