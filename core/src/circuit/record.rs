use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Timestamp, register::Record};

/// The state of a circuit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CircuitState {
    /// Calls are admitted.
    #[default]
    Closed,
    /// Calls are refused until the stand-down is over.
    Open,
    /// A few probes find out whether calls succeed again.
    HalfOpen,
}

/// A circuit as it is stored. The default, Closed in epoch 0, is what an absent record stands for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CircuitRecord {
    /// The state.
    pub state: CircuitState,
    /// One more with every change of state.
    pub epoch: u64,
    /// Until when calls are refused.
    #[serde(default)]
    pub open_until: Timestamp,
    /// Members of a newer version, kept when this one writes.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

impl Record for CircuitRecord {
    fn keep_for(&self, now: Timestamp) -> Duration {
        let needed = self.open_until.max(now).since(now);
        // A damaged time must not make a store keep the record for ever.
        needed.min(Duration::from_secs(86_400 * 366)) + Duration::from_secs(86_400)
    }
}
