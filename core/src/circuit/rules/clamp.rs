use std::time::Duration;

use crate::{
    Timestamp,
    circuit::{CircuitPolicy, CircuitRecord, Override},
};

/// How much longer a lease lasts than its call: the time to report. A report gets 500 ms; the rest is
/// room for the swap that takes the lease and for clocks that differ a little.
pub(crate) const REPORTING: Duration = Duration::from_secs(2);

/// An override ends after a week at the latest: a circuit that somebody forgot must not stay forced
/// for ever.
const LONGEST_OVERRIDE: Duration = Duration::from_secs(7 * 86_400);

/// What a record holds at most, so that it stays under 1 KB.
const MOST_FAILURES: usize = 16;
const MOST_BUCKETS: usize = 24;
const MOST_PROBES: usize = 4;

/// Lowers every stored time to the latest that a correct writer could have stored by `now`.
///
/// With it neither a wrong clock nor a corrupt record keeps anything for ever, if whoever reads the
/// same version again keeps the *first* result: clamped again at each read, a time would recede for
/// ever. `changed_at` stays as it is, because reports are fenced by it; the rules never take it for
/// later than now.
#[must_use]
pub fn clamp(record: CircuitRecord, policy: &CircuitPolicy, now: Timestamp) -> CircuitRecord {
    let mut record = record;
    let opened = record.changed_at.min(now);
    record.open_until = record.open_until.min(opened + policy.max_open_duration);
    let lease = now + policy.call_timeout + REPORTING;
    for probe in &mut record.probes {
        probe.until = probe.until.min(lease);
    }
    for failure in &mut record.failures {
        failure.at = failure.at.min(now);
    }
    for bucket in &mut record.buckets {
        bucket.at = bucket.at.min(now);
    }
    if let Some(set) = &mut record.overridden {
        set.until = set.until.min(now + LONGEST_OVERRIDE);
    }
    // More than a correct writer keeps is of no use to any rule: the newest stay.
    record.failures.sort_by_key(|failure| failure.at);
    record.failures.drain(..record.failures.len().saturating_sub(MOST_FAILURES));
    record.buckets.sort_by_key(|bucket| bucket.at);
    record.buckets.drain(..record.buckets.len().saturating_sub(MOST_BUCKETS));
    record.probes.sort_by_key(|probe| probe.until);
    record.probes.drain(..record.probes.len().saturating_sub(MOST_PROBES));
    record
}

/// Sets an operator's override, or clears it. The state below it stays as it is.
#[must_use]
pub fn set_override(record: &CircuitRecord, overridden: Option<Override>) -> CircuitRecord {
    CircuitRecord { overridden, ..record.clone() }
}
