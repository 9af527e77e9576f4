use std::time::Duration;

use super::CircuitName;

/// A call was refused because the circuit is open.
///
/// Not generic, so that it can be found by walking [`source`](std::error::Error::source), and made
/// without an allocation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the circuit `{circuit}` is open, try again in {} ms", retry_after.as_millis())]
pub struct Open {
    /// The circuit that refused.
    pub circuit: CircuitName,
    /// When a call may be admitted again.
    pub retry_after: Duration,
}

/// What a call through a circuit can fail with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CircuitError<E> {
    /// The call was refused: nothing was sent.
    #[error("the call was refused")]
    Open(#[source] Open),
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
