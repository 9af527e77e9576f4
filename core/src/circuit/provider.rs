use std::fmt;

use async_trait::async_trait;

use super::{CircuitName, CircuitRecord};
use crate::{
    Clock, StoreError, SystemClock,
    register::{
        Record, RecordKey, Register, RetryingRegister, Swap, Version, Versioned, WriteId, decode,
        encode,
    },
};

/// Where the fleet keeps the state of its circuits.
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
pub trait CircuitStateProvider: fmt::Debug + Send + Sync + 'static {
    /// Reads the state of `circuit`.
    ///
    /// # Errors
    ///
    /// Whatever the store failed with, once the deadline is reached.
    async fn circuit_state(
        &self,
        circuit: &CircuitName,
    ) -> Result<Option<Versioned<CircuitRecord>>, StoreError>;

    /// Replaces the state of `circuit` by `next` if its version is still `expected`.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Ambiguous`](crate::StoreErrorKind::Ambiguous) if the write may have been
    /// applied; after any other error it was not.
    async fn update_state(
        &self,
        circuit: &CircuitName,
        expected: Option<Version>,
        id: WriteId,
        next: &CircuitRecord,
    ) -> Result<Swap<CircuitRecord>, StoreError>;
}

#[async_trait]
impl<R: Register + ?Sized> CircuitStateProvider for R {
    async fn circuit_state(
        &self,
        circuit: &CircuitName,
    ) -> Result<Option<Versioned<CircuitRecord>>, StoreError> {
        let key = RecordKey::from(circuit);
        Ok(RetryingRegister::new(self, &key)?.read().await?.map(decode))
    }

    async fn update_state(
        &self,
        circuit: &CircuitName,
        expected: Option<Version>,
        id: WriteId,
        next: &CircuitRecord,
    ) -> Result<Swap<CircuitRecord>, StoreError> {
        let key = RecordKey::from(circuit);
        let keep_for = next.keep_for(SystemClock.now());
        let swap =
            RetryingRegister::new(self, &key)?.swap(expected, id, &encode(next)?, keep_for).await?;
        Ok(swap.decode())
    }
}
