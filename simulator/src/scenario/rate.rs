//! Scenarios of the rate rule: how soon it opens the circuit, what it costs, and whether it opens needlessly.

use std::time::Duration;

use funcify_core::circuit::{CircuitPolicy, CircuitState};

use super::policy::{a_fifth, five_a_minute, seconds};
use crate::{Figure, SimulatorError, dependency::Health, fleet::Fleet, run::Run};

const DAY: Duration = Duration::from_secs(86_400);

/// The prices of a read and a write in DynamoDB on demand, in dollars per million. An eventually consistent
/// read takes half a unit, and a write of less than 1 KB takes one.
const READ: f64 = 0.125 / 2.0;
const WRITE: f64 = 0.625;

/// How many writes a second a healthy circuit may cost, whatever the size of the fleet.
const WRITES: f64 = 2.2;

pub(super) async fn partial_outage(run: &Run) -> Result<Vec<Figure>, SimulatorError> {
    let fifth = |before, after, bound| Trial { policy: a_fifth(), before, after, bound };
    let half = |before| Trial { policy: CircuitPolicy::default(), ..fifth(before, 1.0, 30) };
    let default = half(0.01).times(run).await?;
    let default_from_five = half(0.05).times(run).await?;
    let total = fifth(0.01, 1.0, 30).times(run).await?;
    let from_five = fifth(0.05, 1.0, 30).times(run).await?;
    let half = fifth(0.01, 0.5, 60).times(run).await?;
    let quarter = fifth(0.01, 0.25, 240).times(run).await?;
    let below = duration(run, seconds(1_800), DAY * 20);
    let near = Healthy { rate: 100.0, failing: 0.15, ..Healthy::default() };
    let near = near.observe(run, run.instances, below).await?;
    Ok(vec![
        Figure::at_most("seconds_to_open_default", at(&default, 0.5), 1.5),
        Figure::at_most("seconds_to_open_p99_default", at(&default, 0.99), 3.0),
        Figure::at_most("seconds_to_open_p99_default_5_percent", at(&default_from_five, 0.99), 5.0),
        Figure::plain("seconds_to_open", at(&total, 0.5)),
        Figure::at_most("seconds_to_open_p99", at(&total, 0.99), 2.0),
        Figure::at_most("seconds_to_open_p99_from_5_percent", at(&from_five, 0.99), 3.0),
        Figure::at_most("seconds_to_open_p98_half", at(&half, 0.98), 10.0),
        Figure::at_most("seconds_to_open_max_quarter", at(&quarter, 1.0), 90.0),
        Figure::exactly("false_opens", near.opens, 0.0),
        Figure::plain("writes_per_s", near.writes_per_s),
    ])
}

pub(super) async fn healthy_cost(run: &Run) -> Result<Vec<Figure>, SimulatorError> {
    let lasting = duration(run, seconds(600), seconds(7_200));
    let counting = Healthy { policy: five_a_minute(), failing: 0.0, ..Healthy::default() };
    let counting = counting.observe(run, run.instances, lasting).await?;
    let rate = Healthy::default().observe(run, run.instances, lasting).await?;
    let (between, refusals) = operations_of_calls(run).await?;
    Ok(vec![
        Figure::exactly("store_ops_between_snapshots", between as f64, 0.0),
        Figure::exactly("store_ops_of_refusals", refusals as f64, 0.0),
        Figure::at_most("cost_per_million", counting.cost_per_million, 0.02),
        Figure::at_most("cost_per_million_rate_rule", rate.cost_per_million, 0.035),
        Figure::at_most("writes_per_s", rate.writes_per_s, WRITES),
        Figure::exactly("false_opens", counting.opens + rate.opens, 0.0),
    ])
}

/// How many store operations a thousand healthy calls with a fresh snapshot make, and a thousand refused
/// calls.
async fn operations_of_calls(run: &Run) -> Result<(u64, u64), SimulatorError> {
    let run = Run { instances: 1, ..run.clone() };
    let policy = run.policy(five_a_minute());
    let mut fleet = Fleet::new(&run, &policy, |_| 0)?;
    let at_once = Health::UP.with_latency(Duration::ZERO);
    fleet.dependency.set_health(at_once);
    fleet.all_call().await;
    fleet.drain().await;
    let fresh = fleet.operations();
    fleet.calls(1_000.0, seconds(1)).await;
    let between = fleet.operations() - fresh;

    fleet.dependency.set_health(Health::DOWN);
    fleet.calls_until(10.0, seconds(60), |fleet| fleet.is(CircuitState::Open)).await;
    fleet.drain().await;
    let open = fleet.operations();
    fleet.calls(1_000.0, seconds(1)).await;
    Ok((between, fleet.operations() - open))
}

pub(super) async fn false_opens(run: &Run) -> Result<Vec<Figure>, SimulatorError> {
    let lasting = duration(run, seconds(600), DAY);
    let instances = |usual| run.settings.instances.unwrap_or(usual);
    let (mut opens, mut writes) = (0.0, 0.0_f64);
    for failing in [0.001, 0.01, 0.05] {
        for (rate, usual) in FLEETS {
            let healthy = Healthy { rate, failing, ..Healthy::default() };
            let observed = healthy.observe(run, instances(usual), lasting).await?;
            opens += observed.opens;
            writes = writes.max(observed.writes_per_s);
        }
    }
    let odd = [
        Healthy { failing: 0.05, rate: 50.0, shape: Shape::Bursts, ..Healthy::default() },
        Healthy { failing: 0.05, rate: 100.0, shape: Shape::DayAndNight, ..Healthy::default() },
        Healthy { failing: 0.05, warm: false, ..Healthy::default() },
        Healthy { poisoned: Some(0), ..Healthy::default() },
        Healthy { policy: CircuitPolicy::default(), failing: 0.05, ..Healthy::default() },
        Healthy {
            policy: CircuitPolicy::default(),
            failing: 0.05,
            shape: Shape::Bursts,
            ..Healthy::default()
        },
    ];
    let (mut odd_opens, mut odd_writes) = (0.0, 0.0_f64);
    for healthy in odd {
        let observed = healthy.observe(run, instances(200), lasting).await?;
        odd_opens += observed.opens;
        odd_writes = odd_writes.max(observed.writes_per_s);
    }
    Ok(vec![
        Figure::exactly("false_opens", opens, 0.0),
        Figure::exactly("false_opens_odd_days", odd_opens, 0.0),
        Figure::at_most("writes_per_s", writes, WRITES),
        Figure::plain("writes_per_s_odd_days", odd_writes),
        Figure::plain("simulated_hours_each", lasting.as_secs_f64() / 3_600.0),
    ])
}

/// The fleets: the calls a second, and how many instances make them.
const FLEETS: [(f64, usize); 5] =
    [(10.0, 10), (10.0, 1_000), (100.0, 200), (1_000.0, 10), (1_000.0, 1_000)];

fn duration(run: &Run, quick: Duration, full: Duration) -> Duration {
    run.duration(quick, full)
}

/// A fleet whose failure rate changes after a minute.
struct Trial {
    policy: CircuitPolicy,
    before: f64,
    after: f64,
    /// How many seconds to wait for the circuit to open.
    bound: u64,
}

impl Trial {
    /// How many seconds the circuits of many fleets took to open, in ascending order.
    async fn times(&self, run: &Run) -> Result<Vec<f64>, SimulatorError> {
        let trials = if run.settings.long { 1_000 } else { 100 };
        let mut times = Vec::with_capacity(trials);
        for _ in 0..trials {
            times.push(self.time(run).await?);
        }
        times.sort_by(f64::total_cmp);
        Ok(times)
    }

    async fn time(&self, run: &Run) -> Result<f64, SimulatorError> {
        let policy = run.policy(self.policy.clone());
        let mut fleet = Fleet::new(run, &policy, |_| 0)?;
        let at_once = |failing| Health::failing(failing).with_latency(Duration::ZERO);
        fleet.dependency.set_health(at_once(self.before));
        // The rule counts in whole seconds. So the change comes at a random moment within a second.
        let phase = run.world.chance().up_to(seconds(1));
        fleet.calls(100.0, seconds(70) + phase).await;
        fleet.dependency.set_health(at_once(self.after));
        let began = fleet.now();
        fleet.calls_until(100.0, seconds(self.bound), |fleet| fleet.is(CircuitState::Open)).await;
        Ok(fleet.seconds_to(CircuitState::Open, began))
    }
}

/// The quantile `part` of the sorted times.
fn at(times: &[f64], part: f64) -> f64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a part of a length"
    )]
    let index = (times.len() as f64 * part).ceil() as usize;
    times.get(index.saturating_sub(1)).copied().unwrap_or(f64::INFINITY)
}

/// A fleet whose dependency is healthy, with the usual few failures.
#[derive(Clone)]
struct Healthy {
    policy: CircuitPolicy,
    rate: f64,
    failing: f64,
    shape: Shape,
    /// Whether the first minute is left out of the figures.
    warm: bool,
    poisoned: Option<usize>,
}

#[derive(Clone, Copy, PartialEq)]
enum Shape {
    Steady,
    /// Ten times as many calls for 15 s, every ten minutes.
    Bursts,
    /// The rate rises from a tenth to all of the calls and falls again, within 24 h.
    DayAndNight,
}

impl Default for Healthy {
    fn default() -> Self {
        Self {
            policy: a_fifth(),
            rate: 100.0,
            failing: 0.01,
            shape: Shape::Steady,
            warm: true,
            poisoned: None,
        }
    }
}

struct Observed {
    opens: f64,
    writes_per_s: f64,
    cost_per_million: f64,
}

impl Healthy {
    async fn observe(
        &self,
        run: &Run,
        instances: usize,
        lasting: Duration,
    ) -> Result<Observed, SimulatorError> {
        let run = Run { instances, ..run.clone() };
        let policy = run.policy(self.policy.clone());
        let mut fleet = Fleet::new(&run, &policy, |_| 0)?;
        fleet.dependency.set_health(Health {
            failure_rate: self.failing,
            poisoned: self.poisoned,
            ..Health::UP.with_latency(Duration::ZERO)
        });
        if self.warm {
            fleet.calls(self.rate, seconds(70)).await;
        }
        let (asked, began) = (fleet.dependency.calls(), fleet.now());
        let (reads, swaps) = counts(&fleet);
        while fleet.now() - began < lasting {
            let since = (fleet.now() - began).as_secs();
            let left = lasting.saturating_sub(fleet.now() - began);
            fleet.calls(self.rate_at(since), left.min(self.step(since))).await;
        }
        let calls = (fleet.dependency.calls() - asked) as f64;
        let (reads, swaps) = (counts(&fleet).0 - reads, counts(&fleet).1 - swaps);
        Ok(Observed {
            opens: fleet.times_opened() as f64,
            writes_per_s: swaps as f64 / lasting.as_secs_f64(),
            cost_per_million: (reads as f64 * READ + swaps as f64 * WRITE) / calls.max(1.0),
        })
    }

    fn rate_at(&self, second: u64) -> f64 {
        match self.shape {
            Shape::Steady => self.rate,
            Shape::Bursts if second % 600 >= 300 && second % 600 < 315 => self.rate * 10.0,
            Shape::Bursts => self.rate,
            Shape::DayAndNight => {
                let day = second as f64 / DAY.as_secs_f64() * std::f64::consts::TAU;
                self.rate * (0.55 - 0.45 * day.cos())
            }
        }
    }

    /// How long the rate stays the same from this second on.
    fn step(&self, second: u64) -> Duration {
        match (self.shape, second % 600) {
            (Shape::Steady, _) => DAY,
            (Shape::Bursts, within @ 0..300) => seconds(300 - within),
            (Shape::Bursts, within @ 300..315) => seconds(315 - within),
            (Shape::Bursts, within) => seconds(600 - within),
            (Shape::DayAndNight, _) => seconds(60),
        }
    }
}

fn counts(fleet: &Fleet) -> (u64, u64) {
    fleet
        .stores
        .iter()
        .fold((0, 0), |(reads, swaps), store| (reads + store.reads(), swaps + store.swaps()))
}
