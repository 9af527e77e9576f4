//! The versioned register: the interface of a store, and the types that it uses.
//!
//! A store of your own implements [`Register`]. A kind of record of your own implements [`Record`].
//! [`RetryingRegister`] reads and writes records of any kind on any store.

pub(crate) mod body;
mod health;
mod inventory;
mod key;
mod metrics;
pub(crate) mod poll_policy;
pub(crate) mod record;
pub(crate) mod retry;
pub(crate) mod time_limits;
pub(crate) mod version;

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

/// A store of small versioned records: read one, and replace it only if it is still what was read.
///
/// Implement this trait and wrap your store in a [`RetryingRegister`]. It is then a
/// [`TokenPersistenceProvider`](crate::token::TokenPersistenceProvider), a
/// [`CircuitStateProvider`](crate::circuit::CircuitStateProvider) and an
/// [`IdempotencyProvider`](crate::idempotency::IdempotencyProvider). A register sends each request once:
/// it does not retry, it does not resolve ambiguous writes, and it does not treat a record as expired.
/// This crate does that, in the same way for every store.
///
/// # Contract
///
/// The `conformance` suite (feature `conformance`) checks each line. L7 is a law of the providers.
///
/// - **L1** [`Swap::Applied`]: the write took effect exactly once, on top of exactly the version
///   `expected` (`None`: there was no record).
/// - **L2** [`Swap::Conflict`]: the write did not take effect and never will.
/// - **L3** [`StoreErrorKind::Ambiguous`](crate::StoreErrorKind::Ambiguous): the write may have taken
///   effect, at most once. After every other error, it did not.
/// - **L4** A [`Version`] is never issued twice for different content, not even after expiry,
///   deletion, a flush or a failover.
/// - **L5** A swap compares `expected` with the current version, never with a stale one. A read may be
///   stale only where the store's documentation says so.
/// - **L6** `keep_for` is only for the store's own clean-up. A record whose time is over counts until the
///   store has deleted it.
/// - **L8** A future that is dropped at any await leaves the old record or the new one.
/// - **L9** Corrupt content is read as an empty [`Body`] with its version and a [`Corruption`], and
///   can be replaced. The same applies to content of more than 400 KB, which the store should not even
///   transfer; a [`Body`] refuses to parse it. An item without a write id, which another program wrote,
///   is read as `None`, and `expected: None` replaces it.
/// - **L10** A write with an `id` that is already stored is answered with `Applied`, before any other
///   check.
///
/// # Examples
///
/// A store in memory. The contract is kept because the lock is held from the comparison to the write.
///
/// ```
/// use std::{collections::HashMap, sync::Mutex, time::Duration};
/// use funcify_core::{
///     StoreError,
///     register::{Body, PollPolicy, RecordKey, Register, Swap, Version, Versioned, WriteId},
/// };
///
/// #[derive(Debug, Default)]
/// struct Memory(Mutex<HashMap<RecordKey, Versioned<Body>>>);
///
/// #[async_trait::async_trait]
/// impl Register for Memory {
///     async fn read(&self, key: &RecordKey) -> Result<Option<Versioned<Body>>, StoreError> {
///         Ok(self.0.lock().unwrap().get(key).cloned())
///     }
///
///     async fn swap(
///         &self,
///         key: &RecordKey,
///         expected: Option<Version>,
///         id: WriteId,
///         body: &Body,
///         _keep_for: Duration,
///     ) -> Result<Swap<Body>, StoreError> {
///         let mut records = self.0.lock().unwrap();
///         let (current, next) = (records.get(key).cloned(), Version::from(id));
///         let version = current.as_ref().map(|record| record.version);
///         if version == Some(next) {
///             return Ok(Swap::Applied(next)); // L10: the same write, sent again
///         }
///         if version != expected {
///             return Ok(Swap::Conflict(current));
///         }
///         records.insert(key.clone(), Versioned::new(body.clone(), next));
///         Ok(Swap::Applied(next))
///     }
///
///     fn poll_policy(&self) -> PollPolicy {
///         PollPolicy::default()
///     }
/// }
/// ```
#[async_trait]
pub trait Register: fmt::Debug + Send + Sync + 'static {
    /// Reads the record at `key`. `None` if there is none.
    ///
    /// # Errors
    ///
    /// The error of the store as a [`StoreError`], whose kind is never `Ambiguous`.
    async fn read(&self, key: &RecordKey) -> Result<Option<Versioned<Body>>, StoreError>;

    /// Replaces the record at `key` by `body` if its version is still `expected`. With `None` there must be
    /// no record yet.
    ///
    /// `id` becomes part of the new version. The store must keep the record for at least `keep_for`, and
    /// may delete it after that.
    ///
    /// # Errors
    ///
    /// The error of the store as a [`StoreError`]. Its kind is `Ambiguous` if the write may have been
    /// applied, and only then.
    async fn swap(
        &self,
        key: &RecordKey,
        expected: Option<Version>,
        id: WriteId,
        body: &Body,
        keep_for: Duration,
    ) -> Result<Swap<Body>, StoreError>;

    /// Returns how often to read a record that another process is about to change, and how long an
    /// operation may take.
    ///
    /// This is a hint, not part of the contract. [`PollPolicy::default`] suits a store that is fast and does
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
