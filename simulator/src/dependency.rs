//! The simulated dependency that the circuit protects. It answers, fails or hangs, and counts its calls.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use funcify_core::{circuit::CircuitState, engine::Chance};
use tokio::time::sleep;

use super::{
    store::{Store, lock},
    timeline::{Happening, Recorder},
    world::World,
};

/// The most failures that are recorded.
const MAX_FAILURES: usize = 20_000;

/// One dependency with its state of health.
#[derive(Debug)]
pub(super) struct Dependency {
    world: Arc<World>,
    chance: Chance,
    recorder: Arc<Recorder>,
    store: Arc<Store>,
    health: Mutex<Health>,
    failures: Mutex<Vec<Duration>>,
    calls: AtomicU64,
    last_call_millis: AtomicU64,
    probes: AtomicU32,
    most_probes: AtomicU32,
}

/// How the dependency answers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Health {
    /// The part of the calls that fails, from 0 to 1.
    pub(super) failure_rate: f64,
    /// How long an answer takes on average.
    pub(super) latency: Duration,
    /// How long it takes until the call is polled after its answer has arrived.
    pub(super) hand_over: Duration,
    /// The instance whose calls all fail, even when the dependency is healthy.
    pub(super) poisoned: Option<usize>,
}

impl Health {
    pub(super) const UP: Self = Self::failing(0.0);
    pub(super) const DOWN: Self = Self::failing(1.0);

    /// A dependency that fails this part of the calls and answers with its usual latency.
    pub(super) const fn failing(failure_rate: f64) -> Self {
        Self {
            failure_rate,
            latency: Duration::from_millis(20),
            hand_over: Duration::ZERO,
            poisoned: None,
        }
    }

    pub(super) const fn with_hand_over(self, hand_over: Duration) -> Self {
        Self { hand_over, ..self }
    }

    pub(super) const fn with_latency(self, latency: Duration) -> Self {
        Self { latency, ..self }
    }
}

/// The error of a call that the dependency failed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failed;

impl Dependency {
    pub(super) fn new(
        world: &Arc<World>,
        recorder: &Arc<Recorder>,
        store: &Arc<Store>,
    ) -> Arc<Self> {
        Arc::new(Self {
            world: Arc::clone(world),
            chance: world.chance(),
            recorder: Arc::clone(recorder),
            store: Arc::clone(store),
            health: Mutex::new(Health::UP),
            failures: Mutex::default(),
            calls: AtomicU64::new(0),
            last_call_millis: AtomicU64::new(0),
            probes: AtomicU32::new(0),
            most_probes: AtomicU32::new(0),
        })
    }

    /// Changes the health, and starts to count failures anew.
    pub(super) fn set_health(&self, health: Health) {
        *lock(&self.health) = health;
        lock(&self.failures).clear();
    }

    /// One call of the instance with this index.
    pub(super) async fn call(&self, instance: usize) -> Result<(), Failed> {
        let Health { failure_rate, latency, hand_over, poisoned } = *lock(&self.health);
        self.calls.fetch_add(1, Ordering::Relaxed);
        let now = u64::try_from(self.world.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_call_millis.store(now, Ordering::Relaxed);
        let fails = poisoned == Some(instance) || self.chance.draw() < failure_rate;
        let _probing = Probing::if_any(self);
        if !latency.is_zero() {
            sleep(latency.mul_f64(0.5 + self.chance.draw())).await;
        }
        if !hand_over.is_zero() {
            sleep(hand_over).await;
        }
        if !fails {
            self.recorder.count(Happening::Passed);
            return Ok(());
        }
        self.recorder.count(Happening::Failed);
        let mut failures = lock(&self.failures);
        if failures.len() < MAX_FAILURES {
            failures.push(self.world.elapsed());
        }
        Err(Failed)
    }

    /// How many calls have reached the dependency.
    pub(super) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// When the last call reached the dependency.
    pub(super) fn last_call(&self) -> Duration {
        Duration::from_millis(self.last_call_millis.load(Ordering::Relaxed))
    }

    /// How many calls have failed between the last change of health and `at`.
    pub(super) fn failures_by(&self, at: Duration) -> usize {
        lock(&self.failures).iter().filter(|failed| **failed <= at).count()
    }

    /// The largest number of concurrent probes.
    pub(super) fn most_probes(&self) -> u32 {
        self.most_probes.load(Ordering::Relaxed)
    }
}

/// A call that arrived while the circuit was half-open.
struct Probing<'a>(&'a Dependency);

impl<'a> Probing<'a> {
    fn if_any(dependency: &'a Dependency) -> Option<Self> {
        (dependency.store.state() == CircuitState::HalfOpen).then(|| {
            dependency.recorder.count(Happening::Probe);
            let now = dependency.probes.fetch_add(1, Ordering::Relaxed) + 1;
            dependency.most_probes.fetch_max(now, Ordering::Relaxed);
            Self(dependency)
        })
    }
}

impl Drop for Probing<'_> {
    fn drop(&mut self) {
        self.0.probes.fetch_sub(1, Ordering::Relaxed);
    }
}
