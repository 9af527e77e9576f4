//! A fleet of instances, each with its own circuit breaker, and the calls that they make.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::Poll,
    time::Duration,
};

use funcify_core::{
    circuit::{CircuitBreaker, CircuitError, CircuitPolicy, CircuitState},
    engine::Chance,
};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use super::{
    SimulatorError,
    dependency::Dependency,
    run::Run,
    store::Store,
    timeline::{Happening, Recorder},
    world::World,
};

/// Circuit breakers that share one store, or have a store each if the state is not shared.
pub(super) struct Fleet {
    pub(super) dependency: Arc<Dependency>,
    pub(super) stores: Vec<Arc<Store>>,
    pub(super) instances: Vec<CircuitBreaker>,
    world: Arc<World>,
    tally: Arc<Tally>,
    chance: Chance,
    in_flight: JoinSet<()>,
    /// Whether a scenario polls a call itself. Time must not be skipped then, because the call may have
    /// timers.
    holds: bool,
    progress: Run,
}

/// The number of calls between two reports of progress.
const PROGRESS_EVERY: u64 = 4_096;

/// Counts what the callers got.
#[derive(Debug)]
struct Tally {
    recorder: Arc<Recorder>,
    refused: AtomicU64,
    timed_out: AtomicU64,
    last_refused_millis: AtomicU64,
    longest_millis: AtomicU64,
}

impl Fleet {
    /// A fleet of the size in the settings of the run. `clock_error` returns by how many milliseconds the
    /// clock of the instance with this index is wrong.
    pub(super) fn new(
        run: &Run,
        policy: &CircuitPolicy,
        clock_error: impl Fn(usize) -> i64,
    ) -> Result<Self, SimulatorError> {
        let world = &run.world;
        let count = if run.settings.unshared { run.instances } else { 1 };
        let stores: Vec<_> = (0..count.max(1)).map(|_| Store::new(world)).collect();
        let Some(first) = stores.first() else { return Err(SimulatorError::NoInstances) };
        let dependency = Dependency::new(world, &run.recorder, first);
        let mut instances = Vec::with_capacity(run.instances);
        for (index, store) in (0..run.instances).zip(stores.iter().cycle()) {
            let breaker =
                CircuitBreaker::new("dependency", policy.clone(), Arc::clone(store) as _)?
                    .with_clock(world.clock_off_by(clock_error(index)))
                    .with_chance(world.chance())
                    .with_instance(format!("i{index}"));
            instances.push(breaker);
        }
        let tally = Tally {
            recorder: Arc::clone(&run.recorder),
            refused: AtomicU64::new(0),
            timed_out: AtomicU64::new(0),
            last_refused_millis: AtomicU64::new(0),
            longest_millis: AtomicU64::new(0),
        };
        Ok(Self {
            dependency,
            stores,
            instances,
            world: Arc::clone(world),
            tally: Arc::new(tally),
            chance: world.chance(),
            in_flight: JoinSet::new(),
            holds: false,
            progress: run.clone(),
        })
    }

    /// Makes `rate` calls a second, in all instances together, for the time `lasting`.
    pub(super) async fn calls(&mut self, rate: f64, lasting: Duration) {
        self.calls_until(rate, lasting, |_| false).await;
    }

    /// Makes calls like [`calls`](Self::calls), but ends early when `done` returns true. Returns whether it
    /// did.
    pub(super) async fn calls_until(
        &mut self,
        rate: f64,
        lasting: Duration,
        done: impl Fn(&Self) -> bool,
    ) -> bool {
        let (began, mut at) = (self.now(), 0.0);
        for call in 0_u64.. {
            // Poisson arrivals, each at a random instance.
            at -= (1.0 - self.chance.draw()).ln() / rate;
            if at >= lasting.as_secs_f64() {
                break;
            }
            self.wait_until(began + Duration::from_secs_f64(at)).await;
            if call % PROGRESS_EVERY == 0 {
                self.progress.report_progress();
            }
            if done(self) {
                return true;
            }
            self.call(self.anyone()).await;
        }
        self.wait_until(began + lasting).await;
        done(self)
    }

    /// Lets time pass until `at`. If no timer is waiting, this skips the time.
    async fn wait_until(&mut self, at: Duration) {
        while self.in_flight.try_join_next().is_some() {}
        let gap = at.saturating_sub(self.now());
        if self.in_flight.is_empty() && !self.holds {
            self.world.skip(gap);
        } else if !gap.is_zero() {
            sleep(gap).await;
        }
    }

    /// Starts one call of the instance with this index.
    pub(super) async fn call(&mut self, index: usize) {
        let Some(mut call) = self.made_by(index) else { return };
        // Most calls of a healthy fleet end at their first poll. A task would cost more than such a call.
        if starts_waiting(&mut call).await {
            self.in_flight.spawn(call);
        }
    }

    /// A call of the instance with this index, which starts when it is polled.
    pub(super) fn prepare(&mut self, index: usize) -> Option<Call> {
        self.holds = true;
        self.made_by(index)
    }

    fn made_by(&self, index: usize) -> Option<Call> {
        let breaker = self.instances.get(index)?.clone();
        let (dependency, tally) = (Arc::clone(&self.dependency), Arc::clone(&self.tally));
        let world = Arc::clone(&self.world);
        Some(Box::pin(async move {
            let began = Instant::now();
            let ended = breaker.call(async || dependency.call(index).await).await;
            match ended {
                Ok(()) | Err(CircuitError::Failed(_)) => {}
                Err(CircuitError::Open(_)) => {
                    tally.recorder.count(Happening::Refused);
                    tally.refused.fetch_add(1, Ordering::Relaxed);
                    tally.last_refused_millis.store(whole(world.elapsed()), Ordering::Relaxed);
                }
                Err(_) => {
                    tally.recorder.count(Happening::Failed);
                    tally.timed_out.fetch_add(1, Ordering::Relaxed);
                }
            }
            tally.longest_millis.fetch_max(whole(began.elapsed()), Ordering::Relaxed);
        }))
    }

    /// Starts a call of every instance at this moment.
    pub(super) async fn all_call(&mut self) {
        for index in 0..self.instances.len() {
            self.call(index).await;
        }
    }

    /// Waits until no call is in flight.
    pub(super) async fn drain(&mut self) {
        while self.in_flight.join_next().await.is_some() {}
    }

    /// Whether every store's circuit is in `state`.
    pub(super) fn is(&self, state: CircuitState) -> bool {
        self.stores.iter().all(|store| store.state() == state)
    }

    /// How many seconds after `since` the circuits of all stores had changed to `state`. Infinite if one
    /// did not.
    pub(super) fn seconds_to(&self, state: CircuitState, since: Duration) -> f64 {
        let first = |store: &Arc<Store>| store.first(state, since);
        let all: Option<Vec<_>> = self.stores.iter().map(first).collect();
        let last = all.and_then(|all| all.into_iter().max());
        last.map_or(f64::INFINITY, |at| at.saturating_sub(since).as_secs_f64())
    }

    pub(super) fn operations(&self) -> u64 {
        self.stores.iter().map(|store| store.operations()).sum()
    }

    pub(super) fn refused(&self) -> u64 {
        self.tally.refused.load(Ordering::Relaxed)
    }

    /// How many calls the breakers ended because of their timeout.
    pub(super) fn timed_out(&self) -> u64 {
        self.tally.timed_out.load(Ordering::Relaxed)
    }

    /// When the last call was refused.
    pub(super) fn last_refused(&self) -> Duration {
        Duration::from_millis(self.tally.last_refused_millis.load(Ordering::Relaxed))
    }

    /// The longest wait of a caller since the last call of this method.
    pub(super) fn longest_wait(&self) -> Duration {
        Duration::from_millis(self.tally.longest_millis.swap(0, Ordering::Relaxed))
    }

    /// How many times the circuit opened.
    pub(super) fn times_opened(&self) -> usize {
        let opened = |store: &Arc<Store>| {
            store.changes().iter().filter(|change| change.state == CircuitState::Open).count()
        };
        self.stores.iter().map(opened).sum()
    }

    /// How long the simulation has been running, in virtual time.
    pub(super) fn now(&self) -> Duration {
        self.world.elapsed()
    }

    /// Lets time pass without a call.
    pub(super) async fn idle(&self, lasting: Duration) {
        sleep(lasting).await;
    }

    fn anyone(&self) -> usize {
        let picked = self.chance.draw() * self.instances.len() as f64;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is between zero and the number of instances"
        )]
        let index = picked as usize;
        index
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        if let Some(store) = self.stores.first() {
            self.tally.recorder.states(&store.changes());
        }
    }
}

fn whole(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// One call, from the breaker's admission to its report.
pub(super) type Call = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Polls the call once. Returns whether it has to wait.
pub(super) async fn starts_waiting(call: &mut Call) -> bool {
    poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx).is_pending())).await
}
