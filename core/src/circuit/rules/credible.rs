use std::time::Duration;

use crate::{
    Timestamp,
    circuit::{CircuitPolicy, CircuitRecord},
    stored_time::{is_credible_end, is_credible_past},
};

/// How much longer a lease lasts than its call, 2 s. A report takes at most 500 ms. The rest is for the
/// swap that takes the lease, and for clocks that differ a little.
pub(crate) const REPORTING: Duration = Duration::from_secs(2);

/// The longest override, a week, so that a forgotten override does not stay in force for ever.
pub(crate) const LONGEST_OVERRIDE: Duration = Duration::from_secs(7 * 86_400);

/// How much a record holds at most, so that it stays under 1 KB.
const MOST_FAILURES: usize = 16;
const MOST_BUCKETS: usize = 24;
const MOST_PROBES: usize = 4;

/// Returns the record without the times that no process with a correct clock could have stored by `now`.
/// The module `stored_time` explains the rule. An open duration, an override or a lease that ends too late
/// counts as over, and a failure in the future does not count.
///
/// `changed_at` is not changed, because the reports of calls are compared with it. Every rule treats a
/// `changed_at` in the future like one of `now`.
#[must_use]
pub fn credible(record: CircuitRecord, policy: &CircuitPolicy, now: Timestamp) -> CircuitRecord {
    let mut record = record;
    if !is_credible_end(record.open_until, policy.max_open_duration, now) {
        record.open_until = Timestamp::EPOCH;
    }
    // An open duration began when the state changed, so it cannot end later than this.
    record.open_until = record.open_until.min(record.changed_at + policy.max_open_duration);
    let lease = policy.call_timeout + REPORTING;
    record.probes.retain(|probe| is_credible_end(probe.until, lease, now));
    record.failures.retain(|failure| is_credible_past(failure.at, now));
    record.buckets.retain(|bucket| is_credible_past(bucket.at, now));
    record.overridden = record
        .overridden
        .filter(|overridden| is_credible_end(overridden.until, LONGEST_OVERRIDE, now));
    // No rule needs more than a correct writer keeps. The newest are kept.
    record.failures.sort_by_key(|failure| failure.at);
    record.failures.drain(..record.failures.len().saturating_sub(MOST_FAILURES));
    record.buckets.sort_by_key(|bucket| bucket.at);
    record.buckets.drain(..record.buckets.len().saturating_sub(MOST_BUCKETS));
    record.probes.sort_by_key(|probe| probe.until);
    record.probes.drain(..record.probes.len().saturating_sub(MOST_PROBES));
    record
}
