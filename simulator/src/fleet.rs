//! The instances of a fleet, each with a breaker of its own, and the calls they make.

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
    circuit::{CircuitBreaker, CircuitError, CircuitPolicy, CircuitState, Instance},
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
    timeline::{Recorder, What},
    world::World,
};

/// Breakers on one store, or each on its own where the state is not shared.
pub(super) struct Fleet {
    pub(super) dependency: Arc<Dependency>,
    pub(super) stores: Vec<Arc<Store>>,
    pub(super) instances: Vec<CircuitBreaker>,
    world: Arc<World>,
    tally: Arc<Tally>,
    chance: Chance,
    under_way: JoinSet<()>,
    /// Whether a scenario holds a call in its hand, whose timers have to go on.
    holds: bool,
    progress: Run,
}

/// After so many calls it is told how far the run is.
const TOLD_EVERY: u64 = 4_096;

/// What callers saw.
#[derive(Debug)]
struct Tally {
    recorder: Arc<Recorder>,
    refused: AtomicU64,
    last_refused_millis: AtomicU64,
    longest_millis: AtomicU64,
}

impl Fleet {
    /// A fleet as large as the run asks for, all of its clocks right but for `wrong`: how many
    /// milliseconds the clock at a place is off.
    pub(super) fn new(
        run: &Run,
        policy: &CircuitPolicy,
        wrong: impl Fn(usize) -> i64,
    ) -> Result<Self, SimulatorError> {
        let world = &run.world;
        let count = if run.settings.unshared { run.instances } else { 1 };
        let stores: Vec<_> = (0..count.max(1)).map(|_| Store::new(world)).collect();
        let Some(first) = stores.first() else { return Err(SimulatorError::NoInstances) };
        let dependency = Dependency::new(world, &run.recorder, first);
        let mut instances = Vec::with_capacity(run.instances);
        for (place, store) in (0..run.instances).zip(stores.iter().cycle()) {
            let breaker =
                CircuitBreaker::new("dependency", policy.clone(), Arc::clone(store) as _)?
                    .with_clock(world.clock_off_by(wrong(place)))
                    .with_chance(world.chance())
                    .with_instance(Instance::new(format!("i{place}")));
            instances.push(breaker);
        }
        let tally = Tally {
            recorder: Arc::clone(&run.recorder),
            refused: AtomicU64::new(0),
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
            under_way: JoinSet::new(),
            holds: false,
            progress: run.clone(),
        })
    }

    /// Calls at `pace` a second in all, for so long.
    pub(super) async fn calls(&mut self, pace: f64, lasting: Duration) {
        self.calls_until(pace, lasting, |_| false).await;
    }

    /// The same, until `done`; whether it was.
    pub(super) async fn calls_until(
        &mut self,
        pace: f64,
        lasting: Duration,
        done: impl Fn(&Self) -> bool,
    ) -> bool {
        let (began, mut at) = (self.now(), 0.0);
        for call in 0_u64.. {
            // Poisson arrivals, at instances picked by chance.
            at -= (1.0 - self.chance.draw()).ln() / pace;
            if at >= lasting.as_secs_f64() {
                break;
            }
            self.wait_until(began + Duration::from_secs_f64(at)).await;
            if call % TOLD_EVERY == 0 {
                self.progress.tell();
            }
            if done(self) {
                return true;
            }
            self.call(self.anyone()).await;
        }
        self.wait_until(began + lasting).await;
        done(self)
    }

    /// Lets time pass up to `at`, at once where nothing waits for it.
    async fn wait_until(&mut self, at: Duration) {
        while self.under_way.try_join_next().is_some() {}
        let gap = at.saturating_sub(self.now());
        if self.under_way.is_empty() && !self.holds {
            self.world.skip(gap);
        } else if !gap.is_zero() {
            sleep(gap).await;
        }
    }

    /// One call of the instance at `place`, which goes on by itself.
    pub(super) async fn call(&mut self, place: usize) {
        let Some(mut call) = self.made_by(place) else { return };
        // Most calls of a healthy fleet end at once: a task for each would cost more than the call.
        if begins(&mut call).await {
            self.under_way.spawn(call);
        }
    }

    /// A call that is not made before it is polled.
    pub(super) fn prepare(&mut self, place: usize) -> Option<Call> {
        self.holds = true;
        self.made_by(place)
    }

    fn made_by(&self, place: usize) -> Option<Call> {
        let breaker = self.instances.get(place)?.clone();
        let (dependency, tally) = (Arc::clone(&self.dependency), Arc::clone(&self.tally));
        let world = Arc::clone(&self.world);
        Some(Box::pin(async move {
            let began = Instant::now();
            let ended = breaker.call(async || dependency.ask(place).await).await;
            match ended {
                Ok(()) | Err(CircuitError::Failed(_)) => {}
                Err(CircuitError::Open(_)) => {
                    tally.recorder.count(What::Refused);
                    tally.refused.fetch_add(1, Ordering::Relaxed);
                    tally.last_refused_millis.store(whole(world.elapsed()), Ordering::Relaxed);
                }
                Err(_) => tally.recorder.count(What::Failed),
            }
            tally.longest_millis.fetch_max(whole(began.elapsed()), Ordering::Relaxed);
        }))
    }

    /// Every instance calls at this moment.
    pub(super) async fn all_call(&mut self) {
        for place in 0..self.instances.len() {
            self.call(place).await;
        }
    }

    /// Waits until nothing is under way.
    pub(super) async fn settle(&mut self) {
        while self.under_way.join_next().await.is_some() {}
    }

    /// Whether every record says `state`.
    pub(super) fn is(&self, state: CircuitState) -> bool {
        self.stores.iter().all(|store| store.state() == state)
    }

    /// How many seconds after `since` the last record went into `state`; infinite if one did not.
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

    /// When the last call was refused.
    pub(super) fn last_refused(&self) -> Duration {
        Duration::from_millis(self.tally.last_refused_millis.load(Ordering::Relaxed))
    }

    /// The longest that a caller waited since this was asked last.
    pub(super) fn longest_wait(&self) -> Duration {
        Duration::from_millis(self.tally.longest_millis.swap(0, Ordering::Relaxed))
    }

    /// How often the circuit opened.
    pub(super) fn openings(&self) -> usize {
        let opened = |store: &Arc<Store>| {
            store.changes().iter().filter(|change| change.state == CircuitState::Open).count()
        };
        self.stores.iter().map(opened).sum()
    }

    /// How long the simulation has been going on.
    pub(super) fn now(&self) -> Duration {
        self.world.elapsed()
    }

    /// Waits without a call.
    pub(super) async fn rest(&self, lasting: Duration) {
        sleep(lasting).await;
    }

    fn anyone(&self) -> usize {
        let picked = self.chance.draw() * self.instances.len() as f64;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "from zero to the number of instances"
        )]
        let place = picked as usize;
        place
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

/// Polls once; whether the call has to wait.
pub(super) async fn begins(call: &mut Call) -> bool {
    poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx).is_pending())).await
}
