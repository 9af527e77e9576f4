use super::{
    change,
    report::{CallOutcome, Report},
    verdict::Verdict,
};
use crate::{
    Timestamp,
    circuit::{Cause, CircuitPolicy, CircuitRecord, CircuitState, Probe},
};

/// Counts the outcome of a call. `None` if it changes nothing.
///
/// `chance` is a draw from 0 to 1. It varies the open duration if this outcome opens the circuit.
#[must_use]
pub fn apply(
    record: &CircuitRecord,
    policy: &CircuitPolicy,
    report: &Report,
    now: Timestamp,
    chance: f64,
) -> Option<CircuitRecord> {
    let ignored = report.outcome == CallOutcome::Neutral || record.override_at(now).is_some();
    if ignored || !report.permit.is_valid(record, now) {
        return None;
    }
    match (record.state, report.permit.probe) {
        (CircuitState::Closed, None) => match policy.rule.count(record, report, now)? {
            Verdict::Counted(next) => Some(next),
            Verdict::Opens(cause) => {
                let why = (cause, report.outcome.retry_after());
                let by_now = (report.instance, now);
                Some(change::opened(record, policy, why, by_now, chance))
            }
        },
        (CircuitState::HalfOpen, Some(probe)) => {
            Some(probed(record, policy, (probe, report), now, chance))
        }
        // Such a call was admitted by an override, because its state admits no calls.
        _ => None,
    }
}

/// Counts the outcome of a probe. One failure opens the circuit. Enough successes, of any instances, close
/// it.
fn probed(
    record: &CircuitRecord,
    policy: &CircuitPolicy,
    (probe, report): (Probe, &Report),
    now: Timestamp,
    chance: f64,
) -> CircuitRecord {
    if report.is_bad() {
        let why = (Cause::ProbeFailed, report.outcome.retry_after());
        return change::opened(record, policy, why, (report.instance, now), chance);
    }
    let successes = record.round_successes.saturating_add(1);
    if successes >= policy.successes {
        return change::closed(record, report.instance, now);
    }
    let mut next = CircuitRecord { round_successes: successes, ..record.clone() };
    next.probes.retain(|other| other.id != probe.id && other.until > now);
    next
}
