//! Scenarios in which something other than the dependency fails: the store, a process or a clock. In
//! another one, results arrive in the wrong order.

use funcify_core::circuit::{CircuitPolicy, CircuitState, CountRule};

use super::outage::{back_to_closed, max_probes};
use super::policy::{five_a_minute, millis, seconds};
use crate::{
    Figure, SimulatorError,
    dependency::Health,
    fleet::{Call, Fleet, starts_waiting},
    run::Run,
};

pub(super) async fn store_outage(run: &Run) -> Result<Vec<Figure>, SimulatorError> {
    let rate = 50.0;
    let policy = run.policy(five_a_minute());
    let mut fleet = Fleet::new(run, &policy, |_| 0)?;
    fleet.calls(rate, seconds(20)).await;
    fleet.longest_wait();

    set_store_down(&fleet, true);
    fleet.calls(rate, seconds(10)).await;
    fleet.dependency.set_health(Health::DOWN);
    fleet.calls(rate, seconds(40)).await;
    let failures = fleet.dependency.failures_by(fleet.now());
    fleet.dependency.set_health(Health::UP);
    fleet.calls(rate, seconds(10)).await;
    let longest = fleet.longest_wait();

    set_store_down(&fleet, false);
    let (back, before) = (fleet.now(), fleet.refused());
    fleet.calls(rate, seconds(90)).await;
    let last = fleet.last_refused().saturating_sub(back);
    Ok(vec![
        // A refresh and a report that time out after half a second each, and the call itself.
        Figure::at_most("longest_wait_s", longest.as_secs_f64(), 1.1),
        Figure::plain("failures_in_all", failures as f64),
        Figure::at_most("seconds_to_served", last.as_secs_f64(), 33.0),
        Figure::plain("refused_in_recovery", (fleet.refused() - before) as f64),
        Figure::exactly("false_opens", fleet.times_opened() as f64, 0.0),
    ])
}

pub(super) async fn poisoned_instance(run: &Run) -> Result<Vec<Figure>, SimulatorError> {
    let mut rule = CountRule::new(5, seconds(60));
    rule.quorum = 2;
    let policy = run.policy(CircuitPolicy::new(rule));
    let mut fleet = Fleet::new(run, &policy, |_| 0)?;
    fleet.dependency.set_health(Health { poisoned: Some(0), ..Health::UP });
    let calls = fleet.dependency.calls();
    fleet.calls(100.0, run.duration(seconds(600), seconds(86_400))).await;
    Ok(vec![
        Figure::exactly("false_opens", fleet.times_opened() as f64, 0.0),
        Figure::plain("failures_in_all", fleet.dependency.failures_by(fleet.now()) as f64),
        Figure::plain("refused", fleet.refused() as f64),
        Figure::plain("calls_that_reached_it", (fleet.dependency.calls() - calls) as f64),
    ])
}

pub(super) async fn killed_prober(run: &Run) -> Result<Vec<Figure>, SimulatorError> {
    let policy = run.policy(five_a_minute());
    let (mut fleet, probe) =
        with_a_probe_in_flight(run, Health::UP.with_latency(seconds(3_600))).await?;
    let granted = fleet.now();
    fleet.idle(seconds(1)).await;
    // Nothing polls the probe any more: its process is killed.
    drop(probe);
    fleet.instances.truncate(fleet.instances.len().saturating_sub(1).max(1));

    fleet.dependency.set_health(Health::UP);
    let calls = fleet.dependency.calls();
    fleet.calls_until(50.0, seconds(120), |fleet| fleet.dependency.calls() > calls).await;
    let to_probe = (fleet.now() - granted).as_secs_f64();
    let back = back_to_closed(&mut fleet, 10.0).await;
    // The lease of a probe lasts as long as a call may take, and two seconds longer for its report.
    let lease = policy.call_timeout.as_secs_f64() + 2.0;
    Ok(vec![
        Figure::at_most("seconds_to_next_probe", to_probe, lease + 0.5),
        Figure::plain("seconds_to_closed", to_probe + back.seconds),
        max_probes(&fleet, policy.probes),
    ])
}

pub(super) async fn freeze_and_thaw(run: &Run) -> Result<Vec<Figure>, SimulatorError> {
    let policy = run.policy(five_a_minute());
    let (mut fleet, frozen) = with_a_probe_in_flight(run, Health::DOWN).await?;
    let froze = fleet.now();
    let back = back_to_closed(&mut fleet, 10.0).await;
    let left = seconds(600).saturating_sub(fleet.now() - froze);
    fleet.calls(10.0, left).await;

    let thawed = fleet.now();
    frozen.await;
    fleet.calls(10.0, seconds(10)).await;
    let reopened = fleet.seconds_to(CircuitState::Open, thawed).is_finite();
    Ok(vec![
        Figure::exactly("reopened_by_late_results", f64::from(u8::from(reopened)), 0.0),
        Figure::at_most("seconds_to_closed", back.seconds, policy.call_timeout.as_secs_f64() + 5.0),
    ])
}

pub(super) async fn late_successes(run: &Run) -> Result<Vec<Figure>, SimulatorError> {
    let policy = run.policy(five_a_minute());
    let mut fleet = Fleet::new(run, &policy, |_| 0)?;
    fleet.all_call().await;
    fleet.drain().await;
    // Slow calls that succeed after three to nine seconds.
    fleet.dependency.set_health(Health::UP.with_latency(seconds(6)));
    for index in 0..fleet.instances.len().min(100) {
        fleet.call(index).await;
    }
    fleet.idle(millis(100)).await;
    fleet.dependency.set_health(Health::DOWN);
    let died = fleet.now();
    fleet.calls_until(100.0, seconds(2), |fleet| fleet.is(CircuitState::Open)).await;
    let opened = fleet.seconds_to(CircuitState::Open, died);
    fleet.idle(seconds(12)).await;
    let closed = !fleet.is(CircuitState::Open);
    Ok(vec![
        Figure::exactly("closed_by_late_results", f64::from(u8::from(closed)), 0.0),
        Figure::plain("seconds_to_open", opened),
    ])
}

pub(super) async fn skewed_clock(run: &Run) -> Result<Vec<Figure>, SimulatorError> {
    let five_minutes = 300_000;
    let policy = run.policy(five_a_minute());
    let clock_error = |index| match index {
        0 => five_minutes,
        1 => -five_minutes,
        _ => 0,
    };
    let mut fleet = Fleet::new(run, &policy, clock_error)?;
    fleet.calls(10.0, seconds(20)).await;
    fleet.dependency.set_health(Health::DOWN);
    let died = fleet.now();
    fleet.calls_until(10.0, seconds(600), |fleet| fleet.is(CircuitState::Open)).await;
    let to_open = fleet.seconds_to(CircuitState::Open, died);
    fleet.drain().await;
    let back = back_to_closed(&mut fleet, 10.0).await;
    Ok(vec![
        Figure::plain("seconds_to_open", to_open),
        Figure::at_most("seconds_to_closed", back.seconds, 33.0),
        Figure::at_most("refused_in_recovery", back.refused, 350.0),
        max_probes(&fleet, policy.probes),
    ])
}

/// A fleet with a half-open circuit, and a probe of its last instance. The probe is frozen until the caller
/// polls it. It reaches a dependency in the state `health`.
async fn with_a_probe_in_flight(
    run: &Run,
    health: Health,
) -> Result<(Fleet, Call), SimulatorError> {
    let policy = run.policy(five_a_minute());
    let mut fleet = Fleet::new(run, &policy, |_| 0)?;
    fleet.calls(10.0, seconds(20)).await;
    fleet.dependency.set_health(Health::DOWN);
    fleet.calls_until(10.0, seconds(600), |fleet| fleet.is(CircuitState::Open)).await;
    fleet.drain().await;

    fleet.idle(policy.open_duration).await;
    fleet.dependency.set_health(health);
    let calls = fleet.dependency.calls();
    let last = fleet.instances.len().saturating_sub(1);
    let mut probe = fleet.prepare(last).ok_or(SimulatorError::NoInstances)?;
    while starts_waiting(&mut probe).await && fleet.dependency.calls() == calls {
        fleet.idle(millis(1)).await;
    }
    Ok((fleet, probe))
}

fn set_store_down(fleet: &Fleet, is_down: bool) {
    for store in &fleet.stores {
        store.set_down(is_down);
    }
}
