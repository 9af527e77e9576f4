//! Scenarios with a store that works badly: it has a small quota, or it is far away.

use funcify_core::circuit::{CircuitPolicy, CircuitState};

use super::outage::{back_to_closed, max_probes};
use super::policy::{five_a_minute, millis, seconds};
use crate::{Figure, SimulatorError, dependency::Health, fleet::Fleet, run::Run};

const RATE: f64 = 100.0;

/// The default throughput of SSM in requests a second, and how many milliseconds one operation takes.
const QUOTA: f64 = 40.0;
const SSM_MILLIS: u64 = 30;

pub(super) async fn throttled_store(run: &Run) -> Result<Vec<Figure>, SimulatorError> {
    let policy = run.policy(five_a_minute());
    let fleet = Fleet::new(run, &policy, |_| 0)?;
    for store in &fleet.stores {
        store.set_quota(QUOTA);
        store.set_latency(millis(SSM_MILLIS));
    }
    dies_for_a_minute(fleet, &policy).await
}

pub(super) async fn distant_store(run: &Run) -> Result<Vec<Figure>, SimulatorError> {
    let policy = run.policy(five_a_minute());
    let fleet = Fleet::new(run, &policy, |_| 0)?;
    for store in &fleet.stores {
        store.set_latency(millis(300));
    }
    dies_for_a_minute(fleet, &policy).await
}

async fn dies_for_a_minute(
    mut fleet: Fleet,
    policy: &CircuitPolicy,
) -> Result<Vec<Figure>, SimulatorError> {
    fleet.calls(RATE, seconds(120)).await;
    let healthy = fleet.times_opened();
    fleet.longest_wait();

    fleet.dependency.set_health(Health::DOWN);
    let died = fleet.now();
    fleet.calls(RATE, seconds(60)).await;
    let to_open = fleet.seconds_to(CircuitState::Open, died);
    let failures = fleet.dependency.failures_by(fleet.now());
    let longest = fleet.longest_wait();

    let back = back_to_closed(&mut fleet, RATE).await;
    let up = fleet.now();
    fleet.calls(RATE, seconds(60)).await;
    let last = fleet.last_refused().saturating_sub(up).as_secs_f64();
    Ok(vec![
        Figure::exactly("false_opens", healthy as f64, 0.0),
        Figure::at_most("seconds_to_open", to_open, 3.0),
        Figure::at_most("failures_in_all", failures as f64, 350.0),
        // A read, the call and a report.
        Figure::at_most("longest_wait_s", longest.as_secs_f64(), 1.1),
        Figure::at_most("seconds_to_closed", back.seconds, 33.0),
        Figure::plain("refused_in_recovery", back.refused),
        Figure::at_most("last_refusal_after_it_s", last, 5.0),
        max_probes(&fleet, policy.probes),
    ])
}
