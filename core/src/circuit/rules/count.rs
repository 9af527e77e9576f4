use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    quorum::{self, size},
    report::Report,
    verdict::Verdict,
};
use crate::{
    Timestamp,
    circuit::{
        Cause, CircuitRecord, Failure, Instance,
        policy::{fault::Faults, seconds},
    },
};

/// The most failures that a record holds, 16. With them a full record stays under 1 KB.
pub(super) const MOST_FAILURES: u32 = 16;

/// Opens the circuit at a number of failures within a window, however many calls there were.
///
/// The rule is exact, because the record holds the time of each failure. It suits a dependency that you
/// call rarely, such as a token endpoint. For a dependency that you call often, use a
/// [`RateRule`](super::RateRule).
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use funcify_core::circuit::{CircuitPolicy, CountRule};
///
/// // Five failures in a minute, from at least two instances.
/// let mut rule = CountRule::new(5, Duration::from_secs(60));
/// rule.quorum = 2;
/// let policy = CircuitPolicy::new(rule);
/// # let _ = policy;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct CountRule {
    /// The number of failures that opens the circuit: 1 to 16.
    pub failures: u32,
    /// How long each failure counts: 1 s to 24 h.
    #[serde(with = "seconds")]
    pub window: Duration,
    /// From how many instances the failures must come: 1 to `failures`. The default is 1.
    ///
    /// With a quorum, at most `failures + 1 - quorum` failures of one instance count. If the calls of an
    /// instance fail more often, the circuit opens for that instance alone.
    #[serde(default = "quorum::one")]
    pub quorum: u32,
}

impl CountRule {
    /// Creates a rule that opens the circuit at the `failures`-th failure within `window`. The quorum is 1.
    #[must_use]
    pub fn new(failures: u32, window: Duration) -> Self {
        Self { failures, window, quorum: 1 }
    }

    pub(super) fn add_faults(&self, faults: &mut Faults) {
        faults.check_count("rule.count.failures", self.failures, 1, MOST_FAILURES);
        faults.check_duration(
            "rule.count.window",
            self.window,
            Duration::from_secs(1),
            Faults::DAY,
        );
        // If `failures` is out of its range, it cannot limit the quorum.
        let most = if (1..=MOST_FAILURES).contains(&self.failures) {
            self.failures
        } else {
            MOST_FAILURES
        };
        faults.check_count("rule.count.quorum", self.quorum, 1, most);
    }

    /// Counts a failure. The circuit opens if there are enough failures, from enough instances.
    pub(super) fn count(
        &self,
        record: &CircuitRecord,
        report: &Report,
        now: Timestamp,
    ) -> Option<Verdict> {
        if !report.outcome.is_failure() {
            return None;
        }
        let mut failures = self.in_window(record, now);
        if quorum::failures_of(report.instance, &failures) >= self.places_of_one() {
            // The new failure replaces the oldest one of the same instance, and none of another one.
            let own = failures.iter().position(|failure| failure.instance == report.instance);
            own.map(|place| failures.remove(place));
        }
        failures.push(Failure { at: now, instance: report.instance });
        failures.drain(..failures.len().saturating_sub(size(MOST_FAILURES)));

        let opens = failures.len() >= size(self.failures) && quorum::is_met(&failures, self.quorum);
        Some(if opens {
            Verdict::Opens(Cause::Failures)
        } else {
            Verdict::Counted(CircuitRecord { failures, ..record.clone() })
        })
    }

    /// Whether the record contains a failure that still counts.
    pub(super) fn shows_failures(&self, record: &CircuitRecord, now: Timestamp) -> bool {
        record.failures.iter().any(|failure| now.since(failure.at) < self.window)
    }

    /// Returns the weight of a report. Successes are not reported.
    pub(super) fn weight(is_bad: bool) -> Option<u32> {
        is_bad.then_some(1)
    }

    /// Whether the record already contains as many failures of `instance` as may count for one instance.
    pub(super) fn is_instance_local(
        &self,
        record: &CircuitRecord,
        instance: Instance,
        now: Timestamp,
    ) -> bool {
        let failures = self.in_window(record, now);
        quorum::failures_of(instance, &failures) >= self.places_of_one()
    }

    /// Returns the failures that still count, oldest first.
    fn in_window(&self, record: &CircuitRecord, now: Timestamp) -> Vec<Failure> {
        let counts = |failure: &&Failure| now.since(failure.at) < self.window;
        record.failures.iter().filter(counts).copied().collect()
    }

    /// Returns how many failures of one instance may count. The other instances of the quorum need a place
    /// each.
    fn places_of_one(&self) -> usize {
        size((self.failures + 1).saturating_sub(self.quorum))
    }
}
