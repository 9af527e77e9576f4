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
    /// Calls are refused, except a few probes that find out whether calls succeed again.
    HalfOpen,
}

impl CircuitState {
    /// Returns the name of the state in records and metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

/// Why a circuit opened, or why it refused a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cause {
    /// There were too many failures within the window of a [`CountRule`](super::CountRule).
    Failures,
    /// Too large a share of the calls failed within the window of a [`RateRule`](super::RateRule).
    FailureRate,
    /// Too large a share of the calls was slow within the window of a [`RateRule`](super::RateRule).
    SlowCalls,
    /// A probe failed, so the circuit opened again.
    ProbeFailed,
    /// The circuit is half-open, and all of its probes are under way.
    Probing,
    /// Only the calls of this instance fail, so the circuit is open for this instance alone.
    #[serde(rename = "this_instance")]
    InstanceLocal,
    /// An operator forced the circuit open.
    Override,
    /// The store is down, and the policy has [`StoreDown::Refuse`](super::StoreDown::Refuse).
    StoreDown,
    /// The snapshot of this process is too old, and there was no time to refresh it.
    Stale,
    /// A newer version of funcify wrote a cause that this version does not know.
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

    /// Returns the name of the cause in records and metrics.
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
