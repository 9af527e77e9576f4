use crate::{
    Timestamp,
    circuit::{Cause, CircuitPolicy, CircuitRecord, CircuitState, Instance, Probe, Rule},
};

use super::{change, count, rate};

/// How a call went, as the circuit sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallOutcome {
    /// The dependency did its work.
    Success,
    /// The dependency failed.
    Failure,
    /// It says nothing about the dependency, as a bad request does not: it moves nothing.
    Neutral,
}

/// What a call was admitted by. Its report counts only while the record is still of that epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permit {
    /// The epoch of the record.
    pub epoch: u64,
    /// When the state of the record had changed, exactly as stored: after a flush epochs begin anew,
    /// this time does not.
    pub changed_at: Timestamp,
    /// The lease, if the call is a probe.
    pub probe: Option<Probe>,
}

/// The outcome of a call that was admitted, told to the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// What the call was admitted by.
    pub permit: Permit,
    /// How it went.
    pub outcome: CallOutcome,
    /// Whether it was slow by the policy's rule for slow calls.
    pub slow: bool,
    /// For how many calls the report stands; a count rule takes it for one.
    pub weight: u32,
    /// Who made the call.
    pub instance: Instance,
}

impl Permit {
    /// The permit that a call gets from `record`.
    #[must_use]
    pub fn of(record: &CircuitRecord, probe: Option<Probe>) -> Self {
        Self { epoch: record.epoch, changed_at: record.changed_at, probe }
    }

    /// Whether a report by this permit can still count on `record`.
    #[must_use]
    pub fn stands(&self, record: &CircuitRecord, now: Timestamp) -> bool {
        self.epoch == record.epoch
            && self.changed_at == record.changed_at
            && self.probe.is_none_or(|probe| stands(&probe, record, now))
    }
}

/// Counts the outcome of a call; `None` if it changes nothing.
///
/// `chance`, a draw from 0 to 1, spreads the end of the stand-down if this opens the circuit.
#[must_use]
pub fn apply(
    record: &CircuitRecord,
    policy: &CircuitPolicy,
    report: &Report,
    now: Timestamp,
    chance: f64,
) -> Option<CircuitRecord> {
    let silent = report.outcome == CallOutcome::Neutral || record.override_at(now).is_some();
    if silent || !report.permit.stands(record, now) {
        return None;
    }
    match (record.state, report.permit.probe) {
        (CircuitState::Closed, None) => match policy.rule {
            Rule::Count { failures, window } => {
                count::apply(record, policy, (failures, window), report, now, chance)
            }
            Rule::Rate { .. } => Some(rate::apply(record, policy, report, now, chance)),
        },
        (CircuitState::HalfOpen, Some(probe)) => {
            Some(probed(record, policy, (probe, report), now, chance))
        }
        // Only a permit under an override comes from a state that admits nobody.
        _ => None,
    }
}

/// The result of a probe: one failure opens, enough successes of anyone close.
fn probed(
    record: &CircuitRecord,
    policy: &CircuitPolicy,
    (probe, report): (Probe, &Report),
    now: Timestamp,
    chance: f64,
) -> CircuitRecord {
    let slow = report.slow && policy.slow_calls().is_some();
    if report.outcome == CallOutcome::Failure || slow {
        return change::opened(record, policy, Cause::ProbeFailed, now, chance);
    }
    let successes = record.round_successes.saturating_add(1);
    if successes >= policy.successes {
        return change::closed(record, now);
    }
    let mut next = CircuitRecord { round_successes: successes, ..record.clone() };
    next.probes.retain(|other| other.id != probe.id && other.until > now);
    next
}

/// Whether the lease of `probe` is in the record and not over, by either of the two.
fn stands(probe: &Probe, record: &CircuitRecord, now: Timestamp) -> bool {
    let stored = record.probes.iter().find(|other| other.id == probe.id);
    stored.is_some_and(|stored| stored.until.min(probe.until) > now)
}
