//! What a breaker counts. A call that passes costs one atomic addition, and none without a recorder.

use std::sync::OnceLock;

use metrics::{Counter, Gauge};

use super::CircuitBreaker;
use crate::{
    circuit::{CallOutcome, Cause, CircuitRecord, CircuitState, OverrideMode},
    metrics::{
        CIRCUIT_CALLS, CIRCUIT_REJECTED, CIRCUIT_STATE, CIRCUIT_TRANSITIONS, LabelValue, Series,
    },
};

/// The series of one circuit.
#[derive(Debug, Default)]
pub(super) struct CircuitSeries {
    success: Series,
    failure: Series,
    ignored: Series,
    slow: Series,
    timed_out: Series,
    rejected: [Series; CAUSES.len()],
    state: OnceLock<Gauge>,
}

/// The causes, in the order in which their series stand. The last one is for all that are not here.
const CAUSES: [Cause; 10] = [
    Cause::Failures,
    Cause::FailureRate,
    Cause::SlowCalls,
    Cause::ProbeFailed,
    Cause::Probing,
    Cause::InstanceLocal,
    Cause::Override,
    Cause::StoreDown,
    Cause::Stale,
    Cause::Unknown,
];

impl CircuitBreaker {
    /// A call has ended.
    #[inline]
    pub(super) fn count_call(&self, outcome: CallOutcome, is_slow: bool, has_timed_out: bool) {
        let series = &self.shared.series;
        let (series, label) = match outcome {
            _ if has_timed_out => (&series.timed_out, "timed_out"),
            CallOutcome::Neutral => (&series.ignored, "ignored"),
            outcome if outcome.is_failure() => (&series.failure, "failure"),
            _ if is_slow => (&series.slow, "slow"),
            _ => (&series.success, "success"),
        };
        series.increment(|| self.calls(label));
    }

    #[cold]
    fn calls(&self, outcome: &'static str) -> Counter {
        CIRCUIT_CALLS.counter([self.label(), outcome.into()])
    }

    /// A call was refused.
    #[inline]
    pub(super) fn count_refusal(&self, cause: Cause) {
        let place = CAUSES.iter().position(|known| *known == cause).unwrap_or(CAUSES.len() - 1);
        if let Some(series) = self.shared.series.rejected.get(place) {
            series.increment(|| CIRCUIT_REJECTED.counter([self.label(), cause.as_str().into()]));
        }
    }

    /// This process has changed the state, for the fleet or for itself while the store is down. A change that
    /// another one made is counted there.
    pub(super) fn count_transition(&self, old: &CircuitRecord, new: &CircuitRecord) {
        if old.state == new.state && old.epoch == new.epoch {
            return;
        }
        let cause = new.cause.map_or("none", Cause::as_str);
        let labels = [self.label(), new.state.as_str().into(), cause.into()];
        CIRCUIT_TRANSITIONS.counter(labels).increment(1);
    }

    /// The state as this process knows it. It is set with each refresh, so that a state that lasts is seen.
    pub(super) fn show_state(&self, record: &CircuitRecord) {
        let set = record.override_at(self.now());
        let is_held_open = set.is_some_and(|set| set.mode == OverrideMode::ForceOpen);
        let value = match record.state {
            _ if is_held_open => 2.0,
            CircuitState::Closed => 0.0,
            CircuitState::HalfOpen => 1.0,
            CircuitState::Open => 2.0,
        };
        self.shared.series.state.get_or_init(|| CIRCUIT_STATE.gauge([self.label()])).set(value);
    }

    fn label(&self) -> LabelValue {
        self.name().to_string().into()
    }
}
