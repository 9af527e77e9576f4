//! What the circuit protects: it answers, fails, hangs, and counts who got through.

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
    timeline::{Recorder, What},
    world::World,
};

/// More times of failures than this are not kept.
const KEPT: usize = 20_000;

/// One dependency, as it does today.
#[derive(Debug)]
pub(super) struct Dependency {
    world: Arc<World>,
    chance: Chance,
    recorder: Arc<Recorder>,
    store: Arc<Store>,
    health: Mutex<Health>,
    failures: Mutex<Vec<Duration>>,
    asked: AtomicU64,
    probing: AtomicU32,
    most_probing: AtomicU32,
}

/// How the dependency does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Health {
    /// The part of calls that fails.
    pub(super) failing: f64,
    /// How long an answer takes.
    pub(super) takes: Duration,
    /// An instance of the fleet whose calls all fail, whatever the dependency does.
    pub(super) poisoned: Option<usize>,
}

impl Health {
    pub(super) const WELL: Self = Self::failing(0.0);
    pub(super) const DEAD: Self = Self::failing(1.0);

    /// Fails for this part of the calls, and answers at its usual pace.
    pub(super) const fn failing(failing: f64) -> Self {
        Self { failing, takes: Duration::from_millis(20), poisoned: None }
    }

    pub(super) const fn taking(self, takes: Duration) -> Self {
        Self { takes, ..self }
    }
}

/// The dependency failed.
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
            health: Mutex::new(Health::WELL),
            failures: Mutex::default(),
            asked: AtomicU64::new(0),
            probing: AtomicU32::new(0),
            most_probing: AtomicU32::new(0),
        })
    }

    /// From now on it does like this; failures are counted anew.
    pub(super) fn is(&self, health: Health) {
        *lock(&self.health) = health;
        lock(&self.failures).clear();
    }

    /// One call of the instance at this place of the fleet.
    pub(super) async fn ask(&self, instance: usize) -> Result<(), Failed> {
        let Health { failing, takes, poisoned } = *lock(&self.health);
        self.asked.fetch_add(1, Ordering::Relaxed);
        let fails = poisoned == Some(instance) || self.chance.draw() < failing;
        let _probing = Probing::if_any(self);
        if !takes.is_zero() {
            sleep(takes.mul_f64(0.5 + self.chance.draw())).await;
        }
        if !fails {
            self.recorder.count(What::Passed);
            return Ok(());
        }
        self.recorder.count(What::Failed);
        let mut failures = lock(&self.failures);
        if failures.len() < KEPT {
            failures.push(self.world.elapsed());
        }
        Err(Failed)
    }

    /// How many calls reached it.
    pub(super) fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    /// How many calls failed by `at` since its health changed.
    pub(super) fn failures_by(&self, at: Duration) -> usize {
        lock(&self.failures).iter().filter(|failed| **failed <= at).count()
    }

    /// The most probes that were under way at once.
    pub(super) fn most_probing(&self) -> u32 {
        self.most_probing.load(Ordering::Relaxed)
    }
}

/// A call that came while the circuit was half-open.
struct Probing<'a>(&'a Dependency);

impl<'a> Probing<'a> {
    fn if_any(dependency: &'a Dependency) -> Option<Self> {
        (dependency.store.state() == CircuitState::HalfOpen).then(|| {
            dependency.recorder.count(What::Probe);
            let now = dependency.probing.fetch_add(1, Ordering::Relaxed) + 1;
            dependency.most_probing.fetch_max(now, Ordering::Relaxed);
            Self(dependency)
        })
    }
}

impl Drop for Probing<'_> {
    fn drop(&mut self) {
        self.0.probing.fetch_sub(1, Ordering::Relaxed);
    }
}
