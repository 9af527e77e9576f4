//! One run of one scenario: its world, its settings, and who is told of its progress.

use std::{fmt, sync::Arc, time::Duration};

use funcify_core::circuit::CircuitPolicy;

use super::{Scenario, timeline::Recorder, world::World};

/// How a scenario is run.
///
/// # Examples
///
/// ```
/// use funcify::{CircuitPolicy, simulator::Settings};
///
/// let settings = Settings::new(7)
///     .with_instances(50)
///     .with_policy(CircuitPolicy::for_token_endpoint());
/// assert_eq!(settings.seed, 7);
/// ```
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct Settings {
    /// What chance begins from: the same seed, the same figures.
    pub seed: u64,
    /// How large the fleet is; unless given, as large as the scenario's bars were set for.
    pub instances: Option<usize>,
    /// The policy of the circuit instead of the scenario's own.
    pub policy: Option<CircuitPolicy>,
    /// Whether each instance keeps its state to itself: what a fleet without a shared store does.
    pub unshared: bool,
    /// The full counts: days instead of minutes, hundreds of trials instead of dozens.
    pub long: bool,
    /// How long what takes its time is watched, in simulated hours.
    pub hours: Option<f64>,
    progress: Option<Arc<dyn Fn(&'static str, Duration) + Send + Sync>>,
}

impl Settings {
    /// The settings of a run that begins from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// Makes the fleet so large.
    #[must_use]
    pub fn with_instances(self, instances: usize) -> Self {
        Self { instances: Some(instances), ..self }
    }

    /// Puts this policy in the place of the scenario's own.
    #[must_use]
    pub fn with_policy(self, policy: CircuitPolicy) -> Self {
        Self { policy: Some(policy), ..self }
    }

    /// Gives each instance a store of its own, for comparison.
    #[must_use]
    pub fn with_unshared_state(self) -> Self {
        Self { unshared: true, ..self }
    }

    /// Takes the full counts.
    #[must_use]
    pub fn with_full_counts(self) -> Self {
        Self { long: true, ..self }
    }

    /// Watches for so many simulated hours what takes its time.
    #[must_use]
    pub fn with_hours(self, hours: f64) -> Self {
        Self { hours: Some(hours), ..self }
    }

    /// Tells `listener` how much time was simulated, again and again.
    #[must_use]
    pub fn with_progress(
        self,
        listener: impl Fn(&'static str, Duration) + Send + Sync + 'static,
    ) -> Self {
        Self { progress: Some(Arc::new(listener)), ..self }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("seed", &self.seed)
            .field("instances", &self.instances)
            .field("policy", &self.policy)
            .field("unshared", &self.unshared)
            .field("long", &self.long)
            .field("hours", &self.hours)
            .finish_non_exhaustive()
    }
}

/// What every part of a scenario has at hand.
#[derive(Clone)]
pub(super) struct Run {
    pub(super) scenario: Scenario,
    pub(super) settings: Settings,
    pub(super) instances: usize,
    pub(super) world: Arc<World>,
    pub(super) recorder: Arc<Recorder>,
}

impl Run {
    pub(super) fn begin(scenario: Scenario, settings: &Settings) -> Self {
        let world = World::begin(settings.seed);
        Self {
            scenario,
            instances: settings.instances.unwrap_or(scenario.instances()),
            settings: settings.clone(),
            recorder: Recorder::new(&world),
            world,
        }
    }

    /// The policy that was asked for, else the scenario's own.
    pub(super) fn policy(&self, own: CircuitPolicy) -> CircuitPolicy {
        self.settings.policy.clone().unwrap_or(own)
    }

    /// How long to watch: as asked, else the full or the quick count.
    pub(super) fn watching(&self, quick: Duration, full: Duration) -> Duration {
        match self.settings.hours {
            Some(hours) => Duration::try_from_secs_f64(hours * 3_600.0).unwrap_or(quick),
            None if self.settings.long => full,
            None => quick,
        }
    }

    pub(super) fn tell(&self) {
        if let Some(progress) = &self.settings.progress {
            progress(self.scenario.name(), self.world.elapsed());
        }
    }
}
