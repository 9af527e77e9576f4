//! The metrics of a breaker. An admitted call costs one atomic addition, and none without a recorder.

use std::sync::OnceLock;

use metrics::Gauge;

use crate::{
    Timestamp,
    circuit::{CallOutcome, Cause, CircuitRecord, CircuitState, OverrideMode},
    metrics::{CIRCUIT_CALLS, CIRCUIT_REJECTED, CIRCUIT_STATE, CIRCUIT_TRANSITIONS, Series},
    register::RecordName,
};

/// The metrics of one circuit.
#[derive(Debug, Default)]
pub(super) struct CircuitSeries {
    success: Series,
    failure: Series,
    ignored: Series,
    slow: Series,
    timed_out: Series,
    rejected: [Series; Cause::ALL.len()],
    state: OnceLock<Gauge>,
}

impl CircuitSeries {
    /// Counts a call that has ended.
    #[inline]
    pub(super) fn call(
        &self,
        name: &RecordName,
        outcome: CallOutcome,
        is_slow: bool,
        has_timed_out: bool,
    ) {
        let (series, label) = match outcome {
            _ if has_timed_out => (&self.timed_out, "timed_out"),
            CallOutcome::Neutral => (&self.ignored, "ignored"),
            outcome if outcome.is_failure() => (&self.failure, "failure"),
            _ if is_slow => (&self.slow, "slow"),
            _ => (&self.success, "success"),
        };
        series.increment(&CIRCUIT_CALLS, || [name.as_ref(), label]);
    }

    /// Counts a call that was refused.
    #[inline]
    pub(super) fn refusal(&self, name: &RecordName, cause: Cause) {
        let place =
            Cause::ALL.iter().position(|known| *known == cause).unwrap_or(Cause::ALL.len() - 1);
        if let Some(series) = self.rejected.get(place) {
            series.increment(&CIRCUIT_REJECTED, || [name.as_ref(), cause.as_str()]);
        }
    }

    /// Counts a change of state that this process has made, for the fleet, or for itself while the store is
    /// down. Each other process counts its own changes.
    pub(super) fn transition(name: &RecordName, old: &CircuitRecord, new: &CircuitRecord) {
        if old.state == new.state && old.epoch == new.epoch {
            return;
        }
        let cause = new.cause.map_or("none", Cause::as_str);
        CIRCUIT_TRANSITIONS.counter(&[name.as_ref(), new.state.as_str(), cause]).increment(1);
    }

    /// Sets the gauge to the state that this process knows. Each refresh sets it anew, so that a recorder
    /// sees a state that lasts.
    pub(super) fn state(&self, name: &RecordName, record: &CircuitRecord, now: Timestamp) {
        let set = record.override_at(now);
        let is_held_open = set.is_some_and(|set| set.mode == OverrideMode::ForceOpen);
        let value = match record.state {
            _ if is_held_open => 2.0,
            CircuitState::Closed => 0.0,
            CircuitState::HalfOpen => 1.0,
            CircuitState::Open => 2.0,
        };
        self.state.get_or_init(|| CIRCUIT_STATE.gauge(&[name.as_ref()])).set(value);
    }
}
