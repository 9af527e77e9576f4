use serde::{Deserialize, Serialize};

/// The state of a circuit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CircuitState {
    /// Calls are admitted.
    #[default]
    Closed,
    /// Calls are refused until the open duration is over.
    Open,
    /// A few probes find out whether calls succeed again.
    HalfOpen,
}

impl CircuitState {
    /// Its name in records and metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

/// Why calls are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cause {
    /// The count rule counted too many failures within its window.
    Failures,
    /// Too large a share of the calls failed.
    FailureRate,
    /// Too large a share of the calls was slow.
    SlowCalls,
    /// A probe failed.
    ProbeFailed,
    /// The probes that are under way decide first.
    Probing,
    /// Only this instance fails: the circuit is open for this instance alone.
    #[serde(rename = "this_instance")]
    InstanceLocal,
    /// An operator forced the circuit open.
    Override,
    /// The store is down, and the policy says to refuse calls then.
    StoreDown,
    /// The snapshot of the circuit is old, and there was no time to refresh it.
    Stale,
    /// A cause of a newer version.
    #[serde(other)]
    Unknown,
}

impl Cause {
    /// All causes, `Unknown` last.
    pub(crate) const ALL: [Self; 10] = [
        Self::Failures,
        Self::FailureRate,
        Self::SlowCalls,
        Self::ProbeFailed,
        Self::Probing,
        Self::InstanceLocal,
        Self::Override,
        Self::StoreDown,
        Self::Stale,
        Self::Unknown,
    ];

    /// Its name in records and metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Failures => "failures",
            Self::FailureRate => "failure_rate",
            Self::SlowCalls => "slow_calls",
            Self::ProbeFailed => "probe_failed",
            Self::Probing => "probing",
            Self::InstanceLocal => "this_instance",
            Self::Override => "override",
            Self::StoreDown => "store_down",
            Self::Stale => "stale",
            Self::Unknown => "unknown",
        }
    }
}
