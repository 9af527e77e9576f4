//! The record, as three versions of a program would store it.

use std::time::Duration;

use funcify::Timestamp;
use funcify::register::{Record, RecordKind};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

const QUOTA: RecordKind = RecordKind::new("quota");

/// How much of a quota the fleet has used.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Quota {
    pub(super) used: u64,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

impl Quota {
    pub(super) fn of(used: u64) -> Self {
        Self { used, unknown: Map::new() }
    }
}

impl Record for Quota {
    const KIND: RecordKind = QUOTA;

    fn keep_for(&self, _now: Timestamp) -> Duration {
        Duration::from_secs(3_600)
    }
}

/// The same record in a version that knows one member more.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct NewerQuota {
    pub(super) used: u64,
    pub(super) owner: Value,
}

impl Record for NewerQuota {
    const KIND: RecordKind = QUOTA;

    fn keep_for(&self, _now: Timestamp) -> Duration {
        Duration::from_secs(3_600)
    }
}

/// The same record in a form that no other version can read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct UnreadableQuota {
    pub(super) used: String,
}

impl Record for UnreadableQuota {
    const KIND: RecordKind = QUOTA;

    fn keep_for(&self, _now: Timestamp) -> Duration {
        Duration::from_secs(3_600)
    }
}
