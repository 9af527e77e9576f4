//! The errors of a store.

use std::{error::Error, fmt};

use crate::error_chain::causes;

/// An operation on a store failed.
///
/// [`kind`](Self::kind) says what the caller may do. The [`source`](std::error::Error::source) says what
/// went wrong. After [`StoreErrorKind::Ambiguous`] a write may have been applied. After every other kind
/// it was not.
///
/// # Examples
///
/// ```
/// use funcify_core::{StoreError, StoreErrorKind};
///
/// let error = StoreError::new("redis", StoreErrorKind::Denied, "wrong password");
/// assert_eq!(error.to_string(), "redis denied the operation");
/// assert_eq!(error.kind(), StoreErrorKind::Denied);
/// ```
#[derive(Debug)]
pub struct StoreError {
    backend: &'static str,
    kind: StoreErrorKind,
    source: Box<dyn Error + Send + Sync>,
}

/// What a caller may do about a [`StoreError`].
///
/// # Examples
///
/// ```
/// use funcify_core::{StoreError, StoreErrorKind};
///
/// /// Whether a person has to change something before the operation can succeed.
/// fn needs_a_person(error: &StoreError) -> bool {
///     matches!(error.kind(), StoreErrorKind::Denied | StoreErrorKind::Invalid)
/// }
///
/// assert!(needs_a_person(&StoreError::new("redis", StoreErrorKind::Denied, "wrong password")));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// The store cannot be reached, or refuses requests for now. Nothing was applied; try again.
    Unavailable,
    /// The store throttled the request. Nothing was applied. Try again later, not at once.
    Throttled,
    /// The time was up before a write was sent, or during a read. Nothing was applied.
    Timeout,
    /// Credentials or permissions are missing. Nothing was applied, and a retry does not help.
    Denied,
    /// The write may have been applied, at most once. It is safe to send it again with the same id.
    Ambiguous,
    /// The store can never accept this request: the record is too large, or the table does not exist,
    /// for example. Nothing was applied, and a retry does not help.
    Invalid,
}

impl StoreError {
    /// Creates an error of `backend` (`"redis"`, `"dynamodb"`, …) with its cause.
    pub fn new(
        backend: &'static str,
        kind: StoreErrorKind,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self { backend, kind, source: source.into() }
    }

    /// The name of the store that failed.
    #[doc(hidden)]
    #[must_use]
    pub fn backend(&self) -> &'static str {
        self.backend
    }

    /// What the caller may do about this error.
    #[must_use]
    pub fn kind(&self) -> StoreErrorKind {
        self.kind
    }

    /// Whether the store throttled a request of the operation.
    ///
    /// The kind of such an error may be `Ambiguous`: the write was sent, and the store throttled the
    /// request that would have shown its outcome.
    #[doc(hidden)]
    #[must_use]
    pub fn is_throttled(&self) -> bool {
        causes(self).any(|cause| {
            cause.downcast_ref::<Self>().is_some_and(|e| e.kind == StoreErrorKind::Throttled)
        })
    }

    /// Whether the same operation can succeed a moment later.
    pub(crate) fn is_transient(&self) -> bool {
        match self.kind {
            StoreErrorKind::Unavailable
            | StoreErrorKind::Throttled
            | StoreErrorKind::Timeout
            | StoreErrorKind::Ambiguous => true,
            StoreErrorKind::Denied | StoreErrorKind::Invalid => false,
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            StoreErrorKind::Unavailable => "is unavailable",
            StoreErrorKind::Throttled => "throttled the request",
            StoreErrorKind::Timeout => "did not answer in time",
            StoreErrorKind::Denied => "denied the operation",
            StoreErrorKind::Ambiguous => "may or may not have applied the write",
            StoreErrorKind::Invalid => "cannot accept the request",
        };
        write!(f, "{} {what}", self.backend)
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_whose_check_was_throttled_is_ambiguous_and_throttled() {
        let throttled = StoreError::new("ssm", StoreErrorKind::Throttled, "rate exceeded");
        assert!(throttled.is_throttled());
        let unchecked = StoreError::new("ssm", StoreErrorKind::Ambiguous, throttled);
        assert!(unchecked.is_throttled());
        let late = StoreError::new("ssm", StoreErrorKind::Ambiguous, "no answer in time");
        assert!(!late.is_throttled());
    }
}
