//! The rate rule. The fleet reports a sample of its calls, and the writer of a report estimates the rate.
//!
//! An outcome is reported with a chance of one in `w`, and counts for `w` calls. The weight `w` follows
//! from the record, so that the whole fleet together writes one or two reports a second, and more while
//! the rate is near the threshold. An instance keeps nothing in memory between calls.

mod buckets;
mod evidence;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use self::{
    buckets::{covered, start_of, with_report},
    evidence::{Kind, Sample, is_over, may_be_over},
};
use super::{
    quorum::{self, size},
    report::Report,
    verdict::{Sampling, Verdict},
};
use crate::{
    Timestamp,
    circuit::{
        Bucket, CircuitRecord, Failure, Instance,
        policy::{fault::Faults, seconds},
    },
};

/// How many calls the fleet reports in a second while the rate is low, 1.85, and how many of them are bad
/// calls at most, 1.25. This is the cost of a healthy circuit. Bad calls come first, because an outage
/// shows in them first. The rest are good calls, which show how many calls there are in all.
const REPORTS: f64 = 1.85;
const BAD_REPORTS: f64 = 1.25;

/// How many good calls and how many bad calls the fleet reports in a second while the rate is near the
/// threshold.
const REPORTS_NEAR_THRESHOLD: f64 = 9.0;

/// The range of reports that the fleet would make in a second if every call failed from now on. With
/// fewer than 25, an outage would not be evident within a few seconds. More than 130 would only conflict
/// with each other.
const REPORTS_IN_OUTAGE: (f64, f64) = (25.0, 130.0);

/// Only bad calls that are older than this, 8 s, determine the weight of bad calls. Otherwise the first
/// failures of an outage would reduce the number of its reports.
const SETTLED: Duration = Duration::from_secs(8);

/// Up to this many calls a second, a fleet reports every call, so that the rate is exact.
const EXACT: f64 = 2.2;

/// The shortest time, in seconds, over which the number of calls a second is computed for [`EXACT`]. The
/// first three calls of a fleet may all come within one second.
const EXACT_OVER: f64 = 10.0;

/// The largest quorum, 4. The record holds the last failure of as many instances.
const MOST_INSTANCES: u32 = 4;

/// Opens the circuit when a share of the calls fails within a window.
///
/// The fleet reports a sample of its calls, so a busy fleet writes no more often than a quiet one. The
/// circuit opens when two conditions are met. The rate in the sample reaches the threshold. And if the
/// true rate were three quarters of the threshold, there would be a chance of at most one in three
/// million for such a sample.
///
/// A fleet of up to two calls a second reports every call, so its rate is exact. It decides once a
/// quarter of the window was seen, or at once if every call failed.
///
/// There is no rule for "`n` failures in a row", because the calls of a fleet have no order.
/// `RateRule::new(1.0, window, n)` opens the circuit when at least `n` calls were made within `window` and
/// all of them failed. After a success, this takes the length of the window.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use funcify_core::circuit::{CircuitPolicy, RateRule};
///
/// // A fifth of at least 50 calls in a minute fails, or half of them take two seconds or longer.
/// let rule = RateRule::new(0.2, Duration::from_secs(60), 50)
///     .with_slow_calls(0.5, Duration::from_secs(2));
/// let policy = CircuitPolicy::new(rule);
/// # let _ = policy;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RateRule {
    /// The share of failed calls that opens the circuit: more than 0, at most 1.
    pub failures: f64,
    /// The length of the window: 1 s to 1 h.
    #[serde(with = "seconds")]
    pub window: Duration,
    /// How many calls the window must contain for the circuit to open: at least 1.
    pub minimum_calls: u32,
    /// From how many instances the bad calls must come: 1 to 4. The default is 1.
    ///
    /// If the rate reaches the threshold by the bad calls of fewer instances, the circuit opens for these
    /// instances alone.
    #[serde(default = "quorum::one")]
    pub quorum: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    slow: Option<SlowCalls>,
}

/// When a call is slow, and which share of slow calls opens the circuit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SlowCalls {
    rate: f64,
    #[serde(with = "seconds")]
    after: Duration,
}

impl RateRule {
    /// After this many conflicts a report is given up, because it is only one of a sample.
    pub(super) const MOST_CONFLICTS: u32 = 4;

    /// Creates a rule that opens the circuit when the share `failures` of at least `minimum_calls` calls
    /// within `window` failed. The quorum is 1, and no call is slow.
    #[must_use]
    pub fn new(failures: f64, window: Duration, minimum_calls: u32) -> Self {
        Self { failures, window, minimum_calls, quorum: 1, slow: None }
    }

    /// Opens the circuit also when the share `rate` of the calls took `after` or longer.
    ///
    /// `rate` is more than 0 and at most 1. `after` is 1 ms to 15 min. Without this method, no call is slow.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use funcify_core::circuit::RateRule;
    ///
    /// // Half of at least 20 calls in a minute fail, or half of them take two seconds or longer.
    /// let rule = RateRule::new(0.5, Duration::from_secs(60), 20)
    ///     .with_slow_calls(0.5, Duration::from_secs(2));
    /// # let _ = rule;
    /// ```
    #[must_use]
    pub fn with_slow_calls(self, rate: f64, after: Duration) -> Self {
        Self { slow: Some(SlowCalls { rate, after }), ..self }
    }

    pub(super) fn add_faults(&self, faults: &mut Faults) {
        faults.check_share("rule.rate.failures", self.failures);
        let (second, hour) = (Duration::from_secs(1), Duration::from_secs(3_600));
        faults.check_duration("rule.rate.window", self.window, second, hour);
        faults.check_count("rule.rate.minimum_calls", self.minimum_calls, 1, u32::MAX);
        faults.check_count("rule.rate.quorum", self.quorum, 1, MOST_INSTANCES);
        if let Some(SlowCalls { rate, after }) = self.slow {
            faults.check_share("rule.rate.slow.rate", rate);
            faults.check_duration(
                "rule.rate.slow.after",
                after,
                Faults::SHORTEST,
                Faults::LONGEST_CALL,
            );
        }
    }

    /// Counts a report. The circuit opens if a rate is over its threshold.
    pub(super) fn count(&self, record: &CircuitRecord, report: &Report, now: Timestamp) -> Verdict {
        let buckets = with_report(&record.buckets, report, self.window, now);
        let failed = report.is_bad().then_some(report.instance);
        let failures = self.last_failures(record, failed, now);
        match self.kind_over_threshold(&buckets, now) {
            Some(kind) if self.quorum <= 1 || quorum::is_met(&failures, self.quorum) => {
                Verdict::Opens(kind.cause())
            }
            _ => Verdict::Counted(CircuitRecord { buckets, failures, ..record.clone() }),
        }
    }

    /// Whether a rate is at least half of its threshold, or seems to be over it in the last seconds.
    pub(super) fn shows_failures(&self, record: &CircuitRecord, now: Timestamp) -> bool {
        self.thresholds().any(|(kind, threshold)| {
            may_be_over(&record.buckets, kind, threshold, self.window, now)
        })
    }

    /// Returns the weights of reports that follow from the record. With an empty record, every call is
    /// reported.
    pub(super) fn sampling(&self, record: &CircuitRecord, now: Timestamp) -> Sampling {
        let seconds = covered(&record.buckets, self.window, now).as_secs_f64();
        let all = Sample::of_either(&record.buckets, now, self.window);
        if all.calls <= EXACT * seconds.max(EXACT_OVER) {
            return Sampling::EVERY_CALL;
        }
        let is_near = self.shows_failures(record, now);
        let (calls, bad) = (all.calls / seconds, all.bad / seconds);
        let settled = self.settled_share_of_bad(record, now).unwrap_or(all.rate()) * calls;
        let bad_reports = if is_near { REPORTS_NEAR_THRESHOLD } else { BAD_REPORTS };
        let (least, most) = REPORTS_IN_OUTAGE;
        let weight = (settled / bad_reports).clamp(calls / most, calls / least).ceil().max(1.0);
        let good_reports = if is_near {
            REPORTS_NEAR_THRESHOLD
        } else {
            REPORTS - (settled / weight).min(BAD_REPORTS)
        };
        Sampling { good: whole(((calls - bad) / good_reports).ceil()), bad: whole(weight) }
    }

    /// Returns the share of bad calls before the last 8 s. `None` if the buckets cover less than 16 s.
    fn settled_share_of_bad(&self, record: &CircuitRecord, now: Timestamp) -> Option<f64> {
        let began = start_of(SETTLED, now);
        let settled: Vec<Bucket> =
            record.buckets.iter().filter(|bucket| bucket.at < began).copied().collect();
        let is_most = covered(&record.buckets, self.window, now) >= SETTLED * 2;
        is_most.then(|| Sample::of_either(&settled, now, self.window).rate())
    }

    /// Whether a rate is over its threshold, and the circuit is closed only because the quorum is not met,
    /// with `instance` among the instances that fail.
    pub(super) fn is_instance_local(
        &self,
        record: &CircuitRecord,
        instance: Instance,
        now: Timestamp,
    ) -> bool {
        let failures = self.last_failures(record, Some(instance), now);
        self.kind_over_threshold(&record.buckets, now).is_some()
            && !quorum::is_met(&failures, self.quorum)
    }

    #[inline]
    pub(super) fn slow_after(&self) -> Option<Duration> {
        self.slow.map(|slow| slow.after)
    }

    /// Returns the kinds of bad calls that the rule counts, with their thresholds.
    fn thresholds(&self) -> impl Iterator<Item = (Kind, f64)> {
        let slow = self.slow.map(|slow| (Kind::Slow, slow.rate));
        [(Kind::Failed, self.failures)].into_iter().chain(slow)
    }

    /// Returns the first kind of bad calls whose rate is over its threshold.
    fn kind_over_threshold(&self, buckets: &[Bucket], now: Timestamp) -> Option<Kind> {
        let window = (self.window, self.minimum_calls);
        self.thresholds()
            .find(|(kind, threshold)| is_over(buckets, *kind, *threshold, window, now))
            .map(|(kind, _)| kind)
    }

    /// Returns the last failure of as many instances as the quorum asks for. Empty if the quorum is 1.
    fn last_failures(
        &self,
        record: &CircuitRecord,
        failed: Option<Instance>,
        now: Timestamp,
    ) -> Vec<Failure> {
        let stays = |failure: &&Failure| {
            now.since(failure.at) < self.window && Some(failure.instance) != failed
        };
        let mut failures: Vec<Failure> = record.failures.iter().filter(stays).copied().collect();
        failures.extend(failed.map(|instance| Failure { at: now, instance }));
        let kept = if self.quorum > 1 { size(self.quorum) } else { 0 };
        failures.drain(..failures.len().saturating_sub(kept));
        failures
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a weight is within what a u32 holds; the cast saturates"
)]
fn whole(weight: f64) -> u32 {
    weight.clamp(1.0, 1_000_000.0) as u32
}
