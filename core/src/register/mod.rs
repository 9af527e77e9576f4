//! The versioned register: what a backend implements, and all that it implements.

mod body;
mod codec;
mod pace;
mod settle;
mod version;

use std::{fmt, time::Duration};

use async_trait::async_trait;

pub use body::{Body, Corruption};
pub use codec::{Record, decode, encode};
pub use pace::PollPolicy;
pub(crate) use settle::FIRST_OPERATION;
pub use settle::{OPERATION, RetryingRegister};
pub use version::{Swap, Version, Versioned, WriteId};

use crate::{StoreError, circuit::CircuitName, token::TokenKey};

/// The key of one record, of either kind.
///
/// A store's own key is the prefix of its configuration, the kind and the name:
/// `funcify:circuit:auth0`, or `/prefix/circuit/auth0` in SSM Parameter Store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordKey {
    /// The state of a circuit.
    Circuit(CircuitName),
    /// A shared token.
    Token(TokenKey),
}

impl RecordKey {
    /// `circuit` or `token`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Circuit(_) => "circuit",
            Self::Token(_) => "token",
        }
    }

    /// The name within its kind: 1 to 64 of `A-Z a-z 0-9 _ . -`.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Circuit(name) => name.as_str(),
            Self::Token(key) => key.as_str(),
        }
    }
}

impl fmt::Display for RecordKey {
    /// `circuit:auth0`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind(), self.name())
    }
}

impl From<&CircuitName> for RecordKey {
    fn from(name: &CircuitName) -> Self {
        Self::Circuit(name.clone())
    }
}

impl From<&TokenKey> for RecordKey {
    fn from(key: &TokenKey) -> Self {
        Self::Token(key.clone())
    }
}

/// A store of small versioned records: read one, replace it only if it is still what was read.
///
/// Implement this, and the store is a
/// [`TokenPersistenceProvider`](crate::token::TokenPersistenceProvider) and a
/// [`CircuitStateProvider`](crate::circuit::CircuitStateProvider). A register is *one-shot*: it
/// neither retries, nor settles what is ambiguous, nor lets anything expire; that is done for it,
/// once, in this crate.
///
/// # Contract
///
/// Each line is a check of the `conformance` suite (feature `conformance`).
///
/// - **L1** [`Swap::Applied`]: the write took effect exactly once, on top of exactly `expected`
///   (`None`: nothing of ours was there).
/// - **L2** [`Swap::Conflict`]: it did not take effect and never will.
/// - **L3** [`StoreErrorKind::Ambiguous`](crate::StoreErrorKind::Ambiguous): it may have taken
///   effect, at most once. Every other error: it did not.
/// - **L4** A [`Version`] is never issued twice for different content, not after expiry, deletion, a
///   flush or a failover.
/// - **L5** A swap is never judged on stale data. A read may be stale only where the store's
///   documentation says so.
/// - **L6** Nothing expires by rule: `keep_for` is for the store's own clean-up and decides nothing.
/// - **L8** A future dropped at any await leaves the old record or the new one.
/// - **L9** Damaged content is an empty [`Body`] with its version and a [`Corruption`], and can be
///   replaced. A foreign item without a write id reads as `None`, and `expected: None` replaces it.
/// - **L10** Sending the same `id` again is answered `Done`, before any other check, while what is
///   stored is that write.
#[async_trait]
pub trait Register: fmt::Debug + Send + Sync + 'static {
    /// Reads the record at `key`.
    ///
    /// # Errors
    ///
    /// Whatever the store failed with, classified.
    async fn read(&self, key: &RecordKey) -> Result<Option<Versioned<Body>>, StoreError>;

    /// Replaces the record at `key` by `body` if its version is still `expected`.
    ///
    /// `id` becomes part of the new version. `keep_for` is how long the store must keep the record
    /// at least.
    ///
    /// # Errors
    ///
    /// Whatever the store failed with, classified: `Ambiguous` only if the write may have been
    /// applied.
    async fn swap(
        &self,
        key: &RecordKey,
        expected: Option<Version>,
        id: WriteId,
        body: &Body,
        keep_for: Duration,
    ) -> Result<Swap<Body>, StoreError>;

    /// How to look at a record that somebody else is about to change.
    ///
    /// A hint, and no part of the contract: the default does for a store that is fast and does not
    /// bill each operation. A wrapper hands on what its store says.
    fn pace(&self) -> PollPolicy {
        PollPolicy::default()
    }
}
