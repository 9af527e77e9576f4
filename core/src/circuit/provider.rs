use std::fmt;

use async_trait::async_trait;

use super::CircuitRecord;
use crate::{
    StoreError,
    register::{PollPolicy, RecordName, RetryingRegister, Swap, Version, Versioned, WriteId},
};

/// Where the fleet keeps the state of its circuits.
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
pub trait CircuitStateProvider: fmt::Debug + Send + Sync + 'static {
    /// Reads the state of `circuit`.
    ///
    /// # Errors
    ///
    /// The error of the store, once the deadline is reached.
    async fn circuit_state(
        &self,
        circuit: &RecordName,
    ) -> Result<Option<Versioned<CircuitRecord>>, StoreError>;

    /// Replaces the state of `circuit` by `next` if its version is still `expected`.
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

    /// How long to wait for the store. A wrapper returns the policy of the provider that it wraps; see
    /// [`Register::poll_policy`](crate::register::Register::poll_policy).
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
