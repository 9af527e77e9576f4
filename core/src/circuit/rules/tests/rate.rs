//! The rate rule on simulated fleets with millions of calls: only the pure rules, without a store.

use std::time::Duration;

use crate::{
    Chance, Timestamp,
    circuit::{
        Cause, CircuitPolicy, CircuitRecord, CircuitState, Instance, RateRule,
        rules::{self, CallOutcome, Permit, Report, Sampling},
    },
};

use super::{START, millis, seconds};

/// A fleet that calls at a steady rate. Weights follow from a snapshot that is up to 5 s old. A report is
/// sampled again by the record to which it is applied, as the breaker does.
struct Fleet {
    policy: CircuitPolicy,
    record: CircuitRecord,
    sampling: Sampling,
    read_again_at: Timestamp,
    now: Timestamp,
    chance: Chance,
    reports: u32,
}

impl Fleet {
    fn new(policy: CircuitPolicy, seed: u64) -> Self {
        Self {
            policy,
            record: CircuitRecord::default(),
            sampling: Sampling { good: 1, bad: 1 },
            read_again_at: START,
            now: START,
            chance: Chance::seeded(seed),
            reports: 0,
        }
    }

    /// Makes calls for the time `lasting`. Returns how long it took until the circuit opened. `None` if it
    /// stayed closed.
    fn calls(&mut self, pace: f64, failing: f64, lasting: Duration) -> Option<Duration> {
        let begin = self.now;
        let mut at = 0.0;
        while self.record.state == CircuitState::Closed {
            // The calls arrive as a Poisson process.
            at -= (1.0 - self.chance.draw()).ln() / pace;
            if at > lasting.as_secs_f64() {
                self.now = begin + lasting;
                return None;
            }
            self.now = begin + Duration::from_secs_f64(at);
            let failed = self.chance.draw() < failing;
            self.call(failed);
        }
        Some(self.now.since(begin))
    }

    fn call(&mut self, failed: bool) {
        if self.now >= self.read_again_at {
            let shows_failures = self.policy.rule.shows_failures(&self.record, self.now);
            self.read_again_at = self.now + seconds(if shows_failures { 1 } else { 5 });
            self.sampling = self.policy.rule.sampling(&self.record, self.now);
        }
        let pick = |sampling: Sampling| if failed { sampling.bad } else { sampling.good };
        let mut weight = pick(self.sampling);
        if self.chance.draw() * f64::from(weight) >= 1.0 {
            return;
        }
        let fresh = pick(self.policy.rule.sampling(&self.record, self.now));
        if fresh > weight {
            if self.chance.draw() * f64::from(fresh) >= f64::from(weight) {
                return;
            }
            weight = fresh;
        }
        self.reports += 1;
        let report = Report {
            permit: Permit::of(&self.record, None),
            outcome: if failed { CallOutcome::Failure } else { CallOutcome::Success },
            slow: false,
            weight,
            instance: Instance::new("one"),
        };
        let chance = self.chance.draw();
        self.record = rules::apply(&self.record, &self.policy, &report, self.now, chance).unwrap();
    }
}

fn a_fifth() -> CircuitPolicy {
    CircuitPolicy::new(RateRule::new(0.2, seconds(60), 20))
}

/// Returns how long `trials` fleets took to open. Each makes 100 calls a second, of which the share `well`
/// fails in the first 70 s, and the share `failing` after that.
fn times_of(
    policy: &impl Fn() -> CircuitPolicy,
    trials: u64,
    well: f64,
    failing: f64,
    bound: Duration,
) -> Vec<Duration> {
    let time = |seed| {
        let mut fleet = Fleet::new(policy(), 1_000 + seed);
        // The rule counts in whole seconds, but an outage may begin between two of them.
        let phase = fleet.chance.up_to(seconds(1));
        assert_eq!(fleet.calls(100.0, well, seconds(70) + phase), None, "a false open");
        fleet.calls(100.0, failing, bound)
    };
    let mut times: Vec<Duration> = (0..trials).filter_map(time).collect();
    times.sort();
    times
}

#[test]
fn background_failures_do_not_open_it_and_cost_two_writes_a_second_at_most() {
    for (pace, well, lasting) in [(10.0, 0.05, 86_400), (100.0, 0.01, 7_200), (1_000.0, 0.001, 600)]
    {
        let mut fleet = Fleet::new(a_fifth(), 7);
        assert_eq!(fleet.calls(pace, well, seconds(lasting)), None, "{pace}/s, {well}");
        let a_second = fleet.reports / u32::try_from(lasting).unwrap();
        assert!(a_second < 2, "{pace}/s: {a_second} writes a second");
    }
}

#[test]
fn the_first_calls_of_a_fleet_do_not_open_it() {
    for pace in [5.0, 10.0, 100.0] {
        let opened = |seed| {
            let mut fleet = Fleet::new(a_fifth(), seed);
            fleet.calls(pace, 0.05, seconds(20)).is_some()
        };
        let opened = (0..1_000).filter(|seed| opened(*seed)).count();
        assert_eq!(opened, 0, "of 1,000 fleets at {pace}/s");
    }
    // If all calls fail, the circuit opens.
    let mut fleet = Fleet::new(a_fifth(), 1);
    assert!(fleet.calls(10.0, 1.0, seconds(20)) <= Some(seconds(4)));
    assert_eq!(fleet.record.state, CircuitState::Open);
}

#[test]
fn a_burst_of_ten_times_the_calls_does_not_open_it() {
    for seed in 0..20 {
        let mut fleet = Fleet::new(a_fifth(), seed);
        for (pace, lasting) in [(50.0, 70), (500.0, 15), (50.0, 70)] {
            assert_eq!(fleet.calls(pace, 0.05, seconds(lasting)), None, "seed {seed}");
        }
    }
}

/// Returns the time within which `of_a_thousand` of a thousand trials opened.
fn at(times: &[Duration], of_a_thousand: usize) -> Duration {
    times[times.len() * of_a_thousand / 1_000 - 1]
}

#[test]
fn a_total_outage_opens_it_within_two_seconds_and_three_from_five_percent() {
    for (well, bound) in [(0.001, seconds(2)), (0.01, seconds(2)), (0.05, seconds(3))] {
        let times = times_of(&a_fifth, 200, well, 1.0, seconds(10));
        assert_eq!(times.len(), 200);
        assert!(at(&times, 990) <= bound, "from {well}: {:?}", &times[190..]);
    }
}

#[test]
fn half_an_outage_opens_it_within_ten_seconds_and_a_quarter_within_ninety() {
    let half = times_of(&a_fifth, 100, 0.01, 0.5, seconds(60));
    assert!(half.len() == 100 && at(&half, 980) <= seconds(10), "{:?}", &half[90..]);
    let quarter = times_of(&a_fifth, 50, 0.01, 0.25, seconds(200));
    assert!(quarter.len() == 50 && at(&quarter, 1_000) <= seconds(90), "{:?}", &quarter[40..]);
}

#[test]
fn three_quarters_of_the_threshold_never_open_it() {
    let mut fleet = Fleet::new(a_fifth(), 11);
    assert_eq!(fleet.calls(100.0, 0.15, seconds(3_600)), None);
}

#[test]
fn a_quiet_fleet_is_counted_call_by_call() {
    let mut fleet = Fleet::new(CircuitPolicy::default(), 3);
    let exactly = |fleet: &mut Fleet, calls, failed| {
        for _ in 0..calls {
            fleet.now = fleet.now + millis(1_500);
            fleet.call(failed);
        }
    };
    exactly(&mut fleet, 10, false);
    exactly(&mut fleet, 9, true);
    assert_eq!((fleet.record.state, fleet.reports), (CircuitState::Closed, 19));
    exactly(&mut fleet, 1, true);
    assert_eq!(fleet.record.state, CircuitState::Open, "10 of 20");
    assert_eq!(fleet.record.cause, Some(Cause::FailureRate));
}

#[test]
fn below_the_minimum_of_calls_the_circuit_stays_closed() {
    let mut fleet = Fleet::new(CircuitPolicy::default(), 3);
    for _ in 0..1_000 {
        fleet.now = fleet.now + seconds(4);
        fleet.call(true);
    }
    assert_eq!(fleet.record.state, CircuitState::Closed, "15 calls a minute, all failing");
}

#[test]
fn a_rate_of_one_hundred_percent_opens_a_window_after_the_last_success() {
    let policy = CircuitPolicy::new(RateRule::new(1.0, seconds(10), 5));
    // If every call has failed, the fifth failure opens the circuit.
    let mut fleet = Fleet::new(policy.clone(), 3);
    let calls = |fleet: &mut Fleet, failed| {
        fleet.now = fleet.now + seconds(1);
        fleet.call(failed);
    };
    for call in 0..5 {
        assert_eq!(fleet.record.state, CircuitState::Closed, "call {call}");
        calls(&mut fleet, true);
    }
    assert_eq!(fleet.record.state, CircuitState::Open);
    // After a success, the circuit opens only when the success has left the window.
    let mut fleet = Fleet::new(policy, 3);
    (0..20).for_each(|_| calls(&mut fleet, false));
    let failed = (1..).find(|_| {
        calls(&mut fleet, true);
        fleet.record.state == CircuitState::Open
    });
    assert_eq!(failed, Some(11));
}

#[test]
fn a_fleet_of_two_calls_a_second_is_counted_call_by_call_whatever_happens() {
    // The calls come evenly or in pairs. With a quarter of failures, a busier fleet would be sampled.
    for gaps in [[500, 500], [0, 1_000]] {
        let mut fleet = Fleet::new(CircuitPolicy::default(), 3);
        let mut calls = 0;
        for (call, gap) in gaps.into_iter().cycle().take(2_000).enumerate() {
            fleet.now = fleet.now + millis(gap);
            fleet.call(call % 4 == 0);
            calls += 1;
            assert_eq!(fleet.reports, calls, "one call was not reported");
        }
        assert_eq!(fleet.record.state, CircuitState::Closed);
        // From now on every call fails. The circuit opens at 60 failures of the last 120 calls, of which
        // about 15 came before.
        let failed = (1..100).find(|_| {
            fleet.now = fleet.now + millis(500);
            fleet.call(true);
            fleet.record.state == CircuitState::Open
        });
        assert!(failed <= Some(42), "{failed:?}");
    }
}

#[test]
fn an_outage_does_not_thin_out_the_reports_of_it() {
    // The threshold is 100 %, so the circuit stays closed.
    let mut fleet = Fleet::new(CircuitPolicy::new(RateRule::new(1.0, seconds(60), 20)), 3);
    assert_eq!(fleet.calls(100.0, 0.01, seconds(120)), None);
    let weights = |fleet: &Fleet| fleet.policy.rule.sampling(&fleet.record, fleet.now);
    assert_eq!(weights(&fleet).bad, 1);
    for second in 1..=6 {
        assert_eq!(fleet.calls(100.0, 0.9, seconds(1)), None);
        let bad = weights(&fleet).bad;
        assert!(bad <= 2, "after {second} s one in {bad} failures is reported");
    }
}

#[test]
fn the_default_rule_opens_on_a_total_outage_within_three_seconds() {
    let default = CircuitPolicy::default;
    let times = times_of(&default, 200, 0.01, 1.0, seconds(10));
    assert_eq!(times.len(), 200);
    assert!(at(&times, 500) <= millis(1_400), "{:?}", at(&times, 500));
    assert!(at(&times, 990) <= seconds(3), "{:?}", &times[190..]);
    let times = times_of(&default, 200, 0.05, 1.0, seconds(10));
    // Before the outage, 5 % of the calls failed. Most instances then use their old weights for up to five
    // seconds.
    assert!(times.len() == 200 && at(&times, 980) <= seconds(6), "{:?}", &times[190..]);
}

#[test]
fn slow_calls_open_it_too() {
    let policy =
        CircuitPolicy::new(RateRule::new(0.5, seconds(60), 20).with_slow_calls(0.5, seconds(1)));
    let mut record = CircuitRecord::default();
    let mut now = START;
    for _ in 0..20 {
        now = now + seconds(2);
        let report = Report {
            permit: Permit::of(&record, None),
            outcome: CallOutcome::Success,
            slow: true,
            weight: 1,
            instance: Instance::new("one"),
        };
        record = rules::apply(&record, &policy, &report, now, 0.5).unwrap();
    }
    assert_eq!((record.state, record.cause), (CircuitState::Open, Some(Cause::SlowCalls)));
}

#[test]
fn the_record_stays_under_a_kilobyte_at_any_pace() {
    use crate::register::encode;
    for pace in [1.0, 30.0, 1_000.0] {
        let mut rule = RateRule::new(0.2, seconds(60), 20);
        rule.quorum = 4;
        let mut fleet = Fleet::new(CircuitPolicy::new(rule), 5);
        for _ in 0..90 {
            fleet.calls(pace, 0.05, seconds(1));
            let size = encode(&fleet.record).unwrap().to_string().len();
            assert!(size < 900 && fleet.record.buckets.len() <= 20, "{size}");
        }
    }
}
