use std::time::Duration;

use crate::{
    Timestamp,
    circuit::{CircuitPolicy, CircuitRecord, Override},
};

/// What a lease outlasts its call by: the time to report.
pub(crate) const REPORTING: Duration = Duration::from_secs(2);

/// An operator's order is in force for at most a week, whatever it says.
const LONGEST_ORDER: Duration = Duration::from_secs(7 * 86_400);

/// Lowers every stored time to the latest that an honest writer could have stored by `now`.
///
/// A skewed clock or a damaged record then makes nothing immortal, as long as whoever reads the same
/// version again keeps the *first* result: clamped anew at each look, a time would recede for ever.
/// `changed_at` stays as it is, because reports are fenced by it; the rules never take it for later
/// than now.
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
    if let Some(order) = &mut record.overridden {
        order.until = order.until.min(now + LONGEST_ORDER);
    }
    // More than an honest writer keeps is of no use to any rule: the newest stay.
    record.failures.sort_by_key(|failure| failure.at);
    record.failures.drain(..record.failures.len().saturating_sub(16));
    record.buckets.sort_by_key(|bucket| bucket.at);
    record.buckets.drain(..record.buckets.len().saturating_sub(24));
    record.probes.sort_by_key(|probe| probe.until);
    record.probes.drain(..record.probes.len().saturating_sub(4));
    record
}

/// Sets an operator's override, or clears it. The state below it stays as it is.
#[must_use]
pub fn order(record: &CircuitRecord, order: Option<Override>) -> CircuitRecord {
    CircuitRecord { overridden: order, ..record.clone() }
}
