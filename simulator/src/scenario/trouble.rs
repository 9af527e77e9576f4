//! What goes wrong beside the dependency: the store, a process, a clock, the order of things.

use funcify_core::circuit::{CircuitPolicy, CircuitState, CountRule};

use super::{
    five_a_minute, millis,
    outage::{back_to_closed, max_probes},
    seconds,
};
use crate::{
    Figure, SimulatorError,
    dependency::Health,
    fleet::{Call, Fleet, begins},
    run::Run,
    store::Mood,
};

pub(super) async fn store_outage(run: &Run) -> Result<Vec<Figure>, SimulatorError> {
    let pace = 50.0;
    let policy = run.policy(five_a_minute());
    let mut fleet = Fleet::new(run, &policy, |_| 0)?;
    fleet.calls(pace, seconds(20)).await;
    fleet.longest_wait();

    is(&fleet, Mood::Down);
    fleet.calls(pace, seconds(10)).await;
    fleet.dependency.is(Health::DEAD);
    fleet.calls(pace, seconds(40)).await;
    let failures = fleet.dependency.failures_by(fleet.now());
    fleet.dependency.is(Health::WELL);
    fleet.calls(pace, seconds(10)).await;
    let longest = fleet.longest_wait();

    is(&fleet, Mood::Up);
    let (back, before) = (fleet.now(), fleet.refused());
    fleet.calls(pace, seconds(90)).await;
    let last = fleet.last_refused().saturating_sub(back);
    Ok(vec![
        // A look that comes to nothing and a report that does, half a second each, and the call.
        Figure::at_most("longest_wait_s", longest.as_secs_f64(), 1.1),
        Figure::plain("failures_in_all", failures as f64),
        Figure::at_most("seconds_to_served", last.as_secs_f64(), 33.0),
        Figure::plain("refused_in_recovery", (fleet.refused() - before) as f64),
        Figure::exactly("false_opens", fleet.openings() as f64, 0.0),
    ])
}

pub(super) async fn poisoned_instance(run: &Run) -> Result<Vec<Figure>, SimulatorError> {
    let policy = run.policy(CircuitPolicy::new(CountRule::new(5, seconds(60)).with_quorum(2)));
    let mut fleet = Fleet::new(run, &policy, |_| 0)?;
    fleet.dependency.is(Health { poisoned: Some(0), ..Health::WELL });
    let calls = fleet.dependency.asked();
    fleet.calls(100.0, run.watching(seconds(600), seconds(86_400))).await;
    Ok(vec![
        Figure::exactly("false_opens", fleet.openings() as f64, 0.0),
        Figure::plain("failures_in_all", fleet.dependency.failures_by(fleet.now()) as f64),
        Figure::plain("refused", fleet.refused() as f64),
        Figure::plain("calls_that_reached_it", (fleet.dependency.asked() - calls) as f64),
    ])
}

pub(super) async fn killed_prober(run: &Run) -> Result<Vec<Figure>, SimulatorError> {
    let policy = run.policy(five_a_minute());
    let (mut fleet, probe) =
        with_a_probe_under_way(run, Health::WELL.taking(seconds(3_600))).await?;
    let granted = fleet.now();
    fleet.rest(seconds(1)).await;
    // The process is gone, and with it all it knew.
    drop(probe);
    fleet.instances.truncate(fleet.instances.len().saturating_sub(1).max(1));

    fleet.dependency.is(Health::WELL);
    let asked = fleet.dependency.asked();
    fleet.calls_until(50.0, seconds(120), |fleet| fleet.dependency.asked() > asked).await;
    let to_probe = (fleet.now() - granted).as_secs_f64();
    let back = back_to_closed(&mut fleet, 10.0).await;
    // The lease is as long as a call may take, and two seconds for its report.
    let lease = policy.call_timeout.as_secs_f64() + 2.0;
    Ok(vec![
        Figure::at_most("seconds_to_next_probe", to_probe, lease + 0.5),
        Figure::plain("seconds_to_closed", to_probe + back.seconds),
        max_probes(&fleet, policy.probes),
    ])
}

pub(super) async fn freeze_and_thaw(run: &Run) -> Result<Vec<Figure>, SimulatorError> {
    let policy = run.policy(five_a_minute());
    let (mut fleet, frozen) = with_a_probe_under_way(run, Health::DEAD).await?;
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
    fleet.settle().await;
    // Slow, and in the end successful: three to nine seconds.
    fleet.dependency.is(Health::WELL.taking(seconds(6)));
    for place in 0..fleet.instances.len().min(100) {
        fleet.call(place).await;
    }
    fleet.rest(millis(100)).await;
    fleet.dependency.is(Health::DEAD);
    let died = fleet.now();
    fleet.calls_until(100.0, seconds(2), |fleet| fleet.is(CircuitState::Open)).await;
    let opened = fleet.seconds_to(CircuitState::Open, died);
    fleet.rest(seconds(12)).await;
    let closed = !fleet.is(CircuitState::Open);
    Ok(vec![
        Figure::exactly("closed_by_late_results", f64::from(u8::from(closed)), 0.0),
        Figure::plain("seconds_to_open", opened),
    ])
}

pub(super) async fn skewed_clock(run: &Run) -> Result<Vec<Figure>, SimulatorError> {
    let five_minutes = 300_000;
    let policy = run.policy(five_a_minute());
    let off = |place| match place {
        0 => five_minutes,
        1 => -five_minutes,
        _ => 0,
    };
    let mut fleet = Fleet::new(run, &policy, off)?;
    fleet.calls(10.0, seconds(20)).await;
    fleet.dependency.is(Health::DEAD);
    let died = fleet.now();
    fleet.calls_until(10.0, seconds(600), |fleet| fleet.is(CircuitState::Open)).await;
    let to_open = fleet.seconds_to(CircuitState::Open, died);
    fleet.settle().await;
    let back = back_to_closed(&mut fleet, 10.0).await;
    Ok(vec![
        Figure::plain("seconds_to_open", to_open),
        Figure::at_most("seconds_to_closed", back.seconds, 33.0),
        Figure::at_most("refused_in_recovery", back.refused, 350.0),
        max_probes(&fleet, policy.probes),
    ])
}

/// A half-open circuit, and the probe of the last instance, which does not go on unless polled. The
/// dependency is `health` for this call.
async fn with_a_probe_under_way(
    run: &Run,
    health: Health,
) -> Result<(Fleet, Call), SimulatorError> {
    let policy = run.policy(five_a_minute());
    let mut fleet = Fleet::new(run, &policy, |_| 0)?;
    fleet.calls(10.0, seconds(20)).await;
    fleet.dependency.is(Health::DEAD);
    fleet.calls_until(10.0, seconds(600), |fleet| fleet.is(CircuitState::Open)).await;
    fleet.settle().await;

    fleet.rest(policy.open_duration).await;
    fleet.dependency.is(health);
    let asked = fleet.dependency.asked();
    let last = fleet.instances.len().saturating_sub(1);
    let mut probe = fleet.prepare(last).ok_or(SimulatorError::NoInstances)?;
    while begins(&mut probe).await && fleet.dependency.asked() == asked {
        fleet.rest(millis(1)).await;
    }
    Ok((fleet, probe))
}

fn is(fleet: &Fleet, mood: Mood) {
    for store in &fleet.stores {
        store.is(mood);
    }
}
