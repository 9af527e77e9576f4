//! f05: a fleet whose store throttles everything for five seconds.
//!
//! The calls to the store are compared with the operations that the breakers asked for, and with the
//! calls of the same fleet on a healthy store.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use funcify_backend_memory::MemoryBackend;
use funcify_core::{
    StoreErrorKind,
    circuit::{
        CallOutcome, CircuitBreaker, CircuitEvent, CircuitPolicy, CircuitStateProvider, CountRule,
    },
    conformance::{Fault, Faulty},
    engine::{Chance, Clock, OPERATION, VirtualClock},
    register::RetryingRegister,
};
use funcify_test_support::HookedCircuits;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

const INSTANCES: u64 = 200;
const THROTTLED: Duration = Duration::from_secs(5);
const BACK_WITHIN: Duration = Duration::from_secs(2);
/// Each instance has a call to protect this often.
const CALLS_APART: Duration = Duration::from_millis(100);

/// How often a throttled operation is retried.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Retries {
    /// Ours: not at all.
    Never,
    /// The mutant: it is retried with full jitter, for as long as an operation may take.
    UntilTheDeadline,
    /// The mutant: it is retried once, after up to 400 ms.
    OnceMore,
}

#[tokio::test(start_paused = true)]
async fn f05_a_throttled_fleet_sends_no_extra_calls_and_is_back_within_two_seconds() {
    let load = Load::of(Retries::Never).await;
    println!("f05: {load:?}");
    load.judge().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_fleet_that_retries_throttled_operations_is_caught() {
    for retries in [Retries::UntilTheDeadline, Retries::OnceMore] {
        let load = Load::of(retries).await;
        println!("f05, {retries:?}: {load:?}");
        assert_eq!(load.judge(), Err("more than 10 % extra calls"), "{retries:?}");
    }
}

#[derive(Debug)]
struct Load {
    /// Operations that the breakers asked for while the store throttled.
    asked: u64,
    /// Calls to the store that followed from them.
    calls: u64,
    /// Calls of the same fleet to a healthy store, in the same time.
    when_healthy: u64,
    /// The most calls within a tenth of a second, once the fleet has noticed that it is throttled.
    busiest: u64,
    /// How many instances had the fleet's record again in time.
    back: u64,
}

impl Load {
    async fn of(retries: Retries) -> Self {
        let when_healthy = {
            let fleet = Fleet::new(retries).await;
            let before = fleet.calls();
            fleet.serve(THROTTLED).await;
            fleet.calls() - before
        };
        let fleet = Fleet::new(retries).await;
        fleet.wire.always(Fault::Throttle);
        let (asked, before) = (fleet.asked(), fleet.calls());
        let counting = async {
            sleep(Duration::from_millis(1_200)).await;
            let (mut busiest, mut counted) = (0, fleet.calls());
            for _ in 0..35 {
                sleep(Duration::from_millis(100)).await;
                let calls = fleet.calls();
                busiest = busiest.max(calls - counted);
                counted = calls;
            }
            busiest
        };
        let ((), busiest) = tokio::join!(fleet.serve(THROTTLED), counting);
        let (asked, calls) = (fleet.asked() - asked, fleet.calls() - before);
        fleet.wire.heal();
        fleet.serve(BACK_WITHIN).await;
        let back = fleet.back.load(Ordering::SeqCst);
        Self { asked, calls, when_healthy, busiest, back }
    }

    fn judge(&self) -> Result<(), &'static str> {
        let is_within_a_tenth = |of: u64| self.calls * 10 <= of * 11;
        if self.calls < INSTANCES {
            return Err("the store was not even asked");
        }
        if !is_within_a_tenth(self.asked) || !is_within_a_tenth(self.when_healthy) {
            return Err("more than 10 % extra calls");
        }
        // Spread evenly over one to two seconds it would be a fifteenth of the fleet.
        if self.busiest > INSTANCES / 5 {
            return Err("in step");
        }
        if self.back < INSTANCES { Err("not back in time") } else { Ok(()) }
    }
}

/// Breakers whose dependency failed, so that each one refreshes its snapshot once a second.
struct Fleet {
    wire: Faulty<MemoryBackend>,
    asked: Arc<AtomicU64>,
    back: Arc<AtomicU64>,
    instances: Vec<CircuitBreaker>,
}

impl Fleet {
    async fn new(retries: Retries) -> Self {
        let wire = Faulty::new(Arc::new(MemoryBackend::new()));
        let (asked, back) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let store = RetryingRegister::new(wire.clone());
        let store: Arc<dyn CircuitStateProvider> = Arc::new(counting(store, retries, &asked));
        let clock = VirtualClock::new();
        let policy = CircuitPolicy::new(CountRule::new(5, Duration::from_secs(300)));
        let instance = |seed| {
            let back = Arc::clone(&back);
            CircuitBreaker::new("auth0", policy.clone(), Arc::clone(&store))
                .unwrap()
                .with_clock(Arc::clone(&clock) as Arc<dyn Clock>)
                .with_chance(Chance::seeded(seed))
                .with_listener(move |_, event| {
                    if matches!(event, CircuitEvent::StoreBack) {
                        back.fetch_add(1, Ordering::SeqCst);
                    }
                })
        };
        let instances = (0..INSTANCES).map(instance).collect();
        let fleet = Self { wire, asked, back, instances };
        fleet.instances[0].acquire().await.unwrap().record(CallOutcome::Failure).await;
        fleet.serve(Duration::from_secs(2)).await;
        fleet
    }

    /// Every instance makes successful calls for this time, each at its own moments.
    async fn serve(&self, time: Duration) {
        let ends = Instant::now() + time;
        let mut instances = JoinSet::new();
        for (n, instance) in (0_u32..).zip(self.instances.iter().cloned()) {
            instances.spawn(async move {
                sleep(CALLS_APART * n / INSTANCES as u32).await;
                while Instant::now() < ends {
                    instance.call(async || Ok::<_, &str>(())).await.unwrap();
                    sleep(CALLS_APART).await;
                }
            });
        }
        while let Some(served) = instances.join_next().await {
            served.unwrap();
        }
    }

    fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }

    fn calls(&self) -> u64 {
        self.wire.reads() + self.wire.swaps()
    }
}

/// Counts what the breakers ask for, and retries a throttled read as `retries` says.
fn counting(store: RetryingRegister, retries: Retries, asked: &Arc<AtomicU64>) -> HookedCircuits {
    let (reads, writes) = (Arc::clone(asked), Arc::clone(asked));
    HookedCircuits::over(Arc::new(store))
        .on_read(move |read| {
            reads.fetch_add(1, Ordering::SeqCst);
            async move {
                let chance = Chance::from_entropy();
                let (began, mut attempts) = (Instant::now(), 0);
                loop {
                    let bound = match read.send().await {
                        Err(error) if error.kind() == StoreErrorKind::Throttled => match retries {
                            Retries::UntilTheDeadline if began.elapsed() < OPERATION => {
                                Duration::from_millis((10 << attempts).min(100))
                            }
                            Retries::OnceMore if attempts == 0 => Duration::from_millis(400),
                            _ => return Err(error),
                        },
                        answer => return answer,
                    };
                    attempts = (attempts + 1).min(4);
                    sleep(chance.up_to(bound)).await;
                }
            }
        })
        .on_write(move |write| {
            writes.fetch_add(1, Ordering::SeqCst);
            async move { write.send().await }
        })
}
