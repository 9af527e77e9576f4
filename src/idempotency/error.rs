use std::time::Duration;

use funcify_core::{DeadlineExceeded, StoreError};

/// Why a call has no answer.
///
/// Only after [`Failed`](Self::Failed), [`Deadline`](Self::Deadline) and [`Superseded`](Self::Superseded)
/// did this call begin the work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdempotencyError<E> {
    /// The work failed with this error. The key is free again, unless the failure is remembered.
    #[error("the work failed")]
    Failed(#[source] E),
    /// Another call works on the key, and did not finish while this one waited. Come back later.
    #[error("another call with this key is in progress")]
    InProgress {
        /// When to come back.
        retry_after: Duration,
    },
    /// The key was used with another payload. Nothing was begun.
    #[error("the key was used with another payload")]
    Mismatch,
    /// The work was done, but its answer was not kept: it was too large, or it has another form by now.
    #[error("the work was done, but its answer was not kept")]
    AnswerNotKept,
    /// The work was done by this call, but its claim had ended and another call had taken the key over, or
    /// may have: the store could not be asked. The next call gets the answer of the other one.
    #[error("another call took the key over while this one worked")]
    Superseded,
    /// The operation was called inside itself with the same key.
    #[error("the operation was called inside itself with the same key")]
    Nested,
    /// The key could not be claimed. Nothing was begun. The key or the payload cannot be written as
    /// JSON, or the key is empty, if the kind is [`Invalid`](crate::StoreErrorKind::Invalid). Otherwise
    /// the store is away.
    #[error("the key could not be claimed")]
    Unclaimed(#[source] StoreError),
    /// The work was ended by the deadline of the invocation, or by the end of its claim.
    #[error("the work was ended before it was done")]
    Deadline(#[source] DeadlineExceeded),
}

/// The same without the error of the work.
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
