use std::time::Duration;

use funcify_core::{DeadlineExceeded, StoreError};

/// Why a call has no answer.
///
/// With [`InProgress`](Self::InProgress), [`Mismatch`](Self::Mismatch), [`Nested`](Self::Nested) and
/// [`Unclaimed`](Self::Unclaimed), this call did not begin the work.
///
/// # Examples
///
/// ```
/// use funcify::idempotency::IdempotencyError;
///
/// fn status<E>(error: &IdempotencyError<E>) -> u16 {
///     match error {
///         IdempotencyError::InProgress { .. } => 409,
///         IdempotencyError::Mismatch => 422,
///         IdempotencyError::Unclaimed(_) => 503,
///         _ => 500,
///     }
/// }
///
/// assert_eq!(status(&IdempotencyError::<()>::Mismatch), 422);
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdempotencyError<E> {
    /// The work failed with this error. The key is free again, unless
    /// [`run_classified`](super::Idempotency::run_classified) remembers the failure.
    #[error("the work failed")]
    Failed(#[source] E),
    /// Another call works on the key, and did not finish while this one waited. Call again later.
    #[error("another call with this key is in progress")]
    InProgress {
        /// How long to wait before you call again.
        retry_after: Duration,
    },
    /// The key was used with another payload.
    #[error("the key was used with another payload")]
    Mismatch,
    /// The work was done, but there is no answer to return: it was too large to be stored, it cannot be
    /// unsealed, or it cannot be decoded as the type of this call.
    #[error("the work was done, but its answer was not kept")]
    AnswerNotKept,
    /// This call did the work, but its claim had ended by then. Another call has taken the key over, or may
    /// have done so while the store failed. The next call gets the answer of that call.
    #[error("another call took the key over while this one worked")]
    Superseded,
    /// The work of a key called the operation again with the same key. Waiting would never end.
    #[error("the operation was called inside itself with the same key")]
    Nested,
    /// The key could not be claimed.
    ///
    /// If the kind of the error is [`Invalid`](crate::StoreErrorKind::Invalid), the key is empty, or the key
    /// or the payload cannot be written as JSON. Otherwise the store failed.
    #[error("the key could not be claimed")]
    Unclaimed(#[source] StoreError),
    /// The deadline of the invocation or the end of the claim came before the work was done, or before it
    /// could begin.
    #[error("the work was ended before it was done")]
    Deadline(#[source] DeadlineExceeded),
}

/// An [`IdempotencyError`] without the error of the work.
#[derive(Debug)]
pub(crate) enum Refusal {
    InProgress { retry_after: Duration },
    Mismatch,
    Superseded,
    Nested,
    Unclaimed(StoreError),
    Deadline,
}

impl<E> From<Refusal> for IdempotencyError<E> {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::InProgress { retry_after } => Self::InProgress { retry_after },
            Refusal::Mismatch => Self::Mismatch,
            Refusal::Superseded => Self::Superseded,
            Refusal::Nested => Self::Nested,
            Refusal::Unclaimed(error) => Self::Unclaimed(error),
            Refusal::Deadline => Self::Deadline(DeadlineExceeded),
        }
    }
}
