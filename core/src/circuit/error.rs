use std::time::Duration;

use super::{Cause, policy::fault::PolicyFault};
use crate::register::{NameError, RecordName};

/// A call was refused because the circuit is open.
///
/// It is not generic, so that you can find it by following [`source`](std::error::Error::source). It
/// is created without an allocation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the circuit `{circuit}` is open, try again in {} ms", retry_after.as_millis())]
#[non_exhaustive]
pub struct CircuitOpen {
    /// The circuit that refused.
    pub circuit: RecordName,
    /// After how long a call may be admitted again.
    pub retry_after: Duration,
    /// Why it refused.
    pub cause: Cause,
}

impl CircuitOpen {
    /// The refusal of `circuit`, for tests.
    #[doc(hidden)]
    #[must_use]
    pub fn new(circuit: RecordName, retry_after: Duration, cause: Cause) -> Self {
        Self { circuit, retry_after, cause }
    }
}

/// Why a call through a circuit failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CircuitError<E> {
    /// The call was refused; nothing was sent.
    #[error("the call was refused")]
    Open(#[source] CircuitOpen),
    /// The breaker ended the call: it took longer than the call timeout, or than the invocation's
    /// deadline allows.
    #[error("the call was ended after {} ms", after.as_millis())]
    TimedOut {
        /// How long the call was given.
        after: Duration,
    },
    /// The call failed with its own error.
    #[error(transparent)]
    Failed(E),
}

impl<E> From<CircuitOpen> for CircuitError<E> {
    fn from(open: CircuitOpen) -> Self {
        Self::Open(open)
    }
}

/// The name or the policy of a circuit is wrong. The message lists everything that is, at once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the circuit cannot be configured: {}", list(name.as_ref(), policy))]
pub struct CircuitConfigError {
    name: Option<NameError>,
    policy: Vec<PolicyFault>,
}

impl CircuitConfigError {
    pub(super) fn new(name: Option<NameError>, policy: Vec<PolicyFault>) -> Self {
        Self { name, policy }
    }
}

fn list(name: Option<&NameError>, policy: &[PolicyFault]) -> String {
    let faults = policy.iter().map(PolicyFault::to_string);
    name.map(NameError::to_string).into_iter().chain(faults).collect::<Vec<_>>().join("; ")
}
