use std::time::Duration;

use super::change;
use crate::{
    Timestamp,
    circuit::{Cause, CircuitPolicy, CircuitRecord, CircuitState, Instance, OverrideMode, Probe},
};

/// The shortest time after which an instance reads the record of an open circuit again, 5 s. Refused calls
/// do not need a fresher record.
const OPEN_REFRESH: Duration = Duration::from_secs(5);

/// Whether a call may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// The call may pass.
    Admitted,
    /// The call may pass as a probe, if it gets a [`lease`].
    IfLeased,
    /// The call may not pass.
    Refused {
        /// When to ask again.
        until: Timestamp,
        /// Why the call may not pass.
        cause: Cause,
    },
}

/// Decides whether a call may pass.
///
/// An override takes precedence over every state. An open circuit refuses calls until its open duration
/// is over. After that, and while the circuit is half-open, a call passes only as a probe. The fleet has
/// at most `policy.probes` probes at a time.
#[must_use]
pub fn admit(record: &CircuitRecord, policy: &CircuitPolicy, now: Timestamp) -> Admission {
    if let Some(set) = record.override_at(now) {
        return match set.mode {
            OverrideMode::Disabled => Admission::Admitted,
            OverrideMode::ForceOpen => {
                Admission::Refused { until: set.until, cause: Cause::Override }
            }
        };
    }
    match record.state {
        CircuitState::Closed => Admission::Admitted,
        CircuitState::Open if now < record.open_until => Admission::Refused {
            until: record.open_until,
            cause: record.cause.unwrap_or(Cause::Unknown),
        },
        CircuitState::Open => Admission::IfLeased,
        CircuitState::HalfOpen => match first_end_when_full(record, policy, now) {
            // A probe usually ends long before its lease. The longer it takes, the less often the record
            // is read again, so that refused calls do not overload the store.
            Some(end) => {
                let waited = now.since(record.changed_at).min(open_refresh(policy));
                let look = waited.max(policy.snapshot_ttl_after_failure);
                Admission::Refused { until: end.min(now + look), cause: Cause::Probing }
            }
            None => Admission::IfLeased,
        },
    }
}

/// Takes a place for a probe if one is free. The first probe makes an open circuit half-open. `by` is the
/// instance that takes the place.
#[must_use]
pub fn lease(
    record: &CircuitRecord,
    policy: &CircuitPolicy,
    probe: Probe,
    by: Instance,
    now: Timestamp,
) -> Option<CircuitRecord> {
    if admit(record, policy, now) != Admission::IfLeased || probe.until <= now {
        return None;
    }
    let mut next = match record.state {
        CircuitState::Open => change::half_opened(record, by, now),
        CircuitState::Closed | CircuitState::HalfOpen => record.clone(),
    };
    next.probes.retain(|other| other.until > now);
    next.probes.push(probe);
    Some(next)
}

/// Returns how long an instance uses its snapshot of an open circuit: 5 s, or `snapshot_ttl` if that is
/// longer.
#[must_use]
pub(in crate::circuit) fn open_refresh(policy: &CircuitPolicy) -> Duration {
    policy.snapshot_ttl.max(OPEN_REFRESH)
}

/// Returns when the first lease of the probes under way ends. `None` if there is a place for another
/// probe.
fn first_end_when_full(
    record: &CircuitRecord,
    policy: &CircuitPolicy,
    now: Timestamp,
) -> Option<Timestamp> {
    let under_way = || record.probes.iter().filter(|probe| probe.until > now);
    let is_full = under_way().count() >= usize::try_from(policy.probes).unwrap_or(usize::MAX);
    under_way().map(|probe| probe.until).min().filter(|_| is_full)
}
