//! The three changes of state. Each raises the epoch, and drops what was counted before.

use std::time::Duration;

use crate::{
    Timestamp,
    circuit::{Cause, CircuitPolicy, CircuitRecord, CircuitState},
};

/// Closed or half-open → open. The open duration is drawn once, here, for the whole fleet. It is at
/// least what the dependency asked for with the failure that opens the circuit.
pub(super) fn opened(
    record: &CircuitRecord,
    policy: &CircuitPolicy,
    (cause, retry_after): (Cause, Duration),
    now: Timestamp,
    chance: f64,
) -> CircuitRecord {
    // Twice the longest open duration without an opening: the next one is a new outage.
    let closed_for = now.since(record.changed_at);
    let starts_anew = record.state == CircuitState::Closed
        && closed_for >= policy.max_open_duration.saturating_mul(2);
    let consecutive_opens =
        if starts_anew { 1 } else { record.consecutive_opens.saturating_add(1) };
    let doubled = 2_u32.saturating_pow(consecutive_opens.saturating_sub(1).min(31));
    let open_duration = policy.open_duration.saturating_mul(doubled).min(policy.max_open_duration);
    // Up to a tenth less by chance, so that circuits that opened together do not probe together.
    let jitter = (open_duration / 10).mul_f64(1.0 - chance.clamp(0.0, 1.0));
    let open_duration = (open_duration - jitter).max(retry_after).min(policy.max_open_duration);
    let open_until = now + open_duration;
    CircuitRecord {
        consecutive_opens,
        open_until,
        ..into(CircuitState::Open, Some(cause), record, now)
    }
}

/// Open → half-open. The cause stays: it is still why calls are refused.
pub(super) fn half_opened(record: &CircuitRecord, now: Timestamp) -> CircuitRecord {
    into(CircuitState::HalfOpen, record.cause, record, now)
}

/// Half-open → closed.
pub(super) fn closed(record: &CircuitRecord, now: Timestamp) -> CircuitRecord {
    into(CircuitState::Closed, None, record, now)
}

fn into(
    state: CircuitState,
    cause: Option<Cause>,
    record: &CircuitRecord,
    now: Timestamp,
) -> CircuitRecord {
    CircuitRecord {
        state,
        // It wraps around: a corrupt epoch must not stay at the maximum for ever.
        epoch: record.epoch.wrapping_add(1),
        changed_at: now,
        cause,
        open_until: record.open_until,
        consecutive_opens: record.consecutive_opens,
        failures: Vec::new(),
        buckets: Vec::new(),
        probes: Vec::new(),
        round_successes: 0,
        overridden: record.overridden.clone(),
        unknown: record.unknown.clone(),
    }
}
