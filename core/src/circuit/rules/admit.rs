use crate::{
    Timestamp,
    circuit::{Cause, CircuitPolicy, CircuitRecord, CircuitState, OverrideMode, Probe},
};

use super::change;

/// Whether a call may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It may.
    Admitted,
    /// It may if it gets the [`lease`] of a probe.
    IfLeased,
    /// It may not.
    Refused {
        /// When to look again.
        until: Timestamp,
        /// Why.
        cause: Cause,
    },
}

/// Decides whether a call may pass.
///
/// An override dominates every state. Open refuses until its stand-down is over; from then on, and
/// while half-open, a call passes only as a probe, of which the fleet has `policy.probes` at most.
#[must_use]
pub fn admit(record: &CircuitRecord, policy: &CircuitPolicy, now: Timestamp) -> Admission {
    if let Some(order) = record.override_at(now) {
        return match order.mode {
            OverrideMode::Disabled => Admission::Admitted,
            OverrideMode::ForceOpen => {
                Admission::Refused { until: order.until, cause: Cause::Override }
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
            // The probe will probably be back long before its lease ends.
            Some(end) => {
                Admission::Refused { until: end.min(now + policy.suspect), cause: Cause::Probing }
            }
            None => Admission::IfLeased,
        },
    }
}

/// Takes the place of a probe, if one is free: the first probe makes an open circuit half-open.
#[must_use]
pub fn lease(
    record: &CircuitRecord,
    policy: &CircuitPolicy,
    probe: Probe,
    now: Timestamp,
) -> Option<CircuitRecord> {
    if admit(record, policy, now) != Admission::IfLeased || probe.until <= now {
        return None;
    }
    let mut next = match record.state {
        CircuitState::Open => change::half_opened(record, now),
        CircuitState::Closed | CircuitState::HalfOpen => record.clone(),
    };
    next.probes.retain(|other| other.until > now);
    next.probes.push(probe);
    Some(next)
}

/// When the first of the probes under way ends, if there is no place for another.
fn first_end_when_full(
    record: &CircuitRecord,
    policy: &CircuitPolicy,
    now: Timestamp,
) -> Option<Timestamp> {
    let standing = || record.probes.iter().filter(|probe| probe.until > now);
    let full = standing().count() >= usize::try_from(policy.probes).unwrap_or(usize::MAX);
    standing().map(|probe| probe.until).min().filter(|_| full)
}
