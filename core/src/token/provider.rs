use std::fmt;

use async_trait::async_trait;

use super::TokenRecord;
use crate::{
    StoreError,
    register::{PollPolicy, RecordName, RetryingRegister, Swap, Version, Versioned, WriteId},
};

/// Where the fleet keeps its token.
///
/// A [`RetryingRegister`] makes one of every [`Register`](crate::register::Register). Implement this
/// trait yourself only for a store that cannot be a register, or to wrap another provider.
///
/// # Contract
///
/// The laws of [`Register`](crate::register::Register) apply, and in addition:
///
/// - **L3** An ambiguous write was sent again with the same id until the deadline of L7.
/// - **L7** No call outlives its deadline: the `timeout` of the store, which is 500 ms unless set (2 s for
///   the first operation on a store), or the deadline of the invocation, whichever comes first. With less
///   than 50 ms left, no operation is started.
/// - **L9** A corrupt record is read as the empty record, with its version. Members that a newer version
///   of funcify has written are kept.
#[async_trait]
pub trait TokenPersistenceProvider: fmt::Debug + Send + Sync + 'static {
    /// Reads the record of the token at `key`. `None` if there is none.
    ///
    /// # Errors
    ///
    /// The last error of the store, at the deadline at the latest. Never
    /// [`Ambiguous`](crate::StoreErrorKind::Ambiguous).
    async fn read(&self, key: &RecordName) -> Result<Option<Versioned<TokenRecord>>, StoreError>;

    /// Replaces the record of the token at `key` by `next` if its version is still `expected`. With `None`
    /// there must be no record yet.
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
        next: &TokenRecord,
    ) -> Result<Swap<TokenRecord>, StoreError>;

    /// Returns how often to read the record while another process fetches the token, and how long an
    /// operation may take. A wrapper returns the policy of the provider that it wraps. See
    /// [`Register::poll_policy`](crate::register::Register::poll_policy).
    fn poll_policy(&self) -> PollPolicy;
}

#[async_trait]
impl TokenPersistenceProvider for RetryingRegister {
    async fn read(&self, key: &RecordName) -> Result<Option<Versioned<TokenRecord>>, StoreError> {
        self.read_record(key).await
    }

    async fn write(
        &self,
        key: &RecordName,
        expected: Option<Version>,
        id: WriteId,
        next: &TokenRecord,
    ) -> Result<Swap<TokenRecord>, StoreError> {
        self.swap_record(key, expected, id, next).await
    }

    fn poll_policy(&self) -> PollPolicy {
        RetryingRegister::poll_policy(self)
    }
}
