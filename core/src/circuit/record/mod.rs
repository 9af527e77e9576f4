#[cfg(test)]
mod tests;

use std::{borrow::Cow, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Bucket, Cause, CircuitState, Instance, Transition, bucket, history};
use crate::{
    Timestamp,
    register::{Record, RecordKind, WriteId},
};

/// A circuit as it is stored: one record for the whole fleet, always under 1 KB.
///
/// The default is a circuit that is closed, in epoch 0, and was changed at the Unix epoch. An absent
/// record means the same. A missing member has its default value. A `state` that this version does not
/// know makes the record corrupt.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct CircuitRecord {
    /// The state.
    pub state: CircuitState,
    /// A number that rises by one with every change of state.
    pub epoch: u64,
    /// When the state changed last. The report of a call counts only if this time and the epoch are still
    /// those with which the call was admitted.
    pub changed_at: Timestamp,
    /// Why the circuit opened. `None` if it is closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// When the open duration ends. After this time, an open circuit admits probes.
    pub open_until: Timestamp,
    /// How often the circuit has opened without being closed for a long time in between. Each time doubles
    /// the open duration. The record stores it as `openings`.
    #[serde(rename = "openings")]
    pub consecutive_opens: u32,
    /// The failures that the count rule counts, at most 16. For a rate rule with a quorum, the last failure
    /// of as many instances as the quorum asks for.
    #[doc(hidden)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<Failure>,
    /// What the rate rule counts, newest last.
    #[doc(hidden)]
    #[serde(with = "bucket::list", skip_serializing_if = "Vec::is_empty")]
    pub buckets: Vec<Bucket>,
    /// The leases of the probes that are under way, at most 4.
    #[doc(hidden)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub probes: Vec<Probe>,
    /// How many probes have succeeded since the circuit became half-open.
    #[doc(hidden)]
    #[serde(skip_serializing_if = "is_zero")]
    pub round_successes: u32,
    /// The last eight changes of state, oldest first.
    #[doc(hidden)]
    #[serde(with = "history::list", skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<Transition>,
    /// The override that an operator has set. It may have expired, and has no effect then.
    #[serde(rename = "override", skip_serializing_if = "Option::is_none")]
    pub overridden: Option<Override>,
    /// Members that a newer version of funcify has written. They are kept when this version writes.
    #[doc(hidden)]
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

/// One counted failure, stored as `[at, instance]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(Timestamp, Instance)", into = "(Timestamp, Instance)")]
pub struct Failure {
    /// When the failure was counted.
    pub at: Timestamp,
    /// The instance whose call failed.
    pub instance: Instance,
}

/// The lease of one probe, stored as `[id, until]` with the id in hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "(String, Timestamp)", into = "(String, Timestamp)")]
pub struct Probe {
    /// The random id of the probe.
    pub id: WriteId,
    /// When the lease ends.
    pub until: Timestamp,
}

/// An override that an operator has set. It is in force until it expires.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Override {
    /// What happens to calls.
    pub mode: OverrideMode,
    /// When the override ends.
    pub until: Timestamp,
    /// Who set the override, in at most 64 bytes. May be empty.
    #[serde(default)]
    pub by: String,
    /// Why the override was set, in at most 64 bytes. May be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// What happens to calls under an override.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OverrideMode {
    /// Every call is refused.
    ForceOpen,
    /// Every call is admitted, and no outcome is counted.
    Disabled,
}

impl CircuitRecord {
    /// Returns the record as it is written: under 1 KB, because DynamoDB bills a larger write as two. If it
    /// would be larger, members that are only shown to people are left out: first the oldest transitions of
    /// the history, and last the reason of an override.
    pub(super) fn for_store(&self) -> Cow<'_, Self> {
        let mut record = Cow::Borrowed(self);
        while !fits(&record) {
            let record = record.to_mut();
            match &mut record.overridden {
                _ if !record.history.is_empty() => drop(record.history.remove(0)),
                Some(set) if !set.reason.is_empty() => set.reason.clear(),
                _ => break,
            }
        }
        record
    }

    /// Returns the override that is in force at `now`.
    #[doc(hidden)]
    #[must_use]
    pub fn override_at(&self, now: Timestamp) -> Option<&Override> {
        self.overridden.as_ref().filter(|set| set.until > now)
    }
}

impl Override {
    /// Creates an override that `by` sets. At most 64 bytes of the name are kept.
    #[doc(hidden)]
    pub fn new(mode: OverrideMode, until: Timestamp, by: impl Into<String>) -> Self {
        Self { mode, until, by: shortened(by.into()), reason: String::new() }
    }

    /// Returns the same override with a reason. At most 64 bytes of the reason are kept.
    #[doc(hidden)]
    #[must_use]
    pub fn because(self, reason: impl Into<String>) -> Self {
        Self { reason: shortened(reason.into()), ..self }
    }
}

impl Record for CircuitRecord {
    // A snapshot may be seconds old anyway, and a swap compares with the current version.
    const KIND: RecordKind = {
        let mut kind = RecordKind::new("circuit");
        kind.stale_reads = true;
        kind
    };

    fn keep_for(&self, now: Timestamp) -> Duration {
        let overridden = self.overridden.as_ref().map_or(Timestamp::EPOCH, |set| set.until);
        let needed = self.open_until.max(overridden).since(now);
        // A corrupt time must not make a store keep the record for ever.
        needed.min(Duration::from_secs(86_400 * 366)) + Duration::from_secs(86_400)
    }
}

impl From<(Timestamp, Instance)> for Failure {
    fn from((at, instance): (Timestamp, Instance)) -> Self {
        Self { at, instance }
    }
}

impl From<Failure> for (Timestamp, Instance) {
    fn from(Failure { at, instance }: Failure) -> Self {
        (at, instance)
    }
}

impl TryFrom<(String, Timestamp)> for Probe {
    type Error = &'static str;

    fn try_from((id, until): (String, Timestamp)) -> Result<Self, Self::Error> {
        let id = id.parse().map_err(|_| "expected 32 hexadecimal digits")?;
        Ok(Self { id, until })
    }
}

impl From<Probe> for (String, Timestamp) {
    fn from(Probe { id, until }: Probe) -> Self {
        (id.to_string(), until)
    }
}

/// Whether the record takes less than 1 KB.
fn fits(record: &CircuitRecord) -> bool {
    serde_json::to_string(record).is_ok_and(|text| text.len() < 1_024)
}

/// Returns at most the first 64 bytes, cut between two characters.
fn shortened(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(64));
    text
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde calls")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}
