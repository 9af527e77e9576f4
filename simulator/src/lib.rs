//! Simulates a whole fleet of functions in one process, on virtual time.
//!
//! Use it to choose a circuit policy before an outage tests yours. The circuit breakers, the token getters
//! and their rules are the real ones of funcify. Only the store, the dependency and the identity provider
//! are simulated.
//!
//! [`run`] runs one [`Scenario`], in which one thing happens to the fleet. It returns a [`Report`]: figures,
//! some of them with a [`Limit`], and a [`Timeline`] that you can draw with [`svg`] or [`sparkline`].
//!
//! The virtual time is that of tokio. Run a scenario on a current-thread runtime with paused time
//! (`start_paused`, from tokio's feature `test-util`). Hours then pass in seconds, and the same seed gives
//! the same figures.
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

mod answers;
mod dependency;
mod error;
mod figures;
mod fleet;
mod getters;
mod messages;
mod picture;
mod provider;
mod run;
mod scenario;
mod store;
mod timeline;
mod world;

use std::time::Duration;

use tokio::time::{Instant, sleep};

pub use error::SimulatorError;
pub use figures::{Figure, Limit, Report};
pub use picture::{sparkline, svg};
pub use run::Settings;
pub use scenario::Scenario;
pub use timeline::{Slot, Timeline};

/// Runs one scenario on virtual time. The runtime must be a current-thread runtime of tokio with paused
/// time, as in the example of this crate.
///
/// # Errors
///
/// [`SimulatorError`] if the policy is invalid, if the fleet has no instances, or if the runtime's time is
/// not paused.
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

/// Whether a second of the runtime's time passes in less than a real second.
async fn time_is_paused() -> bool {
    let moment = Duration::from_secs(1);
    let (real, virtually) = (std::time::Instant::now(), Instant::now());
    sleep(moment).await;
    virtually.elapsed() >= moment && real.elapsed() < moment
}

/// Compiles and runs the examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
