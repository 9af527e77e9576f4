use std::time::Duration;

use super::{Cause, policy::fault::PolicyFault};
use crate::register::{NameError, RecordName};

/// A call was refused because the circuit is open.
///
/// It has no type parameter, so you can find it in a chain of errors by following
/// [`source`](std::error::Error::source). A refusal does not allocate memory.
///
/// # Examples
///
/// ```
/// use std::{error::Error, iter::successors};
/// use funcify_core::circuit::CircuitOpen;
///
/// /// The refusal of a circuit among the causes of an error.
/// fn refusal<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a CircuitOpen> {
///     successors(Some(error), |&error| error.source()).find_map(|error| error.downcast_ref())
/// }
/// # let _ = refusal;
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the circuit `{circuit}` is open, try again in {} ms", retry_after.as_millis())]
#[non_exhaustive]
pub struct CircuitOpen {
    /// The name of the circuit that refused the call.
    pub circuit: RecordName,
    /// How long to wait before the next call. It may be admitted then.
    pub retry_after: Duration,
    /// Why the circuit refused the call.
    pub cause: Cause,
}

impl CircuitOpen {
    /// Creates a refusal of `circuit`. Outside of this crate, only tests need it.
    #[doc(hidden)]
    #[must_use]
    pub fn new(circuit: RecordName, retry_after: Duration, cause: Cause) -> Self {
        Self { circuit, retry_after, cause }
    }
}

/// Why a call through a circuit failed.
///
/// # Examples
///
/// ```
/// use funcify_core::circuit::CircuitError;
///
/// fn describe(error: &CircuitError<std::io::Error>) -> String {
///     match error {
///         CircuitError::Open(open) => format!("not sent, try again in {:?}", open.retry_after),
///         CircuitError::TimedOut { after } => format!("no answer within {after:?}"),
///         CircuitError::Failed(error) => error.to_string(),
///         error => error.to_string(),
///     }
/// }
/// # let _ = describe;
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CircuitError<E> {
    /// The circuit refused the call, so it did not begin.
    #[error("the circuit refused the call")]
    Open(#[source] CircuitOpen),
    /// The breaker ended the call, because it took longer than the call timeout of the policy, or because
    /// the deadline of the invocation passed.
    #[error("the call did not end within {} ms", after.as_millis())]
    TimedOut {
        /// How much time the call had. Zero if the deadline had passed before the call could begin.
        after: Duration,
    },
    /// The call itself failed with this error.
    #[error(transparent)]
    Failed(E),
}

impl<E> From<CircuitOpen> for CircuitError<E> {
    fn from(open: CircuitOpen) -> Self {
        Self::Open(open)
    }
}

/// The name or the policy of a circuit is wrong. The message lists everything that is wrong with them.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use funcify_backend_memory::MemoryBackend;
/// use funcify_core::{
///     circuit::{CircuitBreaker, CircuitPolicy},
///     register::RetryingRegister,
/// };
///
/// let store = Arc::new(RetryingRegister::new(MemoryBackend::new()));
/// let mut policy = CircuitPolicy::default();
/// policy.probes = 9;
/// let error = CircuitBreaker::new("warehouse", policy, store).unwrap_err();
/// assert!(error.to_string().ends_with("`probes` must be 1 to 4, got 9"));
/// ```
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
