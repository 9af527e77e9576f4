use std::fmt;

use async_trait::async_trait;

use super::IdempotencyRecord;
use crate::{
    StoreError,
    register::{PollPolicy, RecordName, RetryingRegister, Swap, Version, Versioned, WriteId},
};

/// Where the fleet keeps what was done for each key, with the answers.
///
/// A [`RetryingRegister`] makes one of every [`Register`](crate::register::Register). Implement this
/// trait yourself only for a store that cannot be a register, or to wrap another provider.
///
/// # Contract
///
/// The laws of [`Register`](crate::register::Register) apply, and those of
/// [`TokenPersistenceProvider`](crate::token::TokenPersistenceProvider). A store that keeps them keeps
/// the following laws too. The `conformance` suite and a model check each of them.
///
/// - **I1** There is at most one execution for a key within its retention. There is one more each time
///   that a claim reaches its end, the work fails, the process of a claim dies, or the store loses the
///   record.
/// - **I2** All callers that get an answer get the same answer.
/// - **I3** A completed record is never replaced before it expires.
/// - **I4** A claimant whose claim was taken over can no longer complete or release it.
/// - **I5** A caller with another payload never gets the answer.
/// - **I6** No key is blocked for ever: from every state, a correct caller can get an answer.
///
/// A store that loses a record loses its answer too, so I2 holds only from one loss to the next. Configure
/// Redis with `maxmemory-policy noeviction`, so that it does not remove records when its memory is full.
#[async_trait]
pub trait IdempotencyProvider: fmt::Debug + Send + Sync + 'static {
    /// Reads the record of `key`. `None` if there is none. The read is never stale.
    ///
    /// # Errors
    ///
    /// The last error of the store, at the deadline at the latest. Never
    /// [`Ambiguous`](crate::StoreErrorKind::Ambiguous).
    async fn read(
        &self,
        key: &RecordName,
    ) -> Result<Option<Versioned<IdempotencyRecord>>, StoreError>;

    /// Replaces the record of `key` by `next` if its version is still `expected`. With `None` there must be
    /// no record yet.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Ambiguous`](crate::StoreErrorKind::Ambiguous) if the write may have been
    /// applied. After any other error it was not.
    async fn write(
        &self,
        key: &RecordName,
        expected: Option<Version>,
        id: WriteId,
        next: &IdempotencyRecord,
    ) -> Result<Swap<IdempotencyRecord>, StoreError>;

    /// Returns how often to read the record of a key on which another process works, and how long an
    /// operation may take. A wrapper returns the policy of the provider that it wraps. See
    /// [`Register::poll_policy`](crate::register::Register::poll_policy).
    fn poll_policy(&self) -> PollPolicy;
}

#[async_trait]
impl IdempotencyProvider for RetryingRegister {
    async fn read(
        &self,
        key: &RecordName,
    ) -> Result<Option<Versioned<IdempotencyRecord>>, StoreError> {
        self.read_record(key).await
    }

    async fn write(
        &self,
        key: &RecordName,
        expected: Option<Version>,
        id: WriteId,
        next: &IdempotencyRecord,
    ) -> Result<Swap<IdempotencyRecord>, StoreError> {
        self.swap_record(key, expected, id, next).await
    }

    fn poll_policy(&self) -> PollPolicy {
        RetryingRegister::poll_policy(self)
    }
}
