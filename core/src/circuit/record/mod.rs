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

/// A circuit as it is stored: one record for the whole fleet, under 1 KB even when full.
///
/// The default is closed in epoch 0, changed at 0. An absent record means the same. Missing members
/// get their default; a `state` that is not known here makes the record corrupt.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct CircuitRecord {
    /// The state.
    pub state: CircuitState,
    /// A number that rises by one with every change of state.
    pub epoch: u64,
    /// When the state changed last. Reports are fenced by this time and the epoch.
    pub changed_at: Timestamp,
    /// Why the circuit is not closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// Until when calls are refused.
    pub open_until: Timestamp,
    /// How often the circuit opened without a long rest in between: the exponent of the open
    /// duration. Stored as `openings`.
    #[serde(rename = "openings")]
    pub consecutive_opens: u32,
    /// The failures that the count rule looks at, at most 16. For a rate rule with a quorum, the last
    /// failure of some instances.
    #[doc(hidden)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<Failure>,
    /// What the rate rule looks at, newest last.
    #[doc(hidden)]
    #[serde(with = "bucket::list", skip_serializing_if = "Vec::is_empty")]
    pub buckets: Vec<Bucket>,
    /// The probes under way in this half-open round, at most 4.
    #[doc(hidden)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub probes: Vec<Probe>,
    /// How many probes of this half-open round succeeded.
    #[doc(hidden)]
    #[serde(skip_serializing_if = "is_zero")]
    pub round_successes: u32,
    /// The last eight changes of state, oldest first.
    #[doc(hidden)]
    #[serde(with = "history::list", skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<Transition>,
    /// The override that an operator set. Once it expired it is without effect.
    #[serde(rename = "override", skip_serializing_if = "Option::is_none")]
    pub overridden: Option<Override>,
    /// Members of a newer version, kept when this one writes.
    #[doc(hidden)]
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

/// One counted failure, stored as `[at, instance]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(Timestamp, Instance)", into = "(Timestamp, Instance)")]
pub struct Failure {
    /// When it was counted.
    pub at: Timestamp,
    /// The instance whose call failed.
    pub instance: Instance,
}

/// The lease of one probe, stored as `[id, until]`, the id in hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "(String, Timestamp)", into = "(String, Timestamp)")]
pub struct Probe {
    /// The identity of the probe: random.
    pub id: WriteId,
    /// When the lease is over.
    pub until: Timestamp,
}

/// An operator's override, in force until it expires.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Override {
    /// What happens to calls.
    pub mode: OverrideMode,
    /// When the override ends.
    pub until: Timestamp,
    /// Who set it, in at most 64 bytes.
    #[serde(default)]
    pub by: String,
    /// Why, in at most 64 bytes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// What happens to calls under an override.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OverrideMode {
    /// Every call is refused.
    ForceOpen,
    /// Every call is admitted, and nothing is counted.
    Disabled,
}

impl CircuitRecord {
    /// The record as it is written: under 1 KB, because DynamoDB bills a write of more as two. What is only
    /// there to be shown gives way, the oldest transition first, the reason of an override last.
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

    /// The override that is in force at `now`.
    #[doc(hidden)]
    #[must_use]
    pub fn override_at(&self, now: Timestamp) -> Option<&Override> {
        self.overridden.as_ref().filter(|set| set.until > now)
    }
}

impl Override {
    /// An override by `by`, of whose name 64 bytes are kept.
    #[doc(hidden)]
    pub fn new(mode: OverrideMode, until: Timestamp, by: impl Into<String>) -> Self {
        Self { mode, until, by: shortened(by.into()), reason: String::new() }
    }

    /// The same override with the reason for it, of which 64 bytes are kept.
    #[doc(hidden)]
    #[must_use]
    pub fn because(self, reason: impl Into<String>) -> Self {
        Self { reason: shortened(reason.into()), ..self }
    }
}

impl Record for CircuitRecord {
    // What a breaker knows is seconds old anyway; a swap is judged on the current version.
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

/// The first 64 bytes, without half a character.
fn shortened(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(64));
    text
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde calls")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}
