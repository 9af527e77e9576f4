use std::fmt;

use async_trait::async_trait;

use super::TokenRecord;
use crate::{
    StoreError,
    register::{PollPolicy, RecordName, RetryingRegister, Swap, Version, Versioned, WriteId},
};

/// Where the fleet keeps its token.
///
/// Every [`Register`](crate::register::Register) becomes one inside a [`RetryingRegister`]. Implement
/// this trait yourself only for a store that cannot be a register, or to wrap another provider.
///
/// # Contract
///
/// The laws of [`Register`](crate::register::Register) apply, and in addition:
///
/// - **L7** No call outlives its deadline: the `timeout` of the store, which is 500 ms unless set (2 s for
///   the first operation on a store), or the deadline of the invocation, whichever comes first. With less
///   than 50 ms left nothing is started.
/// - **L3** An ambiguous write was repeated with the same id until then.
/// - **L9** A corrupt record is read as the empty one, with its version. Members that a newer version
///   has written are kept.
#[async_trait]
pub trait TokenPersistenceProvider: fmt::Debug + Send + Sync + 'static {
    /// Reads the token at `key`.
    ///
    /// # Errors
    ///
    /// The error of the store, once the deadline is reached.
    async fn read(&self, key: &RecordName) -> Result<Option<Versioned<TokenRecord>>, StoreError>;

    /// Replaces the token at `key` by `next` if its version is still `expected`.
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

    /// How often to read a token that another process is fetching, and how long to wait for the store. A
    /// wrapper returns the policy of the provider that it wraps; see
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
