use std::fmt;

use async_trait::async_trait;

use super::IdempotencyRecord;
use crate::{
    StoreError,
    register::{PollPolicy, RecordName, RetryingRegister, Swap, Version, Versioned, WriteId},
};

/// Where the fleet keeps what was done, and with what answer.
///
/// Every [`Register`](crate::register::Register) becomes one inside a [`RetryingRegister`]. Implement
/// this trait yourself only for a store that cannot be a register, or to wrap another provider.
///
/// # Contract
///
/// The laws of [`Register`](crate::register::Register) apply, with those of
/// [`TokenPersistenceProvider`](crate::token::TokenPersistenceProvider). A store that keeps them keeps
/// these too. Each is checked by the `conformance` suite and by a model.
///
/// - **I1** At most one execution for a key within its retention, unless a claim ended first by its bound
///   or by a failure, its claimant died, or the store lost the record: then one more each.
/// - **I2** All callers that get an answer get the same one.
/// - **I3** A completed record is never replaced before it expires.
/// - **I4** A claimant whose claim was taken over can neither complete nor release.
/// - **I5** Another payload never gets the answer.
/// - **I6** No key is wedged: from every state an honest caller gets an answer.
///
/// A store that loses a record forgets its answer: I2 holds only from one loss to the next. So configure
/// Redis with `maxmemory-policy noeviction`.
#[async_trait]
pub trait IdempotencyProvider: fmt::Debug + Send + Sync + 'static {
    /// Reads the record of `key`. Never stale.
    ///
    /// # Errors
    ///
    /// The error of the store, once the deadline is reached.
    async fn read(
        &self,
        key: &RecordName,
    ) -> Result<Option<Versioned<IdempotencyRecord>>, StoreError>;

    /// Replaces the record of `key` by `next` if its version is still `expected`.
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

    /// How often to read a record that another process works on, and how long to wait for the store. A
    /// wrapper returns the policy of the provider that it wraps; see
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
