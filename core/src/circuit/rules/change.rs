//! The three changes of state. Each raises the epoch, and what was counted before counts no more.

use crate::{
    Timestamp,
    circuit::{Cause, CircuitPolicy, CircuitRecord, CircuitState},
};

/// Closed or half-open → open, for a stand-down that is drawn once, here, for the whole fleet.
pub(super) fn opened(
    record: &CircuitRecord,
    policy: &CircuitPolicy,
    cause: Cause,
    now: Timestamp,
    chance: f64,
) -> CircuitRecord {
    let rest = now.since(record.changed_at);
    let rested =
        record.state == CircuitState::Closed && rest >= policy.max_open_duration.saturating_mul(2);
    let openings = if rested { 1 } else { record.openings.saturating_add(1) };
    let doubled = 2_u32.saturating_pow(openings.saturating_sub(1).min(31));
    let open_duration = policy.open_duration.saturating_mul(doubled).min(policy.max_open_duration);
    // A tenth of it by chance, in whole milliseconds as they are stored.
    let jitter = (open_duration / 10).mul_f64(1.0 - chance.clamp(0.0, 1.0));
    let open_until = now + (open_duration - jitter);
    CircuitRecord { openings, open_until, ..into(CircuitState::Open, Some(cause), record, now) }
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
        // Around, not up to the end: a damaged epoch must not stick there.
        epoch: record.epoch.wrapping_add(1),
        changed_at: now,
        cause,
        open_until: record.open_until,
        openings: record.openings,
        failures: Vec::new(),
        buckets: Vec::new(),
        probes: Vec::new(),
        round_successes: 0,
        overridden: record.overridden.clone(),
        unknown: record.unknown.clone(),
    }
}
