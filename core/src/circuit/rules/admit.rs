use std::time::Duration;

use super::change;
use crate::{
    Timestamp,
    circuit::{Cause, CircuitPolicy, CircuitRecord, CircuitState, Instance, OverrideMode, Probe},
};

/// How often an instance looks at the record of a circuit that refuses, at the shortest.
const OPEN_REFRESH: Duration = Duration::from_secs(5);

/// Whether a call may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// The call may pass.
    Admitted,
    /// The call may pass if it gets the [`lease`] of a probe.
    IfLeased,
    /// The call may not pass.
    Refused {
        /// When to ask again.
        until: Timestamp,
        /// Why.
        cause: Cause,
    },
}

/// Decides whether a call may pass.
///
/// An override comes before every state. An open circuit refuses until its open duration is over.
/// From then on, and while it is half-open, a call passes only as a probe, of which the fleet has at
/// most `policy.probes` at a time.
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
            // The probe will probably be back long before its lease ends. A slow one is looked for less
            // and less often, so that the refused calls do not wear out the store.
            Some(end) => {
                let waited = now.since(record.changed_at).min(open_refresh(policy));
                let look = waited.max(policy.snapshot_ttl_after_failure);
                Admission::Refused { until: end.min(now + look), cause: Cause::Probing }
            }
            None => Admission::IfLeased,
        },
    }
}

/// Takes a place for a probe, if one is free. The first probe makes an open circuit half-open; `by` is
/// the instance that takes the place.
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

/// How long an instance goes by what it knows of a circuit that refuses: 5 s, or as long as by what it
/// knows of a healthy one.
#[must_use]
pub(in crate::circuit) fn open_refresh(policy: &CircuitPolicy) -> Duration {
    policy.snapshot_ttl.max(OPEN_REFRESH)
}

/// When the first of the probes under way ends, if there is no place for another.
fn first_end_when_full(
    record: &CircuitRecord,
    policy: &CircuitPolicy,
    now: Timestamp,
) -> Option<Timestamp> {
    let under_way = || record.probes.iter().filter(|probe| probe.until > now);
    let is_full = under_way().count() >= usize::try_from(policy.probes).unwrap_or(usize::MAX);
    under_way().map(|probe| probe.until).min().filter(|_| is_full)
}
