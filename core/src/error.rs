//! The errors of a store.

use std::{error::Error, fmt};

use crate::error_chain::causes;

/// An operation on a store failed.
///
/// [`kind`](Self::kind) says what the caller may do. The source says what went wrong. Only after
/// [`StoreErrorKind::Ambiguous`] may a write have been applied. After every other kind it was not.
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// The store cannot be reached, or refuses requests for now. Not applied; try again.
    Unavailable,
    /// The store throttled the request. Not applied; come back later, and do not retry at once.
    Throttled,
    /// The time was up before a write was sent, or during a read. Not applied.
    Timeout,
    /// Credentials or permissions are missing. Not applied; a retry does not help.
    Denied,
    /// The write may have been applied, at most once.
    Ambiguous,
    /// The store can never accept this request: the record is too large, the table does not exist.
    /// Not applied.
    Invalid,
}

impl StoreError {
    /// An error of `backend` (`"redis"`, `"dynamodb"`, …) with its cause.
    pub fn new(
        backend: &'static str,
        kind: StoreErrorKind,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self { backend, kind, source: source.into() }
    }

    /// The store that failed.
    #[doc(hidden)]
    #[must_use]
    pub fn backend(&self) -> &'static str {
        self.backend
    }

    /// What the caller may do about it.
    #[must_use]
    pub fn kind(&self) -> StoreErrorKind {
        self.kind
    }

    /// Whether the store throttled a request of the operation. A write is ambiguous if the request that
    /// would have shown its outcome was throttled.
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
