//! The dependency dies, and comes back.

use funcify_core::{
    circuit::{CircuitPolicy, CircuitState, CountRule},
    engine::circuit::Rule,
};

use super::{five_a_minute, seconds};
use crate::{Figure, SimulatorError, dependency::Health, fleet::Fleet, run::Run};

/// Calls that may fail beyond those that the rule counts: what is made at this pace while an answer
/// (30 ms) and a report (100 ms of waiting, three ways to the store) are under way.
fn in_flight(pace: f64) -> f64 {
    (pace * 0.15).ceil()
}

pub(super) async fn outage(run: &Run) -> Result<Vec<Figure>, SimulatorError> {
    let pace = 100.0;
    let policy = run.policy(five_a_minute());
    let mut fleet = Fleet::new(run, &policy, |_| 0)?;
    fleet.calls(pace, seconds(20)).await;

    fleet.dependency.is(Health::DEAD);
    let (died, before) = (fleet.now(), fleet.operations());
    let is_open = |fleet: &Fleet| fleet.is(CircuitState::Open);
    fleet.calls_until(pace, seconds(60), is_open).await;
    let to_open = fleet.seconds_to(CircuitState::Open, died);
    let operations = fleet.operations() - before;
    let left = seconds(60).saturating_sub(fleet.now() - died);
    fleet.calls(pace, left).await;
    let failures = match to_open.is_finite() {
        true => fleet.dependency.failures_by(died + std::time::Duration::from_secs_f64(to_open)),
        false => fleet.dependency.failures_by(fleet.now()),
    };
    let in_all = fleet.dependency.failures_by(fleet.now());

    let back = back_to_closed(&mut fleet, pace).await;
    let bar = match policy.rule {
        Rule::Count(rule) => f64::from(rule.failures) + in_flight(pace),
        _ => f64::INFINITY,
    };
    let failures = match bar.is_finite() {
        true => Figure::at_most("failures_before_open", failures as f64, bar),
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
    fleet.settle().await;

    fleet.dependency.is(Health::DEAD.taking(seconds(0)));
    let (died, before) = (fleet.now(), fleet.operations());
    fleet.all_call().await;
    fleet.settle().await;
    let operations = fleet.operations() - before;
    let to_open = fleet.seconds_to(CircuitState::Open, died);
    drop(fleet);
    Ok(vec![
        Figure::at_most("store_ops", operations as f64, 800.0),
        Figure::at_most("seconds_to_open", to_open, 0.3),
        Figure::exactly("failures_lost", failures_lost(run).await?, 0.0),
    ])
}

/// Fifteen failures at once, which a rule that counts to sixteen has to remember: how many are
/// missing in the record, over twenty rounds.
async fn failures_lost(run: &Run) -> Result<f64, SimulatorError> {
    let policy = CircuitPolicy::new(CountRule::new(16, seconds(60)));
    let mut lost = 0;
    for _ in 0..20 {
        let mut fleet = Fleet::new(run, &policy, |_| 0)?;
        let failing = fleet.instances.len().min(15);
        fleet.dependency.is(Health::DEAD.taking(seconds(0)));
        for place in 0..failing {
            fleet.call(place).await;
        }
        fleet.settle().await;
        let recorded = fleet.stores.first().map_or(0, |store| store.record().failures.len());
        lost += failing.saturating_sub(recorded);
    }
    Ok(f64::from(u32::try_from(lost).unwrap_or(u32::MAX)))
}

pub(super) async fn flapping(run: &Run) -> Result<Vec<Figure>, SimulatorError> {
    let pace = 100.0;
    let policy = run.policy(five_a_minute());
    let mut fleet = Fleet::new(run, &policy, |_| 0)?;
    fleet.calls(pace, seconds(20)).await;
    let (asked, mut failures) = (fleet.dependency.asked(), 0);
    for _ in 0..30 {
        fleet.dependency.is(Health::DEAD);
        fleet.calls(pace, seconds(5)).await;
        failures += fleet.dependency.failures_by(fleet.now());
        fleet.dependency.is(Health::WELL);
        fleet.calls(pace, seconds(5)).await;
    }
    let reached = fleet.dependency.asked() - asked;
    Ok(vec![
        Figure::plain("failures_in_all", failures as f64),
        Figure::plain("calls_that_reached_it", reached as f64),
        Figure::plain("refused", fleet.refused() as f64),
        Figure::plain("openings", fleet.openings() as f64),
        max_probes(&fleet, policy.probes),
    ])
}

pub(super) async fn recovery(run: &Run) -> Result<Vec<Figure>, SimulatorError> {
    let mut figures = recovered(run, ["seconds_to_closed", "refused_in_recovery"]).await?;
    if run.settings.instances.is_none() {
        // A fleet of another size takes no longer.
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
    let pace = 10.0;
    let policy = run.policy(five_a_minute());
    let mut fleet = Fleet::new(run, &policy, |_| 0)?;
    fleet.calls(pace, seconds(20)).await;
    fleet.dependency.is(Health::DEAD);
    fleet.calls_until(pace, seconds(600), |fleet| fleet.is(CircuitState::Open)).await;
    fleet.settle().await;
    let back = back_to_closed(&mut fleet, pace).await;
    Ok(vec![
        Figure::at_most(seconds_to_closed, back.seconds, 33.0),
        Figure::at_most(refused, back.refused, 350.0),
        max_probes(&fleet, policy.probes),
    ])
}

/// How long a fleet took from the dependency's return, and how many healthy calls that cost.
pub(super) struct Back {
    pub(super) seconds: f64,
    pub(super) refused: f64,
}

/// The dependency is well again: calls go on until the circuit has closed, and a little longer.
pub(super) async fn back_to_closed(fleet: &mut Fleet, pace: f64) -> Back {
    fleet.dependency.is(Health::WELL);
    let (well, before) = (fleet.now(), fleet.refused());
    fleet.calls_until(pace, seconds(900), |fleet| fleet.is(CircuitState::Closed)).await;
    let seconds_to_closed = fleet.seconds_to(CircuitState::Closed, well);
    fleet.calls(pace, seconds(10)).await;
    Back { seconds: seconds_to_closed, refused: (fleet.refused() - before) as f64 }
}

const PROBES: &str = "max_probes";

pub(super) fn max_probes(fleet: &Fleet, allowed: u32) -> Figure {
    Figure::at_most(PROBES, f64::from(fleet.dependency.most_probing()), f64::from(allowed))
}
