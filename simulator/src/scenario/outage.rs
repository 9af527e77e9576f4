//! Scenarios in which the dependency goes down and recovers.

use funcify_core::{
    circuit::{CircuitPolicy, CircuitState, CountRule},
    engine::circuit::Rule,
};

use super::policy::{five_a_minute, seconds};
use crate::{Figure, SimulatorError, dependency::Health, fleet::Fleet, run::Run};

/// How many more calls may fail than the rule counts: those that start at this rate before the last answer
/// has arrived (30 ms) and is reported (100 ms of waiting and three trips to the store).
fn in_flight(rate: f64) -> f64 {
    (rate * 0.15).ceil()
}

pub(super) async fn outage(run: &Run) -> Result<Vec<Figure>, SimulatorError> {
    let rate = 100.0;
    let policy = run.policy(five_a_minute());
    let mut fleet = Fleet::new(run, &policy, |_| 0)?;
    fleet.calls(rate, seconds(20)).await;

    fleet.dependency.set_health(Health::DOWN);
    let (died, before) = (fleet.now(), fleet.operations());
    let is_open = |fleet: &Fleet| fleet.is(CircuitState::Open);
    fleet.calls_until(rate, seconds(60), is_open).await;
    let to_open = fleet.seconds_to(CircuitState::Open, died);
    let operations = fleet.operations() - before;
    let left = seconds(60).saturating_sub(fleet.now() - died);
    fleet.calls(rate, left).await;
    let failures = match to_open.is_finite() {
        true => fleet.dependency.failures_by(died + std::time::Duration::from_secs_f64(to_open)),
        false => fleet.dependency.failures_by(fleet.now()),
    };
    let in_all = fleet.dependency.failures_by(fleet.now());

    let back = back_to_closed(&mut fleet, rate).await;
    let limit = match policy.rule {
        Rule::Count(rule) => f64::from(rule.failures) + in_flight(rate),
        _ => f64::INFINITY,
    };
    let failures = match limit.is_finite() {
        true => Figure::at_most("failures_before_open", failures as f64, limit),
        false => Figure::plain("failures_before_open", failures as f64),
    };
    Ok(vec![
        failures,
        Figure::plain("failures_in_all", in_all as f64),
        Figure::plain("seconds_to_open", to_open),
        Figure::plain("store_ops", operations as f64),
        Figure::plain("seconds_to_closed", back.seconds),
        Figure::plain("refused_in_recovery", back.refused),
        max_probes(&fleet, policy.probes),
    ])
}

pub(super) async fn simultaneous_failures(run: &Run) -> Result<Vec<Figure>, SimulatorError> {
    let policy = run.policy(five_a_minute());
    let mut fleet = Fleet::new(run, &policy, |_| 0)?;
    fleet.all_call().await;
    fleet.drain().await;

    fleet.dependency.set_health(Health::DOWN.with_latency(seconds(0)));
    let (died, before) = (fleet.now(), fleet.operations());
    fleet.all_call().await;
    fleet.drain().await;
    let operations = fleet.operations() - before;
    let to_open = fleet.seconds_to(CircuitState::Open, died);
    drop(fleet);
    Ok(vec![
        Figure::at_most("store_ops", operations as f64, 800.0),
        Figure::at_most("seconds_to_open", to_open, 0.3),
        Figure::exactly("failures_lost", failures_lost(run).await?, 0.0),
    ])
}

/// Makes fifteen calls fail at once, twenty times, under a rule that opens at sixteen failures. Returns how
/// many of the failures are missing from the records.
async fn failures_lost(run: &Run) -> Result<f64, SimulatorError> {
    let policy = CircuitPolicy::new(CountRule::new(16, seconds(60)));
    let mut lost = 0;
    for _ in 0..20 {
        let mut fleet = Fleet::new(run, &policy, |_| 0)?;
        let failing = fleet.instances.len().min(15);
        fleet.dependency.set_health(Health::DOWN.with_latency(seconds(0)));
        for index in 0..failing {
            fleet.call(index).await;
        }
        fleet.drain().await;
        let recorded = fleet.stores.first().map_or(0, |store| store.record().failures.len());
        lost += failing.saturating_sub(recorded);
    }
    Ok(f64::from(u32::try_from(lost).unwrap_or(u32::MAX)))
}

pub(super) async fn flapping(run: &Run) -> Result<Vec<Figure>, SimulatorError> {
    let rate = 100.0;
    let policy = run.policy(five_a_minute());
    let mut fleet = Fleet::new(run, &policy, |_| 0)?;
    fleet.calls(rate, seconds(20)).await;
    let (asked, mut failures) = (fleet.dependency.calls(), 0);
    for _ in 0..30 {
        fleet.dependency.set_health(Health::DOWN);
        fleet.calls(rate, seconds(5)).await;
        failures += fleet.dependency.failures_by(fleet.now());
        fleet.dependency.set_health(Health::UP);
        fleet.calls(rate, seconds(5)).await;
    }
    let reached = fleet.dependency.calls() - asked;
    Ok(vec![
        Figure::plain("failures_in_all", failures as f64),
        Figure::plain("calls_that_reached_it", reached as f64),
        Figure::plain("refused", fleet.refused() as f64),
        Figure::plain("openings", fleet.times_opened() as f64),
        max_probes(&fleet, policy.probes),
    ])
}

pub(super) async fn recovery(run: &Run) -> Result<Vec<Figure>, SimulatorError> {
    let mut figures = recovered(run, ["seconds_to_closed", "refused_in_recovery"]).await?;
    if run.settings.instances.is_none() {
        // A smaller and a larger fleet must not take longer.
        for (instances, names) in [
            (50, ["seconds_to_closed_50_instances", "refused_in_recovery_50_instances"]),
            (1_000, ["seconds_to_closed_1000_instances", "refused_in_recovery_1000_instances"]),
        ] {
            let run = Run { instances, ..run.clone() };
            figures.extend(recovered(&run, names).await?);
        }
    }
    let worst = figures.iter().filter(|figure| figure.name == PROBES).map(|figure| figure.value);
    let worst = worst.fold(0.0, f64::max);
    let allowed = f64::from(run.policy(five_a_minute()).probes);
    figures.retain(|figure| figure.name != PROBES);
    figures.push(Figure::at_most(PROBES, worst, allowed));
    Ok(figures)
}

async fn recovered(run: &Run, names: [&'static str; 2]) -> Result<Vec<Figure>, SimulatorError> {
    let [seconds_to_closed, refused] = names;
    let rate = 10.0;
    let policy = run.policy(five_a_minute());
    let mut fleet = Fleet::new(run, &policy, |_| 0)?;
    fleet.calls(rate, seconds(20)).await;
    fleet.dependency.set_health(Health::DOWN);
    fleet.calls_until(rate, seconds(600), |fleet| fleet.is(CircuitState::Open)).await;
    fleet.drain().await;
    let back = back_to_closed(&mut fleet, rate).await;
    Ok(vec![
        Figure::at_most(seconds_to_closed, back.seconds, 33.0),
        Figure::at_most(refused, back.refused, 350.0),
        max_probes(&fleet, policy.probes),
    ])
}

/// How many seconds the circuit took to close after the dependency's recovery, and how many healthy calls it
/// refused.
pub(super) struct Recovered {
    pub(super) seconds: f64,
    pub(super) refused: f64,
}

/// Makes the dependency recover. Calls go on until the circuit has closed, and for ten more seconds.
pub(super) async fn back_to_closed(fleet: &mut Fleet, rate: f64) -> Recovered {
    fleet.dependency.set_health(Health::UP);
    let (up, before) = (fleet.now(), fleet.refused());
    fleet.calls_until(rate, seconds(900), |fleet| fleet.is(CircuitState::Closed)).await;
    let seconds_to_closed = fleet.seconds_to(CircuitState::Closed, up);
    fleet.calls(rate, seconds(10)).await;
    Recovered { seconds: seconds_to_closed, refused: (fleet.refused() - before) as f64 }
}

const PROBES: &str = "max_probes";

pub(super) fn max_probes(fleet: &Fleet, allowed: u32) -> Figure {
    Figure::at_most(PROBES, f64::from(fleet.dependency.most_probes()), f64::from(allowed))
}
