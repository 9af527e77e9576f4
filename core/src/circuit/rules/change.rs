//! The changes of state. Each of them raises the epoch and drops what was counted before.

use std::time::Duration;

use crate::{
    Timestamp,
    circuit::{Cause, CircuitPolicy, CircuitRecord, CircuitState, Instance, Transition, history},
};

/// Closed or half-open → open. The open duration is drawn here, once for the whole fleet. If the failure
/// that opens the circuit had a `Retry-After`, the duration is at least that long, up to
/// `max_open_duration`.
pub(super) fn opened(
    record: &CircuitRecord,
    policy: &CircuitPolicy,
    (cause, retry_after): (Cause, Duration),
    (by, now): (Instance, Timestamp),
    chance: f64,
) -> CircuitRecord {
    // If the circuit was closed for twice the longest open duration, this is a new outage.
    let closed_for = now.since(record.changed_at);
    let starts_anew = record.state == CircuitState::Closed
        && closed_for >= policy.max_open_duration.saturating_mul(2);
    let consecutive_opens =
        if starts_anew { 1 } else { record.consecutive_opens.saturating_add(1) };
    let doubled = 2_u32.saturating_pow(consecutive_opens.saturating_sub(1).min(31));
    let open_duration = policy.open_duration.saturating_mul(doubled).min(policy.max_open_duration);
    // Subtract up to a tenth at random, so that circuits that opened together do not probe together.
    let jitter = (open_duration / 10).mul_f64(1.0 - chance.clamp(0.0, 1.0));
    let open_duration = (open_duration - jitter).max(retry_after).min(policy.max_open_duration);
    let open_until = now + open_duration;
    CircuitRecord {
        consecutive_opens,
        open_until,
        ..into(CircuitState::Open, Some(cause), record, (by, now))
    }
}

/// Open → half-open. The cause stays, because calls are still refused for it.
pub(super) fn half_opened(record: &CircuitRecord, by: Instance, now: Timestamp) -> CircuitRecord {
    into(CircuitState::HalfOpen, record.cause, record, (by, now))
}

/// Half-open → closed, because probes succeeded.
pub(super) fn closed(record: &CircuitRecord, by: Instance, now: Timestamp) -> CircuitRecord {
    into(CircuitState::Closed, None, record, (by, now))
}

/// Open or half-open → closed, by an operator.
pub(super) fn closed_by_operator(
    record: &CircuitRecord,
    by: Instance,
    now: Timestamp,
) -> CircuitRecord {
    let mut closed = closed(record, by, now);
    if let Some(transition) = closed.history.last_mut() {
        transition.cause = Some(Cause::Override);
    }
    closed
}

fn into(
    state: CircuitState,
    cause: Option<Cause>,
    record: &CircuitRecord,
    (by, now): (Instance, Timestamp),
) -> CircuitRecord {
    let transition = Transition { at: now, to: state, cause, instance: by };
    CircuitRecord {
        state,
        // Wrap around, because a corrupt epoch must not stay at the maximum for ever.
        epoch: record.epoch.wrapping_add(1),
        changed_at: now,
        cause,
        open_until: record.open_until,
        consecutive_opens: record.consecutive_opens,
        failures: Vec::new(),
        buckets: Vec::new(),
        probes: Vec::new(),
        round_successes: 0,
        history: history::followed_by(&record.history, transition),
        overridden: record.overridden.clone(),
        unknown: record.unknown.clone(),
    }
}
