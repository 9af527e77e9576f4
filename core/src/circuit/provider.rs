use std::fmt;

use async_trait::async_trait;

use super::CircuitRecord;
use crate::{
    StoreError,
    register::{PollPolicy, RecordName, RetryingRegister, Swap, Version, Versioned, WriteId},
};

/// Where the fleet keeps the state of its circuits.
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
pub trait CircuitStateProvider: fmt::Debug + Send + Sync + 'static {
    /// Reads the record of `circuit`. `None` if there is none. The read may be stale, as the documentation of
    /// the store says.
    ///
    /// # Errors
    ///
    /// The last error of the store, at the deadline at the latest. Never
    /// [`Ambiguous`](crate::StoreErrorKind::Ambiguous).
    async fn circuit_state(
        &self,
        circuit: &RecordName,
    ) -> Result<Option<Versioned<CircuitRecord>>, StoreError>;

    /// Replaces the record of `circuit` by `next` if its version is still `expected`. With `None` there must
    /// be no record yet.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Ambiguous`](crate::StoreErrorKind::Ambiguous) if the write may have been
    /// applied. After any other error it was not.
    async fn update_state(
        &self,
        circuit: &RecordName,
        expected: Option<Version>,
        id: WriteId,
        next: &CircuitRecord,
    ) -> Result<Swap<CircuitRecord>, StoreError>;

    /// Returns how long an operation may take. A wrapper returns the policy of the provider that it wraps.
    /// See [`Register::poll_policy`](crate::register::Register::poll_policy).
    fn poll_policy(&self) -> PollPolicy;
}

#[async_trait]
impl CircuitStateProvider for RetryingRegister {
    async fn circuit_state(
        &self,
        circuit: &RecordName,
    ) -> Result<Option<Versioned<CircuitRecord>>, StoreError> {
        self.read_record(circuit).await
    }

    async fn update_state(
        &self,
        circuit: &RecordName,
        expected: Option<Version>,
        id: WriteId,
        next: &CircuitRecord,
    ) -> Result<Swap<CircuitRecord>, StoreError> {
        self.swap_record(circuit, expected, id, &*next.for_store()).await
    }

    fn poll_policy(&self) -> PollPolicy {
        RetryingRegister::poll_policy(self)
    }
}
