//! What a store can fail with.

use std::{error::Error, fmt};

/// An operation on a store failed.
///
/// [`kind`](Self::kind) answers what the caller may do; the source says what went wrong. Only
/// [`StoreErrorKind::Ambiguous`] leaves open whether a write was applied: after every other kind it
/// was not.
///
/// # Examples
///
/// ```
/// use funcify_core::{StoreError, StoreErrorKind};
///
/// let error = StoreError::new("redis", StoreErrorKind::Denied, "wrong password");
/// assert_eq!(error.to_string(), "redis denied the operation");
/// assert!(!error.is_transient());
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
    /// The store could not be reached, or refused for now: not applied, try again.
    Unavailable,
    /// The store asked for fewer requests: not applied, come back later instead of trying again.
    Throttled,
    /// The time was up before anything was sent, or while only reading: not applied.
    Timeout,
    /// Credentials or rights are missing: not applied, trying again does not help.
    Denied,
    /// A write may have been applied, at most once.
    Ambiguous,
    /// The store can never take this: too large, a wrong table, an illegal name. Not applied.
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
    #[must_use]
    pub fn backend(&self) -> &'static str {
        self.backend
    }

    /// What may be done about it.
    #[must_use]
    pub fn kind(&self) -> StoreErrorKind {
        self.kind
    }

    /// Whether the same operation can succeed a little later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
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
            StoreErrorKind::Throttled => "asked for fewer requests",
            StoreErrorKind::Timeout => "did not answer in time",
            StoreErrorKind::Denied => "denied the operation",
            StoreErrorKind::Ambiguous => "may or may not have applied the write",
            StoreErrorKind::Invalid => "cannot take this operation",
        };
        write!(f, "{} {what}", self.backend)
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}
