//! The scenario in which an operator overrides the circuit and closes it again.

use funcify_core::circuit::{CircuitBreaker, CircuitPolicy, OverrideMode};

use super::policy::seconds;
use crate::{Figure, SimulatorError, fleet::Fleet, run::Run};

/// The seconds after which every instance follows the operator's write: the default `snapshot_ttl`.
const FOLLOWED: f64 = 5.0;

pub(super) async fn overrides(run: &Run) -> Result<Vec<Figure>, SimulatorError> {
    let rate = 100.0;
    let policy = run.policy(CircuitPolicy::default());
    let mut fleet = Fleet::new(run, &policy, |_| 0)?;
    fleet.calls(rate, seconds(20)).await;

    forced_open(run, operator(&fleet)?).await?;
    let (set, passed, refused) = (fleet.now(), fleet.dependency.calls(), fleet.refused());
    fleet.calls(rate, seconds(60)).await;
    let last = fleet.dependency.last_call().saturating_sub(set).as_secs_f64();
    let passed = fleet.dependency.calls() - passed;
    let before = reads(&fleet);
    fleet.calls(rate, seconds(60)).await;
    let reads_a_second = (reads(&fleet) - before) as f64 / 60.0;
    let refused_while_open = fleet.refused() - refused;

    operator(&fleet)?.close().await?;
    let (closed, refused) = (fleet.now(), fleet.refused());
    fleet.calls(rate, seconds(60)).await;
    let last_refusal = fleet.last_refused().saturating_sub(closed).as_secs_f64();
    Ok(vec![
        Figure::at_most("seconds_to_last_call", last, FOLLOWED),
        Figure::plain("passed_after_it", passed as f64),
        Figure::at_most("reads_per_s_while_open", reads_a_second, run.instances as f64 / FOLLOWED),
        Figure::plain("refused_while_open", refused_while_open as f64),
        Figure::at_most("seconds_to_last_refusal", last_refusal, FOLLOWED),
        Figure::plain("refused_after_close", (fleet.refused() - refused) as f64),
    ])
}

fn operator(fleet: &Fleet) -> Result<&CircuitBreaker, SimulatorError> {
    fleet.instances.first().ok_or(SimulatorError::NoInstances)
}

async fn forced_open(run: &Run, operator: &CircuitBreaker) -> Result<(), SimulatorError> {
    let until = run.world.clock_off_by(0).now() + seconds(3_600);
    Ok(operator.set_override(OverrideMode::ForceOpen, until, "operator").await?)
}

fn reads(fleet: &Fleet) -> u64 {
    fleet.stores.iter().map(|store| store.reads()).sum()
}
