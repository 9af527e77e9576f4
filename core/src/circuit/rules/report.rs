use std::time::Duration;

use crate::{
    Timestamp,
    circuit::{CircuitRecord, Instance, Probe},
};

/// What the outcome of a call means for the circuit.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use funcify_core::circuit::CallOutcome;
///
/// fn outcome(status: u16, retry_after: Option<Duration>) -> CallOutcome {
///     match (status, retry_after) {
///         (429 | 503, Some(time)) => CallOutcome::RetryAfter(time),
///         (429, _) | (500.., _) => CallOutcome::Failure,
///         (400..500, _) => CallOutcome::Neutral, // the request was wrong
///         _ => CallOutcome::Success,
///     }
/// }
///
/// assert_eq!(outcome(404, None), CallOutcome::Neutral);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallOutcome {
    /// The dependency worked.
    Success,
    /// The dependency failed.
    Failure,
    /// The dependency failed and asked for no calls for this time, such as by a 429 or 503 with
    /// `Retry-After` (RFC 9110, section 10.2.3).
    ///
    /// It counts as a failure. If it opens the circuit, the circuit stays open for at least this time, up to
    /// `max_open_duration`.
    RetryAfter(Duration),
    /// The outcome says nothing about the dependency, such as that of a bad request. It is not counted.
    Neutral,
}

impl CallOutcome {
    #[inline]
    pub(in crate::circuit) fn is_failure(self) -> bool {
        matches!(self, Self::Failure | Self::RetryAfter(_))
    }

    /// Returns for how long the dependency asked for no calls. Zero if it did not ask.
    pub(in crate::circuit) fn retry_after(self) -> Duration {
        match self {
            Self::RetryAfter(time) => time,
            Self::Success | Self::Failure | Self::Neutral => Duration::ZERO,
        }
    }
}

impl<T, E> From<&Result<T, E>> for CallOutcome {
    /// Every error is a [`Failure`](CallOutcome::Failure).
    fn from(result: &Result<T, E>) -> Self {
        if result.is_ok() { Self::Success } else { Self::Failure }
    }
}

/// The state by which a call was admitted. The report of the call counts only while the record is still in
/// the same epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permit {
    /// The epoch of the record by which the call was admitted.
    pub epoch: u64,
    /// When the state of the record had last changed, exactly as stored. After a flush of the store the
    /// epochs begin again, but this time does not repeat.
    pub changed_at: Timestamp,
    /// The lease, if the call is a probe.
    pub probe: Option<Probe>,
}

/// The outcome of an admitted call, to be counted on the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// The state by which the call was admitted.
    pub permit: Permit,
    /// The outcome of the call.
    pub outcome: CallOutcome,
    /// Whether the call was slow by the rule.
    pub slow: bool,
    /// How many calls the report represents. The count rule ignores it.
    pub weight: u32,
    /// The instance that made the call.
    pub instance: Instance,
}

impl Permit {
    /// Returns the permit that a call gets from `record`.
    #[must_use]
    pub fn of(record: &CircuitRecord, probe: Option<Probe>) -> Self {
        Self { epoch: record.epoch, changed_at: record.changed_at, probe }
    }

    /// Whether a report with this permit still counts on `record`.
    #[must_use]
    pub fn is_valid(&self, record: &CircuitRecord, now: Timestamp) -> bool {
        self.epoch == record.epoch
            && self.changed_at == record.changed_at
            && self.probe.is_none_or(|probe| is_held(&probe, record, now))
    }
}

impl Report {
    /// Whether the call failed or was slow.
    pub(in crate::circuit) fn is_bad(&self) -> bool {
        self.slow || self.outcome.is_failure()
    }
}

/// Whether the record contains the lease of `probe`, and the lease is not over by the end in the record or
/// by the end in `probe`.
fn is_held(probe: &Probe, record: &CircuitRecord, now: Timestamp) -> bool {
    let stored = record.probes.iter().find(|other| other.id == probe.id);
    stored.is_some_and(|stored| stored.until.min(probe.until) > now)
}
