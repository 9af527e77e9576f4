//! The rate rule: a sample of the calls, from which the writer judges the rate.
//!
//! An outcome is reported with probability 1/w and stands for w calls. The weight is read off the
//! record, so that all of the fleet together writes about once a second, more while the rate is
//! near the threshold. Nothing is kept between calls.

use std::time::Duration;

use crate::{
    Timestamp,
    circuit::{
        Bucket, Cause, CircuitPolicy, CircuitRecord, Failure, Instance, Rule, SlowCalls,
        rules::{CallOutcome, Report, change, count},
    },
};

/// How sure the writer must be that the rate is over three quarters of the threshold, in nats: were
/// it just that, the sample would be as bad as it is with a chance of e^−15 at most (Chernoff, *Annals
/// of Mathematical Statistics* 23, 1952). The short windows ask for more, for they are looked at more
/// often. A normal distribution, whose tail is thinner, opens once in some days at three quarters.
const SURELY: f64 = 15.0;
const SURELY_SOON: f64 = 16.0;

/// Windows that are looked at besides the policy's own, with the part of the calls that must fail:
/// an outage shows there long before it fills a minute.
const SHORT: [(Duration, f64); 3] = [
    (Duration::from_secs(8), 0.30),
    (Duration::from_secs(2), 0.35),
    (Duration::from_secs(1), 0.45),
];

/// Reports a second that the fleet makes: of good and of bad calls, while calm and while suspect;
/// and the most that it would make if from now on every call failed. A bad call says more than a good
/// one: what it stands for is what an outage is first seen by.
const CALM: (f64, f64) = (0.8, 1.25);
const SUSPECT: (f64, f64) = (8.0, 8.0);
const OUTAGE: f64 = 40.0;

/// For how many calls a report stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampling {
    /// The report of a call that succeeded in time.
    pub good: u32,
    /// The report of one that failed or was slow.
    pub bad: u32,
}

/// Reads the weights of reports off the record: a vacant one asks for every call.
#[must_use]
pub fn sampling(record: &CircuitRecord, policy: &CircuitPolicy, now: Timestamp) -> Sampling {
    let Rule::Rate { window, .. } = policy.rule else { return Sampling { good: 1, bad: 1 } };
    let seconds = covered(&record.buckets, window, now).as_secs_f64();
    let [failed, slow] = KINDS.map(|kind| Sample::of(&record.buckets, kind, now, window));
    let calls = failed.calls / seconds;
    let bad = (failed.bad + slow.bad).min(failed.calls) / seconds;
    let (goods, bads) = if suspect(record, policy, now) { SUSPECT } else { CALM };
    Sampling {
        good: whole(((calls - bad) / goods).ceil()),
        bad: whole((bad / bads).max(calls / OUTAGE).ceil()),
    }
}

/// Whether the rate is half way to the threshold.
pub(super) fn suspect(record: &CircuitRecord, policy: &CircuitPolicy, now: Timestamp) -> bool {
    let Rule::Rate { window, .. } = policy.rule else { return false };
    thresholds(policy).any(|(kind, threshold)| {
        let sample = Sample::of(&record.buckets, kind, now, window);
        sample.bad > 0.0 && sample.rate() >= threshold / 2.0
    })
}

/// Counts a report; the circuit opens when a rate is over its threshold.
pub(super) fn apply(
    record: &CircuitRecord,
    policy: &CircuitPolicy,
    report: &Report,
    now: Timestamp,
    chance: f64,
) -> CircuitRecord {
    let Rule::Rate { window, .. } = policy.rule else { return record.clone() };
    let buckets = aged(&record.buckets, counted(report, now), window, now);
    let bad = report.outcome == CallOutcome::Failure || report.slow;
    let failed = bad.then_some(report.instance);
    let failures = seen_failing(&record.failures, policy, failed, window, now);
    match over_any(&buckets, policy, now) {
        Some(kind)
            if policy.quorum <= 1 || count::instances(&failures) >= count::size(policy.quorum) =>
        {
            change::opened(record, policy, kind.cause(), now, chance)
        }
        _ => CircuitRecord { buckets, failures, ..record.clone() },
    }
}

/// Whether the rate is over its threshold and only the quorum keeps the circuit closed, `instance`
/// being one of the few that fail.
pub(super) fn alone(
    record: &CircuitRecord,
    policy: &CircuitPolicy,
    instance: Instance,
    now: Timestamp,
) -> bool {
    let Rule::Rate { window, .. } = policy.rule else { return false };
    let failures = seen_failing(&record.failures, policy, Some(instance), window, now);
    over_any(&record.buckets, policy, now).is_some()
        && count::instances(&failures) < count::size(policy.quorum)
}

/// Failures or slow calls: the same rule, on other numbers of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Failed,
    Slow,
}

const KINDS: [Kind; 2] = [Kind::Failed, Kind::Slow];

impl Kind {
    fn cause(self) -> Cause {
        match self {
            Self::Failed => Cause::FailureRate,
            Self::Slow => Cause::SlowCalls,
        }
    }

    /// The calls and the reports of this kind in a bucket.
    fn of(self, bucket: &Bucket) -> (f64, f64) {
        let (calls, reports) = match self {
            Self::Failed => (bucket.failures, bucket.failed_reports),
            Self::Slow => (bucket.slow, bucket.slow_reports),
        };
        (f64::from(calls), f64::from(reports))
    }
}

/// The kinds that the policy looks at, with their thresholds.
fn thresholds(policy: &CircuitPolicy) -> impl Iterator<Item = (Kind, f64)> {
    let failed = match policy.rule {
        Rule::Rate { failures, .. } => Some((Kind::Failed, failures)),
        Rule::Count { .. } => None,
    };
    let slow = policy.slow_calls().map(|SlowCalls { rate, .. }| (Kind::Slow, rate));
    failed.into_iter().chain(slow)
}

/// The kind of which the rate is over its threshold.
fn over_any(buckets: &[Bucket], policy: &CircuitPolicy, now: Timestamp) -> Option<Kind> {
    let Rule::Rate { window, minimum_calls, .. } = policy.rule else { return None };
    thresholds(policy)
        .find(|(kind, threshold)| over(buckets, *kind, *threshold, (window, minimum_calls), now))
        .map(|(kind, _)| kind)
}

/// Whether the rate of one kind is over its threshold.
fn over(
    buckets: &[Bucket],
    kind: Kind,
    threshold: f64,
    (window, minimum_calls): (Duration, u32),
    now: Timestamp,
) -> bool {
    let whole = Sample::of(buckets, kind, now, window);
    if whole.calls < f64::from(minimum_calls) {
        return false;
    }
    let floor = threshold * 0.75;
    let seen = covered(buckets, window, now);
    // Of a fleet that has just begun to call, four of twenty are no rate yet; all of them are.
    let decides = seen * 4 >= window || whole.bad >= whole.calls;
    if whole.rate() >= threshold && (whole.is_exact() && decides || whole.is_surely_over(floor)) {
        return true;
    }
    let pace = whole.calls / seen.as_secs_f64();
    SHORT.iter().filter(|(span, _)| *span * 4 <= window).any(|(span, least)| {
        let recent = Sample::of(buckets, kind, now, *span);
        // Against the calls that the last minute promises: in two seconds the good ones are sampled
        // too thinly to be counted.
        let promised = pace * now.since(start_of(*span, now)).as_secs_f64();
        let expected = promised.max(recent.calls);
        let weight = recent.weight_of_bad();
        recent.bad >= expected * threshold.max(*least)
            && surprise_of_count(recent.bad / weight, floor * expected / weight) >= SURELY_SOON
    })
}

/// What the reports of a span of time say about one kind of call.
#[derive(Clone, Copy, Debug, Default)]
struct Sample {
    calls: f64,
    bad: f64,
    reports: f64,
    /// Sums of squared weights: what the doubt is made of.
    bad_squares: f64,
    good_squares: f64,
}

impl Sample {
    fn of(buckets: &[Bucket], kind: Kind, now: Timestamp, span: Duration) -> Self {
        let start = start_of(span, now);
        let mut sample = Self::default();
        for bucket in buckets.iter().filter(|bucket| bucket.at >= start) {
            let (calls, reports) = (f64::from(bucket.calls), f64::from(bucket.reports));
            let (bad, bad_reports) = kind.of(bucket);
            sample.calls += calls;
            sample.bad += bad;
            sample.reports += reports;
            sample.bad_squares += bad * bad / bad_reports.max(1.0);
            sample.good_squares +=
                (calls - bad).max(0.0).powi(2) / (reports - bad_reports).max(1.0);
        }
        sample
    }

    fn rate(&self) -> f64 {
        if self.calls > 0.0 { self.bad / self.calls } else { 0.0 }
    }

    /// Whether every call was reported: there is nothing to estimate then.
    fn is_exact(&self) -> bool {
        self.calls <= self.reports
    }

    fn weight_of_bad(&self) -> f64 {
        if self.bad > 0.0 { (self.bad_squares / self.bad).max(1.0) } else { 1.0 }
    }

    fn weight_of_good(&self) -> f64 {
        let good = self.calls - self.bad;
        if good > 0.0 { (self.good_squares / good).max(1.0) } else { 1.0 }
    }

    /// Whether the true rate is over `floor` by all but the rarest chance, for the number of reports
    /// that this sample is worth.
    fn is_surely_over(&self, floor: f64) -> bool {
        let weight = (1.0 - floor) * self.weight_of_bad() + floor * self.weight_of_good();
        let worth = self.calls / weight;
        worth * surprise_of_rate(self.rate(), floor) >= SURELY
    }
}

/// How surprising a part of `rate` or more would be where `expected` is true, in nats a report: the
/// exponent of the bound for a binomial distribution.
fn surprise_of_rate(rate: f64, expected: f64) -> f64 {
    if rate <= expected {
        return 0.0;
    }
    weighed(rate, expected) + weighed(1.0 - rate, 1.0 - expected)
}

/// How surprising so many reports or more would be where `expected` are, in nats: the same for a
/// Poisson distribution.
fn surprise_of_count(reports: f64, expected: f64) -> f64 {
    if reports <= expected {
        return 0.0;
    }
    weighed(reports, expected) - (reports - expected)
}

/// `a · ln(a / b)`, which is nothing where `a` is.
fn weighed(a: f64, b: f64) -> f64 {
    if a > 0.0 { a * (a / b.max(f64::MIN_POSITIVE)).ln() } else { 0.0 }
}

/// The report as a bucket of its own.
fn counted(report: &Report, now: Timestamp) -> Bucket {
    let weight = report.weight.max(1);
    let failed = u32::from(report.outcome == CallOutcome::Failure);
    let slow = u32::from(report.slow);
    Bucket {
        at: now,
        calls: weight,
        failures: weight * failed,
        slow: weight * slow,
        reports: 1,
        failed_reports: failed,
        slow_reports: slow,
    }
}

/// The buckets with one more report, in cells that are coarser the older they are: a second, two
/// from four seconds on, an eighth of the window from twelve on.
fn aged(buckets: &[Bucket], report: Bucket, window: Duration, now: Timestamp) -> Vec<Bucket> {
    let coarse = (window.as_secs() / 8).max(8);
    let oldest = now - window - Duration::from_secs(coarse);
    let mut cells: Vec<Bucket> = Vec::with_capacity(buckets.len() + 1);
    for bucket in buckets.iter().filter(|bucket| bucket.at >= oldest).chain([&report]) {
        let width = match now.since(bucket.at).as_secs() {
            0..4 => 1,
            4..12 => 2,
            _ => coarse,
        };
        let at = floored(bucket.at, width);
        match cells.iter_mut().find(|cell| cell.at == at) {
            Some(cell) => cell.absorb(bucket),
            None => cells.push(Bucket { at, ..*bucket }),
        }
    }
    cells
}

/// How long the buckets within the window reach back, at least a second.
fn covered(buckets: &[Bucket], window: Duration, now: Timestamp) -> Duration {
    let start = start_of(window, now);
    let first = buckets.iter().map(|bucket| bucket.at).filter(|at| *at >= start).min();
    first.map_or(Duration::ZERO, |first| now.since(first)).max(Duration::from_secs(1))
}

/// With a quorum, the last failure of so many instances as it asks for.
fn seen_failing(
    failures: &[Failure],
    policy: &CircuitPolicy,
    failed: Option<Instance>,
    window: Duration,
    now: Timestamp,
) -> Vec<Failure> {
    let stays =
        |failure: &&Failure| now.since(failure.at) < window && Some(failure.instance) != failed;
    let mut failures: Vec<Failure> = failures.iter().filter(stays).copied().collect();
    failures.extend(failed.map(|instance| Failure { at: now, instance }));
    let kept = if policy.quorum > 1 { count::size(policy.quorum) } else { 0 };
    failures.drain(..failures.len().saturating_sub(kept));
    failures
}

/// Where a span of time begins, on a whole second as the buckets do.
fn start_of(span: Duration, now: Timestamp) -> Timestamp {
    floored(now - span, 1)
}

fn floored(at: Timestamp, seconds: u64) -> Timestamp {
    let width = i64::try_from(seconds.max(1)).unwrap_or(1).saturating_mul(1_000);
    Timestamp::from_millis(at.as_millis().saturating_sub(at.as_millis().rem_euclid(width)))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a weight is clamped to what a u32 holds; the cast saturates"
)]
fn whole(weight: f64) -> u32 {
    weight.clamp(1.0, 1_000_000.0) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_sure_where_chance_explains_it_once_in_three_million() {
        // Half of so many calls failed, each reported or one in ten, against three eighths of them.
        for (calls, weight, is_sure) in
            [(460.0, 1.0, false), (470.0, 1.0, true), (4_600.0, 10.0, false), (4_700.0, 10.0, true)]
        {
            let (bad, squares) = (calls / 2.0, calls / 2.0 * weight);
            let reports = calls / weight;
            let sample =
                Sample { calls, bad, reports, bad_squares: squares, good_squares: squares };
            assert_eq!(sample.is_surely_over(0.375), is_sure, "{calls} calls, {reports} reports");
        }
    }

    /// So many calls, every one of them reported or one in `weight`, so long before `now`.
    fn bucket(now: Timestamp, before: u64, calls: u32, bad: u32, weight: u32) -> Bucket {
        Bucket {
            at: now - Duration::from_secs(before),
            calls,
            failures: bad,
            reports: (calls - bad) / weight + bad / weight,
            failed_reports: bad / weight,
            ..Bucket::default()
        }
    }

    #[test]
    fn what_opens_a_circuit_of_twenty_percent_and_what_only_looks_like_it() {
        let now = Timestamp::from_millis(1_800_000_000_000);
        let minute = |calls, bad, weight| bucket(now, 59, calls, bad, weight);
        let cases = [
            ("a fifth, all reported", 0.2, vec![minute(1_000, 200, 1)], true),
            ("a little less", 0.2, vec![minute(1_000, 199, 1)], false),
            // As good as certain that it is over a tenth, far from it that it is over 15 %.
            ("a fifth by a sample", 0.2, vec![minute(5_000, 1_000, 10)], false),
            ("two fifths by a sample", 0.2, vec![minute(5_000, 2_000, 10)], true),
            // A hundred calls a second are promised: sixteen failures are not all of them.
            (
                "failures before the good calls",
                0.2,
                vec![minute(6_000, 0, 10), bucket(now, 1, 16, 16, 1)],
                false,
            ),
            (
                "as many failures as calls are promised",
                0.2,
                vec![minute(6_000, 0, 10), bucket(now, 1, 200, 200, 1)],
                true,
            ),
            // Certainly over three quarters of either threshold, over one of them.
            (
                "46 % of a second under 50 %",
                0.5,
                vec![minute(6_000, 0, 1), bucket(now, 1, 4_000, 1_840, 1)],
                false,
            ),
            (
                "46 % of a second over 45 %",
                0.45,
                vec![minute(6_000, 0, 1), bucket(now, 1, 4_000, 1_840, 1)],
                true,
            ),
        ];
        for (case, threshold, buckets, opens) in cases {
            let rule = (Duration::from_secs(60), 20);
            assert_eq!(over(&buckets, Kind::Failed, threshold, rule, now), opens, "{case}");
        }
    }
}
