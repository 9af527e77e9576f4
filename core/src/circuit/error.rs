use std::time::Duration;

use super::{Cause, CircuitName, PolicyFault};
use crate::name::NameError;

/// A call was refused because the circuit is open.
///
/// Not generic, so that it can be found by walking [`source`](std::error::Error::source), and made
/// without an allocation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the circuit `{circuit}` is open, try again in {} ms", retry_after.as_millis())]
#[non_exhaustive]
pub struct CircuitOpen {
    /// The circuit that refused.
    pub circuit: CircuitName,
    /// When a call may be admitted again.
    pub retry_after: Duration,
    /// Why it refused.
    pub cause: Cause,
}

impl CircuitOpen {
    /// The refusal of `circuit`: for tests, and for whoever refuses in its name.
    #[must_use]
    pub fn new(circuit: CircuitName, retry_after: Duration, cause: Cause) -> Self {
        Self { circuit, retry_after, cause }
    }
}

/// What a call through a circuit can fail with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CircuitError<E> {
    /// The call was refused: nothing was sent.
    #[error("the call was refused")]
    Open(#[source] CircuitOpen),
    /// The call was admitted and the breaker ended it: it took longer than the call timeout or the
    /// invocation's deadline.
    #[error("the call was ended after {} ms", after.as_millis())]
    TimedOut {
        /// How long it was given.
        after: Duration,
    },
    /// The call was admitted and failed by itself.
    #[error(transparent)]
    Failed(E),
}

impl<E> From<CircuitOpen> for CircuitError<E> {
    fn from(open: CircuitOpen) -> Self {
        Self::Open(open)
    }
}

/// A breaker cannot be made: everything that is wrong, at once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the circuit cannot be configured: {}", list(name.as_ref(), policy))]
#[non_exhaustive]
pub struct CircuitConfigError {
    /// What is wrong with the name.
    pub name: Option<NameError>,
    /// What is wrong with the policy.
    pub policy: Vec<PolicyFault>,
}

fn list(name: Option<&NameError>, policy: &[PolicyFault]) -> String {
    let faults = policy.iter().map(PolicyFault::to_string);
    name.map(NameError::to_string).into_iter().chain(faults).collect::<Vec<_>>().join("; ")
}
