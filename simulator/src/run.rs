//! The settings of a scenario, and one run of it.

use std::{fmt, sync::Arc, time::Duration};

use funcify_core::circuit::CircuitPolicy;

use super::{Scenario, timeline::Recorder, world::World};

/// The settings of a run. By default, each scenario chooses its own.
///
/// # Examples
///
/// ```
/// use funcify::CircuitPolicy;
/// use funcify_simulator::Settings;
///
/// let settings = Settings::new(7)
///     .with_instances(50)
///     .with_policy(CircuitPolicy::for_token_endpoint());
/// assert_eq!(settings.seed, 7);
/// ```
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct Settings {
    /// The seed of all randomness. The same seed gives the same figures.
    pub seed: u64,
    /// The number of instances, at least 1. Default: [`Scenario::instances`], for which the limits are set.
    pub instances: Option<usize>,
    /// The circuit policy. Default: that of the scenario.
    pub policy: Option<CircuitPolicy>,
    /// Whether each instance has its own store, as in a fleet without a shared one. Default: false.
    pub unshared: bool,
    /// Whether to run the full counts: days instead of minutes, a thousand trials instead of a hundred.
    /// Default: false.
    pub long: bool,
    /// For how many simulated hours the long-running scenarios observe the fleet. By default the scenario
    /// chooses the hours. `long` makes them more.
    pub hours: Option<f64>,
    progress: Option<Arc<dyn Fn(&'static str, Duration) + Send + Sync>>,
}

impl Settings {
    /// Settings with this seed and the defaults of each scenario.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// Sets the number of instances.
    #[must_use]
    pub fn with_instances(self, instances: usize) -> Self {
        Self { instances: Some(instances), ..self }
    }

    /// Replaces the scenario's own circuit policy.
    #[must_use]
    pub fn with_policy(self, policy: CircuitPolicy) -> Self {
        Self { policy: Some(policy), ..self }
    }

    /// Gives each instance its own store, for comparison with a shared one.
    #[must_use]
    pub fn with_unshared_state(self) -> Self {
        Self { unshared: true, ..self }
    }

    /// Runs the full counts: see [`long`](Self::long).
    #[must_use]
    pub fn with_full_counts(self) -> Self {
        Self { long: true, ..self }
    }

    /// Sets for how many simulated hours the long-running scenarios observe the fleet.
    #[must_use]
    pub fn with_hours(self, hours: f64) -> Self {
        Self { hours: Some(hours), ..self }
    }

    /// Calls `listener` from time to time, with the name of the scenario and the virtual time so far.
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

/// The values that every part of a scenario needs.
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

    /// The policy in the settings, or that of the scenario if they have none.
    pub(super) fn policy(&self, own: CircuitPolicy) -> CircuitPolicy {
        self.settings.policy.clone().unwrap_or(own)
    }

    /// How long to observe the fleet: the hours in the settings, or else the full or the quick duration.
    pub(super) fn duration(&self, quick: Duration, full: Duration) -> Duration {
        match self.settings.hours {
            Some(hours) => Duration::try_from_secs_f64(hours * 3_600.0).unwrap_or(quick),
            None if self.settings.long => full,
            None => quick,
        }
    }

    pub(super) fn report_progress(&self) {
        if let Some(progress) = &self.settings.progress {
            progress(self.scenario.name(), self.world.elapsed());
        }
    }
}
