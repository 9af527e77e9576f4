//! A whole fleet in one process: the real rules, breaker and token getter on virtual time.
//!
//! Only the store, the dependency and the identity provider are played; everything else is what a
//! function runs. A [`Scenario`] lets something happen to such a fleet and comes to a [`Report`]:
//! figures, each beside its bar, and a [`Timeline`] that can be looked at as a picture. Use it to
//! choose a policy before a dependency chooses one for you.
//!
//! Time is tokio's: run it on a paused current-thread runtime (`start_paused`, of tokio's feature
//! `test-util`), where hours pass in seconds and the same seed gives the same figures.
//!
//! # Examples
//!
//! ```
//! use funcify_simulator::{Scenario, Settings, run};
//!
//! let runtime = tokio::runtime::Builder::new_current_thread()
//!     .enable_time()
//!     .start_paused(true)
//!     .build()?;
//! let settings = Settings::new(1).with_instances(50);
//! let report = runtime.block_on(run(Scenario::Outage, &settings))?;
//! assert!(report.figure("failures_before_open") < Some(20.0));
//! assert_eq!(report.figure("max_probes"), Some(1.0));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod dependency;
mod figures;
mod fleet;
mod getters;
mod picture;
mod provider;
mod run;
mod scenario;
mod store;
mod timeline;
mod world;

use std::time::Duration;

use funcify_core::circuit::CircuitConfigError;
use tokio::time::{Instant, sleep};

pub use figures::{Bar, Figure, Report};
pub use picture::{sparkline, svg};
pub use run::Settings;
pub use scenario::Scenario;
pub use timeline::{Slot, Timeline};

use funcify::token::{TokenConfigError, TokenError};

/// Runs one scenario on virtual time.
///
/// # Errors
///
/// [`SimulatorError`] for a policy that cannot be, a fleet of nobody, and a runtime whose time
/// cannot be moved.
pub async fn run(scenario: Scenario, settings: &Settings) -> Result<Report, SimulatorError> {
    if !time_is_paused().await {
        return Err(SimulatorError::RealTime);
    }
    let run = run::Run::begin(scenario, settings);
    if run.instances == 0 {
        return Err(SimulatorError::NoInstances);
    }
    let figures = scenario.figures(&run).await?;
    Ok(Report {
        scenario: scenario.name(),
        instances: run.instances,
        seed: settings.seed,
        figures,
        timeline: run.recorder.timeline(),
    })
}

/// Why a scenario could not be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SimulatorError {
    /// The policy cannot be.
    #[error("the policy cannot be simulated")]
    Policy(#[from] CircuitConfigError),
    /// There are no instances.
    #[error("expected at least one instance, got none")]
    NoInstances,
    /// The runtime's time is not paused: a simulated hour would take one.
    #[error("expected a runtime whose time is paused, got one that runs in real time")]
    RealTime,
    /// The token getter cannot be.
    #[error("the token getter cannot be simulated")]
    Getter(#[from] TokenConfigError),
    /// A fleet that should have had a token has none.
    #[error("the fleet could not begin with a token")]
    Token(#[from] TokenError),
}

/// Whether a moment passes at once.
async fn time_is_paused() -> bool {
    let moment = Duration::from_secs(1);
    let (real, virtually) = (std::time::Instant::now(), Instant::now());
    sleep(moment).await;
    virtually.elapsed() >= moment && real.elapsed() < moment
}
