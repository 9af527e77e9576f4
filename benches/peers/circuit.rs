//! A call through a circuit: admitted and recorded as a success, or refused.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use failsafe::futures::CircuitBreaker as _;
use funcify_backend_memory::MemoryBackend;
use funcify_core::{
    circuit::{
        CircuitBreaker, CircuitError, CircuitPolicy, CircuitRecord, CircuitStateProvider, CountRule,
    },
    engine::{Clock, SystemClock, circuit::Bucket},
    register::{RecordName, RetryingRegister, Swap, WriteId},
};
use funcify_test_support::{Counts, HookedCircuits};
use recloser::{AsyncRecloser, Recloser};
use tower::{Layer, Service, service_fn};
use tower_resilience_circuitbreaker::{CircuitBreakerLayer, SlidingWindowType};

use funcify_benches::case::{Bench, Case, Sample, Subject, at_once, lap};

const MINUTE: Duration = Duration::from_secs(60);

pub(crate) fn cases(bench: &Bench) -> Vec<Case> {
    let closed = || bench.subject(failsafe(false));
    vec![
        Case::new("circuit closed, count rule", count(bench), "failsafe, consecutive", closed())
            .at_most(2.0)
            .allocations(0),
        Case::new(
            "circuit closed, count rule, counted in metrics",
            counted(bench),
            "the same, not counted",
            count(bench),
        )
        .allocations(0),
        Case::new(
            "circuit closed, count rule, pending once",
            count_pending(bench),
            "failsafe in tokio's timeout",
            bench.subject(failsafe_pending()),
        )
        .allocations(0),
        Case::new(
            "circuit closed, rate rule, 2,000 calls",
            rate(bench, 2_000),
            "failsafe, consecutive",
            closed(),
        )
        .at_most(2.2)
        .allocations(0),
        Case::new(
            "circuit closed, rate rule, 100,000 calls",
            rate(bench, 100_000),
            "failsafe, consecutive",
            closed(),
        )
        .at_most(2.2)
        .allocations(0),
        Case::new(
            "circuit open",
            open(bench),
            "failsafe, consecutive",
            bench.subject(failsafe(true)),
        )
        .at_most(0.7)
        .allocations(0),
        Case::new(
            "circuit closed, count rule (recloser)",
            count(bench),
            "recloser",
            bench.subject(recloser()),
        ),
        Case::new(
            "circuit closed, rate rule (failsafe's rate)",
            rate(bench, 100_000),
            "failsafe, rate in a window",
            bench.subject(failsafe_rate()),
        ),
        Case::new(
            "circuit closed, rate rule (tower-resilience)",
            rate(bench, 20_000),
            "tower-resilience, 20,000 calls",
            tower_resilience(bench),
        ),
    ]
}

/// A store that counts its operations. On the fast path there are none.
#[derive(Clone, Debug)]
struct Asked {
    store: RetryingRegister,
    times: Arc<AtomicU64>,
}

impl Default for Asked {
    fn default() -> Self {
        Self { store: RetryingRegister::new(MemoryBackend::new()), times: Arc::default() }
    }
}

impl Asked {
    fn breaker(&self, policy: CircuitPolicy) -> CircuitBreaker {
        let (reads, writes) = (Arc::clone(&self.times), Arc::clone(&self.times));
        let store = HookedCircuits::over(Arc::new(self.store.clone()))
            .on_read(move |read| {
                reads.fetch_add(1, Relaxed);
                async move { read.send().await }
            })
            .on_write(move |write| {
                writes.fetch_add(1, Relaxed);
                async move { write.send().await }
            });
        CircuitBreaker::new("bench", policy, Arc::new(store)).expect("expected a circuit")
    }

    /// A lap in which the store was not asked.
    async fn unasked<T>(
        &self,
        operations: u32,
        operation: impl AsyncFnMut() -> T,
    ) -> Option<Sample> {
        let before = self.times.load(Relaxed);
        let sample = lap(operations, operation).await;
        (self.times.load(Relaxed) == before).then_some(sample)
    }
}

fn counting() -> CircuitPolicy {
    CircuitPolicy::new(CountRule::new(5, MINUTE))
}

fn count(bench: &Bench) -> Subject {
    let (bench, store) = (bench.clone(), Asked::default());
    let circuit = store.breaker(counting());
    Box::new(move |operations| {
        bench.block_on(store.unasked(operations, async || {
            let called = circuit.call(async || Ok::<u32, ()>(7)).await;
            assert!(called.is_ok());
        }))
    })
}

/// The same with a recorder of metrics.
fn counted(bench: &Bench) -> Subject {
    let (counts, mut calls) = (Counts::new(), count(bench));
    Box::new(move |operations| metrics::with_local_recorder(&counts, || calls(operations)))
}

fn count_pending(bench: &Bench) -> Subject {
    let (bench, store) = (bench.clone(), Asked::default());
    let circuit = store.breaker(counting());
    Box::new(move |operations| {
        bench.block_on(store.unasked(operations, async || {
            let called = at_once(circuit.call(async || Once::default().await)).await;
            assert!(called.is_ok());
        }))
    })
}

/// The call of a circuit with `calls` in its window, none of which reports: a report is what one of
/// so many calls makes, and never the one that is measured here.
fn rate(bench: &Bench, calls: u32) -> Subject {
    /// Of 2,000 calls in a window one in eighteen is reported: more in a row would hardly ever be without.
    const IN_A_ROW: u32 = 32;

    let (bench, name) = (bench.clone(), RecordName::try_from("bench").expect("expected a name"));
    Box::new(move |operations| {
        bench.block_on(async {
            let store = Asked::default();
            let at = SystemClock.now();
            let bucket = Bucket { at, calls, reports: calls, ..Bucket::default() };
            let mut record = CircuitRecord::default();
            record.buckets = vec![bucket];
            let written = store.store.update_state(&name, None, WriteId::random(), &record).await;
            assert!(matches!(written, Ok(Swap::Applied(_))));
            let circuit = store.breaker(CircuitPolicy::default());
            let operation = async || {
                let called = circuit.call(async || Ok::<u32, ()>(7)).await;
                assert!(called.is_ok());
            };
            // The first one looks at the store.
            operation().await;
            let known: u32 = circuit.record().await.buckets.iter().map(|bucket| bucket.calls).sum();
            assert!(known >= calls, "expected {calls} calls in the window, got {known}");
            store.unasked(operations.min(IN_A_ROW), operation).await
        })
    })
}

fn open(bench: &Bench) -> Subject {
    let (bench, store) = (bench.clone(), Asked::default());
    let circuit = store.breaker(CircuitPolicy::for_token_endpoint());
    bench.block_on(async {
        for _ in 0..3 {
            let _ = circuit.call(async || Err::<u32, ()>(())).await;
        }
    });
    Box::new(move |operations| {
        bench.block_on(store.unasked(operations, async || {
            let called = circuit.call(async || Ok::<u32, ()>(7)).await;
            assert!(matches!(called, Err(CircuitError::Open(_))));
        }))
    })
}

fn failsafe(open: bool) -> impl AsyncFnMut() {
    let backoff = failsafe::backoff::constant(MINUTE * 10);
    let policy = failsafe::failure_policy::consecutive_failures(5, backoff);
    let circuit = failsafe::Config::new().failure_policy(policy).build();
    if open {
        for _ in 0..5 {
            let _ = failsafe::CircuitBreaker::call(&circuit, || Err::<u32, ()>(()));
        }
    }
    async move || {
        let called = circuit.call(async { Ok::<u32, ()>(7) }).await;
        assert_eq!(called.is_err(), open);
    }
}

/// With a limit on the call's time, as ours has: alone failsafe would let it hang.
fn failsafe_pending() -> impl AsyncFnMut() {
    let backoff = failsafe::backoff::constant(MINUTE);
    let policy = failsafe::failure_policy::consecutive_failures(5, backoff);
    let circuit = failsafe::Config::new().failure_policy(policy).build();
    async move || {
        let limited = async {
            let limit = Duration::from_secs(10);
            tokio::time::timeout(limit, Once::default()).await.map_err(|_| ())?
        };
        let called = at_once(circuit.call(limited)).await;
        assert!(called.is_ok());
    }
}

fn failsafe_rate() -> impl AsyncFnMut() {
    let backoff = failsafe::backoff::constant(MINUTE);
    let policy = failsafe::failure_policy::success_rate_over_time_window(0.5, 20, MINUTE, backoff);
    let circuit = failsafe::Config::new().failure_policy(policy).build();
    async move || {
        let called = circuit.call(async { Ok::<u32, ()>(7) }).await;
        assert!(called.is_ok());
    }
}

fn recloser() -> impl AsyncFnMut() {
    let circuit = AsyncRecloser::from(Recloser::custom().closed_len(100).build());
    async move || {
        let called = circuit.call(async { Ok::<u32, ()>(7) }).await;
        assert!(called.is_ok());
    }
}

/// Its window of time holds 20,000 calls, each of which it looks at.
fn tower_resilience(bench: &Bench) -> Subject {
    let layer = CircuitBreakerLayer::builder()
        .sliding_window_type(SlidingWindowType::TimeBased)
        .sliding_window_duration(MINUTE * 10)
        .sliding_window_size(20)
        .build()
        .expect("expected a layer");
    let mut service = layer.layer(service_fn(|()| async { Ok::<u32, ()>(7) }));
    let mut call = async move || {
        let called = service.call(()).await;
        assert!(called.is_ok());
    };
    bench.block_on(lap(20_000, &mut call));
    bench.subject(call)
}

/// A future that has to wait once.
#[derive(Default)]
struct Once {
    waited: bool,
}

impl Future for Once {
    type Output = Result<u32, ()>;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        if std::mem::replace(&mut self.waited, true) { Poll::Ready(Ok(7)) } else { Poll::Pending }
    }
}
