use std::fmt;

use async_trait::async_trait;

use super::{TokenKey, TokenRecord};
use crate::{
    Clock, StoreError, SystemClock,
    register::{
        PollPolicy, Record, RecordKey, Register, RetryingRegister, Swap, Version, Versioned,
        WriteId, decode, encode,
    },
};

/// Where the fleet keeps its token.
///
/// Every [`Register`] is one. Implement this trait itself only for a store that cannot be a
/// register, or to wrap another provider.
///
/// # Contract
///
/// The laws of [`Register`] hold, and besides:
///
/// - **L7** No call outlives its deadline: 500 ms (2 s for the first operation of a process) or the
///   invocation's, whichever is first; with less than 50 ms left nothing is started.
/// - **L3** What is ambiguous was repeated with the same id until then.
/// - **L9** A record that cannot be read is vacant, with its version; members of a newer version
///   are kept.
#[async_trait]
pub trait TokenPersistenceProvider: fmt::Debug + Send + Sync + 'static {
    /// Reads the token at `key`.
    ///
    /// # Errors
    ///
    /// Whatever the store failed with, once the deadline is reached.
    async fn read(&self, key: &TokenKey) -> Result<Option<Versioned<TokenRecord>>, StoreError>;

    /// Replaces the token at `key` by `next` if its version is still `expected`.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Ambiguous`](crate::StoreErrorKind::Ambiguous) if the write may have been
    /// applied; after any other error it was not.
    async fn write(
        &self,
        key: &TokenKey,
        expected: Option<Version>,
        id: WriteId,
        next: &TokenRecord,
    ) -> Result<Swap<TokenRecord>, StoreError>;

    /// How to look at a token that another process is fetching: see [`Register::pace`].
    fn pace(&self) -> PollPolicy {
        PollPolicy::default()
    }
}

#[async_trait]
impl<R: Register + ?Sized> TokenPersistenceProvider for R {
    async fn read(&self, key: &TokenKey) -> Result<Option<Versioned<TokenRecord>>, StoreError> {
        let key = RecordKey::from(key);
        Ok(RetryingRegister::new(self, &key)?.read().await?.map(decode))
    }

    async fn write(
        &self,
        key: &TokenKey,
        expected: Option<Version>,
        id: WriteId,
        next: &TokenRecord,
    ) -> Result<Swap<TokenRecord>, StoreError> {
        let key = RecordKey::from(key);
        let keep_for = next.keep_for(SystemClock.now());
        let swap =
            RetryingRegister::new(self, &key)?.swap(expected, id, &encode(next)?, keep_for).await?;
        Ok(swap.decode())
    }

    fn pace(&self) -> PollPolicy {
        Register::pace(self)
    }
}
