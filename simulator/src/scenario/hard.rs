//! Scenarios with long calls: the dependency hangs, a probe hangs, or a process is frozen.

use funcify_core::circuit::{CircuitPolicy, CircuitState};

use super::outage::max_probes;
use super::policy::{five_a_minute, millis, seconds};
use crate::{
    Figure, SimulatorError,
    dependency::Health,
    fleet::{Fleet, starts_waiting},
    run::Run,
};

const RATE: f64 = 100.0;

/// A dependency whose answers come later than any caller waits.
const HANGS: Health = Health::UP.with_latency(seconds(7_200));

pub(super) async fn hang(run: &Run) -> Result<Vec<Figure>, SimulatorError> {
    let policy = run.policy(CircuitPolicy::default());
    let mut fleet = Fleet::new(run, &policy, |_| 0)?;
    fleet.calls(RATE, seconds(70)).await;
    fleet.dependency.set_health(HANGS);
    let (hung, before) = (fleet.now(), fleet.dependency.calls());
    fleet.calls_until(RATE, seconds(60), |fleet| fleet.is(CircuitState::Open)).await;
    let to_open = fleet.seconds_to(CircuitState::Open, hung);
    let by_then = fleet.dependency.calls() - before;
    let left = seconds(60).saturating_sub(fleet.now() - hung);
    fleet.calls(RATE, left).await;
    // The first calls end after the call timeout of 3 s. No instance sees a failure before that.
    Ok(vec![
        Figure::at_most("seconds_to_open", to_open, 6.0),
        Figure::at_most("calls_before_open", by_then as f64, 600.0),
        Figure::plain("calls_in_all", (fleet.dependency.calls() - before) as f64),
    ])
}

pub(super) async fn slow_probe(run: &Run) -> Result<Vec<Figure>, SimulatorError> {
    let mut policy = run.policy(five_a_minute());
    policy.call_timeout = policy.call_timeout.max(seconds(60));
    let mut fleet = Fleet::new(run, &policy, |_| 0)?;
    fleet.calls(RATE, seconds(20)).await;
    fleet.dependency.set_health(Health::DOWN);
    fleet.calls_until(RATE, seconds(600), |fleet| fleet.is(CircuitState::Open)).await;
    fleet.dependency.set_health(HANGS);
    fleet.calls_until(RATE, seconds(600), |fleet| fleet.is(CircuitState::HalfOpen)).await;
    let mut reads = Vec::new();
    for lasting in [5, 50] {
        let (before, refused) = (fleet.operations(), fleet.refused());
        fleet.calls(RATE, seconds(lasting)).await;
        let made = (fleet.operations() - before) as f64;
        reads.push((made / lasting as f64, made / (fleet.refused() - refused).max(1) as f64));
    }
    let [first, later] = [0, 1].map(|index| reads.get(index).copied().unwrap_or_default());
    Ok(vec![
        // Each instance needs a read to find out that the circuit is half-open.
        Figure::at_most("store_ops_per_s_at_first", first.0, run.instances as f64 * 0.5),
        Figure::at_most("store_ops_per_s_later", later.0, run.instances as f64 / 5.0),
        Figure::plain("store_ops_per_refusal_later", later.1),
        max_probes(&fleet, policy.probes),
    ])
}

/// Each of twenty processes is frozen with five calls in flight. When the processes go on, the timeouts of
/// all calls have passed, and all answers have arrived but were not read yet.
pub(super) async fn thaw_with_calls(run: &Run) -> Result<Vec<Figure>, SimulatorError> {
    let policy = run.policy(five_a_minute());
    let mut fleet = Fleet::new(run, &policy, |_| 0)?;
    fleet.all_call().await;
    fleet.drain().await;
    fleet.dependency.set_health(Health::UP.with_hand_over(millis(2)));
    let mut calls = Vec::new();
    for index in 0..fleet.instances.len().min(20) {
        for _ in 0..5 {
            let mut call = fleet.prepare(index).ok_or(SimulatorError::NoInstances)?;
            starts_waiting(&mut call).await;
            calls.push(call);
        }
    }
    fleet.idle(policy.call_timeout * 20).await;
    let stopped = calls.len();
    let failed = fleet.timed_out();
    for call in calls {
        tokio::spawn(call);
    }
    fleet.idle(seconds(5)).await;
    fleet.calls(RATE, seconds(30)).await;
    Ok(vec![
        Figure::exactly("false_opens", fleet.times_opened() as f64, 0.0),
        Figure::plain("calls_under_way", stopped as f64),
        Figure::exactly("timed_out", (fleet.timed_out() - failed) as f64, 0.0),
        Figure::exactly("refused", fleet.refused() as f64, 0.0),
    ])
}
