//! The versioned register: what a store implements, and everything that it implements.
//!
//! A store of your own implements [`Register`]. A kind of record of your own implements [`Record`].
//! [`RetryingRegister`] connects the two.

pub(crate) mod body;
mod health;
mod inventory;
mod key;
mod metrics;
pub(crate) mod poll_policy;
pub(crate) mod record;
pub(crate) mod retry;
pub(crate) mod time_limits;
mod version;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;

pub use crate::name::{NameError, RecordName};
pub use body::{Body, Corruption};
pub use inventory::Inventory;
pub use key::{RecordKey, RecordKind};
pub use poll_policy::PollPolicy;
pub use record::Record;
pub(crate) use record::{decode, encode};
pub use retry::RetryingRegister;
pub use version::{Swap, Version, Versioned, WriteId};

use crate::StoreError;

/// A store of small versioned records: read one, replace it only if it is still what was read.
///
/// Implement this trait, wrap your store in a [`RetryingRegister`], and it is a
/// [`TokenPersistenceProvider`](crate::token::TokenPersistenceProvider) and a
/// [`CircuitStateProvider`](crate::circuit::CircuitStateProvider). A register is *one-shot*: it does
/// not retry, it does not resolve ambiguous writes, and it lets nothing expire. This crate does
/// that once for every store.
///
/// # Contract
///
/// Each line is checked by the `conformance` suite (feature `conformance`).
///
/// - **L1** [`Swap::Applied`]: the write took effect exactly once, on top of exactly `expected`
///   (`None`: there was no record of ours).
/// - **L2** [`Swap::Conflict`]: the write did not take effect and never will.
/// - **L3** [`StoreErrorKind::Ambiguous`](crate::StoreErrorKind::Ambiguous): the write may have taken
///   effect, at most once. Every other error: it did not.
/// - **L4** A [`Version`] is never issued twice for different content, not even after expiry,
///   deletion, a flush or a failover.
/// - **L5** A swap is never judged on stale data. A read may be stale only where the store's
///   documentation says so.
/// - **L6** Nothing expires by rule: `keep_for` is for the store's own clean-up and decides nothing.
/// - **L8** A future that is dropped at any await leaves the old record or the new one.
/// - **L9** Corrupt content is read as an empty [`Body`] with its version and a [`Corruption`], and
///   can be replaced. So is content of more than 400 KB, which should not even be transferred; a
///   [`Body`] refuses to parse it. A foreign item without a write id is read as `None`, and `expected: None`
///   replaces it.
/// - **L10** Sending the same `id` again is answered with `Applied`, before any other check, while
///   that write is what is stored.
#[async_trait]
pub trait Register: fmt::Debug + Send + Sync + 'static {
    /// Reads the record at `key`.
    ///
    /// # Errors
    ///
    /// The error of the store, classified.
    async fn read(&self, key: &RecordKey) -> Result<Option<Versioned<Body>>, StoreError>;

    /// Replaces the record at `key` by `body` if its version is still `expected`.
    ///
    /// `id` becomes part of the new version. `keep_for` is how long the store must keep the record
    /// at least.
    ///
    /// # Errors
    ///
    /// The error of the store, classified: `Ambiguous` only if the write may have been applied.
    async fn swap(
        &self,
        key: &RecordKey,
        expected: Option<Version>,
        id: WriteId,
        body: &Body,
        keep_for: Duration,
    ) -> Result<Swap<Body>, StoreError>;

    /// How often to read a record that another process is about to change, and how long to wait for an
    /// operation.
    ///
    /// A hint, not part of the contract. [`PollPolicy::default`] suits a store that is fast and does
    /// not bill each operation. A wrapper returns the policy of the store that it wraps.
    fn poll_policy(&self) -> PollPolicy;
}

#[async_trait]
impl<R: Register + ?Sized> Register for Arc<R> {
    async fn read(&self, key: &RecordKey) -> Result<Option<Versioned<Body>>, StoreError> {
        R::read(self, key).await
    }

    async fn swap(
        &self,
        key: &RecordKey,
        expected: Option<Version>,
        id: WriteId,
        body: &Body,
        keep_for: Duration,
    ) -> Result<Swap<Body>, StoreError> {
        R::swap(self, key, expected, id, body, keep_for).await
    }

    fn poll_policy(&self) -> PollPolicy {
        R::poll_policy(self)
    }
}
