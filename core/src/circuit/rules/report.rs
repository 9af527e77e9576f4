use std::time::Duration;

use crate::{
    Timestamp,
    circuit::{CircuitRecord, Instance, Probe},
};

/// How a call went, as the circuit sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallOutcome {
    /// The dependency did its work.
    Success,
    /// The dependency failed.
    Failure,
    /// The dependency failed, and said how long to leave it alone, as a 429 or a 503 does with
    /// `Retry-After`. It counts as a failure. If it opens the circuit, the circuit stays open for at
    /// least this long, but not longer than `max_open_duration`.
    RetryAfter(Duration),
    /// The result says nothing about the dependency, as with a bad request. It changes nothing.
    Neutral,
}

impl CallOutcome {
    #[inline]
    pub(in crate::circuit) fn is_failure(self) -> bool {
        matches!(self, Self::Failure | Self::RetryAfter(_))
    }

    /// How long the dependency asked to be left alone.
    pub(in crate::circuit) fn retry_after(self) -> Duration {
        match self {
            Self::RetryAfter(time) => time,
            Self::Success | Self::Failure | Self::Neutral => Duration::ZERO,
        }
    }
}

impl<T, E> From<&Result<T, E>> for CallOutcome {
    /// The outcome of a result of which every error is a failure of the dependency.
    fn from(result: &Result<T, E>) -> Self {
        if result.is_ok() { Self::Success } else { Self::Failure }
    }
}

/// What a call was admitted by. Its report counts only while the record is still in that epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permit {
    /// The epoch of the record.
    pub epoch: u64,
    /// When the state of the record had changed, exactly as stored. A flush of the store restarts
    /// the epochs, but it does not repeat this time.
    pub changed_at: Timestamp,
    /// The lease, if the call is a probe.
    pub probe: Option<Probe>,
}

/// The outcome of an admitted call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// What the call was admitted by.
    pub permit: Permit,
    /// How the call went.
    pub outcome: CallOutcome,
    /// Whether the call was slow by the rule.
    pub slow: bool,
    /// For how many calls the report counts. A count rule counts it once.
    pub weight: u32,
    /// The instance that made the call.
    pub instance: Instance,
}

impl Permit {
    /// The permit that a call gets from `record`.
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

/// Whether the record holds the lease of `probe`, and neither of the two says that it is over.
fn is_held(probe: &Probe, record: &CircuitRecord, now: Timestamp) -> bool {
    let stored = record.probes.iter().find(|other| other.id == probe.id);
    stored.is_some_and(|stored| stored.until.min(probe.until) > now)
}
