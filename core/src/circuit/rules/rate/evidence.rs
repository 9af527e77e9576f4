//! Decides whether a sample is enough evidence that the rate is over its threshold.

use std::time::Duration;

use super::buckets::{covered, start_of};
use crate::{
    Timestamp,
    circuit::{Bucket, Cause},
};

/// How sure the writer must be that the true rate is over the floor, in nats. With 15, if the true rate is
/// at the floor, a sample as bad as this one has a chance of at most e^−15, one in three million (Chernoff,
/// *Annals of Mathematical Statistics* 23, 1952). The tail of a normal distribution is too thin: with it,
/// a rate of three quarters of the threshold opened a circuit once in some days.
const EVIDENCE: f64 = 15.0;

/// The same for the short windows. There are more of them to check, so errors would be more frequent.
const EVIDENCE_IN_SHORT_WINDOW: f64 = 16.0;

/// The evidence in a short window, in nats, from which on the fleet reports more calls and reads the
/// record more often.
const SUSPICION: f64 = 3.0;

/// The floor, as a part of the threshold. A rate of three quarters of the threshold must not open the
/// circuit, not even once in weeks. A rate above the threshold must open it after few reports.
const FLOOR: f64 = 0.75;

/// The longest short window, 9 s. Each bucket that is younger begins a short window, which is checked in
/// addition to the window of the rule. An outage shows in a short window long before it fills a minute.
const LONGEST_SHORT_WINDOW: Duration = Duration::from_secs(9);

/// The least share of calls that must fail in a short window: pairs of the length from which on it applies,
/// in seconds, and the share. A window counts as at least one second long, because ten calls that fail in
/// the same instant are not an outage.
const LEAST_SHARES: [(f64, f64); 3] = [(8.0, 0.30), (2.0, 0.35), (0.0, 0.45)];
const SHORTEST: f64 = 1.0;

/// Which calls are counted as bad. The same rule applies to failed and to slow calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Failed,
    Slow,
}

impl Kind {
    pub(super) const ALL: [Self; 2] = [Self::Failed, Self::Slow];

    pub(super) fn cause(self) -> Cause {
        match self {
            Self::Failed => Cause::FailureRate,
            Self::Slow => Cause::SlowCalls,
        }
    }

    /// Returns the calls and the reports of this kind in a bucket.
    fn of(self, bucket: &Bucket) -> (f64, f64) {
        let (calls, reports) = match self {
            Self::Failed => (bucket.failures, bucket.failed_reports),
            Self::Slow => (bucket.slow, bucket.slow_reports),
        };
        (f64::from(calls), f64::from(reports))
    }
}

/// Whether the rate of one kind is over its threshold.
pub(super) fn is_over(
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
    let floor = threshold * FLOOR;
    let seen = covered(buckets, window, now);
    // While only a small part of the window was seen, an exact rate decides only if every call failed.
    let decides = seen * 4 >= window || whole.bad >= whole.calls;
    if whole.rate() >= threshold && (whole.is_exact() && decides || whole.is_surely_over(floor)) {
        return true;
    }
    is_over_lately(buckets, kind, threshold, window, now, EVIDENCE_IN_SHORT_WINDOW)
}

/// Whether the rate of one kind may soon be over its threshold: it is at least half of the threshold, or
/// seems to be over it in the last seconds.
pub(super) fn may_be_over(
    buckets: &[Bucket],
    kind: Kind,
    threshold: f64,
    window: Duration,
    now: Timestamp,
) -> bool {
    let whole = Sample::of(buckets, kind, now, window);
    whole.bad > 0.0
        && (whole.rate() >= threshold / 2.0
            || is_over_lately(buckets, kind, threshold, window, now, SUSPICION))
}

/// Whether the rate of one kind is over its threshold in a short window, with so many nats of evidence.
fn is_over_lately(
    buckets: &[Bucket],
    kind: Kind,
    threshold: f64,
    window: Duration,
    now: Timestamp,
    evidence: f64,
) -> bool {
    let whole = Sample::of(buckets, kind, now, window);
    let calls_per_second = whole.calls / covered(buckets, window, now).as_secs_f64();
    let longest = LONGEST_SHORT_WINDOW.min(window / 4 + Duration::from_secs(1));
    let starts = buckets.iter().map(|bucket| bucket.at);
    starts.filter(|start| now.since(*start) < longest).any(|start| {
        let recent = Sample::since(buckets, kind, start);
        let seconds = now.since(start).as_secs_f64().max(SHORTEST);
        // Assume that calls came at the rate of the whole window. In two seconds, too few good calls are
        // sampled to count them.
        let expected = (calls_per_second * seconds).max(recent.calls);
        let least = LEAST_SHARES.iter().find(|(from, _)| seconds >= *from);
        let least = least.map_or(threshold, |(_, share)| threshold.max(*share));
        let weight = recent.weight_of_bad();
        let surprise =
            surprise_of_count(recent.bad / weight, threshold * FLOOR * expected / weight);
        recent.bad >= expected * least && surprise >= evidence
    })
}

/// What the reports of a span of time show about one kind of bad calls.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sample {
    pub(super) calls: f64,
    pub(super) bad: f64,
    reports: f64,
    /// Sums of squared weights, from which the uncertainty of the sample follows.
    bad_squares: f64,
    good_squares: f64,
}

impl Sample {
    pub(super) fn of(buckets: &[Bucket], kind: Kind, now: Timestamp, span: Duration) -> Self {
        Self::since(buckets, kind, start_of(span, now))
    }

    /// Counts failed and slow calls together as bad.
    pub(super) fn of_either(buckets: &[Bucket], now: Timestamp, span: Duration) -> Self {
        let [failed, slow] = Kind::ALL.map(|kind| Self::of(buckets, kind, now, span));
        Self { bad: (failed.bad + slow.bad).min(failed.calls), ..failed }
    }

    fn since(buckets: &[Bucket], kind: Kind, start: Timestamp) -> Self {
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

    pub(super) fn rate(&self) -> f64 {
        if self.calls > 0.0 { self.bad / self.calls } else { 0.0 }
    }

    /// Whether every call was reported, so that the numbers are exact.
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

    /// Whether there is enough evidence that the true rate is over `floor`. The sample counts as so many
    /// unweighted reports as would be equally certain.
    fn is_surely_over(&self, floor: f64) -> bool {
        let weight = (1.0 - floor) * self.weight_of_bad() + floor * self.weight_of_good();
        let worth = self.calls / weight;
        worth * surprise_of_rate(self.rate(), floor) >= EVIDENCE
    }
}

/// Returns how surprising an observed rate of `rate` or more is if the true rate is `expected`, in nats for
/// each report. This is the exponent of Chernoff's bound for a binomial distribution.
fn surprise_of_rate(rate: f64, expected: f64) -> f64 {
    if rate <= expected {
        return 0.0;
    }
    relative_entropy(rate, expected) + relative_entropy(1.0 - rate, 1.0 - expected)
}

/// Returns how surprising so many reports or more are if `expected` are the true mean, in nats. This is
/// the same bound for a Poisson distribution.
fn surprise_of_count(reports: f64, expected: f64) -> f64 {
    if reports <= expected {
        return 0.0;
    }
    relative_entropy(reports, expected) - (reports - expected)
}

/// Returns `a · ln(a / b)`, or zero if `a` is zero.
fn relative_entropy(a: f64, b: f64) -> f64 {
    if a > 0.0 { a * (a / b.max(f64::MIN_POSITIVE)).ln() } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_evident_where_chance_explains_it_once_in_three_million() {
        // Half of the calls failed, and the floor is three eighths. Either each call is reported, or one
        // in ten.
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

    /// A bucket of `before` seconds before `now`, in which one of `weight` calls was reported.
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
            // The rate is almost certainly over 10 %, but not certainly over the floor of 15 %.
            ("a fifth by a sample", 0.2, vec![minute(5_000, 1_000, 10)], false),
            ("two fifths by a sample", 0.2, vec![minute(5_000, 2_000, 10)], true),
            // The window shows a hundred calls a second, so sixteen failures are not all calls.
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
            // The rate is certainly over three quarters of both thresholds, but only over one of them.
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
            assert_eq!(is_over(&buckets, Kind::Failed, threshold, rule, now), opens, "{case}");
        }
    }
}
