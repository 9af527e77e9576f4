//! The token as a caller sees it.

use std::{fmt, sync::Arc};

use aws_lc_rs::digest;
use funcify_core::{Timestamp, token::AccessToken};
use http::HeaderValue;
use tokio::time::Instant;

/// An access token, ready for an `Authorization` header. Cheap to clone.
///
/// Its `Debug` form shows a fingerprint in place of the token: the first eight hexadecimal digits of
/// its SHA-256. The logs of the getter show the same fingerprint.
#[derive(Clone)]
pub struct Token {
    pub(super) held: Arc<Held>,
    pub(super) source: TokenSource,
}

/// Where a [`Token`] came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TokenSource {
    /// This process held it.
    Memory,
    /// It was read from the store: another process had fetched it.
    Store,
    /// The identity provider granted it just now.
    Minted,
    /// This process held it. It is still valid, but past its refresh time, and could not be
    /// refreshed.
    Overdue,
}

impl Token {
    /// The token itself: for a request, never for a log.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.held.token.expose()
    }

    /// The value of an `Authorization` header, `Bearer …`, marked as sensitive.
    #[must_use]
    pub fn authorization(&self) -> &HeaderValue {
        &self.held.authorization
    }

    /// Where it came from.
    #[must_use]
    pub fn source(&self) -> TokenSource {
        self.source
    }

    /// When it expires, by this machine's clock.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.held.expires_at
    }

    /// The granted scope, if the identity provider stated it.
    #[doc(hidden)]
    #[must_use]
    pub fn scope(&self) -> Option<&str> {
        self.held.scope.as_deref()
    }

    /// The first eight hexadecimal digits of its SHA-256. They are enough to follow a token through
    /// the logs, and too few to use it.
    pub(super) fn fingerprint(&self) -> String {
        let hash = digest::digest(&digest::SHA256, self.expose().as_bytes());
        hash.as_ref().iter().take(4).map(|byte| format!("{byte:02x}")).collect()
    }

    /// When the fleet begins to refresh it. Before that, every call is a hit: the simulator skips
    /// these calls.
    #[doc(hidden)]
    #[must_use]
    pub fn refresh_at(&self) -> Timestamp {
        self.held.refresh_at
    }

    pub(super) fn access_token(&self) -> &AccessToken {
        &self.held.token
    }

    pub(super) fn refresh_slot(&self) -> Timestamp {
        self.held.refresh_slot
    }

    pub(super) fn alone_at(&self) -> Timestamp {
        self.held.alone_at
    }

    pub(super) fn overdue(self) -> Self {
        Self { source: TokenSource::Overdue, ..self }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("fingerprint", &self.fingerprint())
            .field("source", &self.source)
            .field("expires_at", &self.held.expires_at)
            .finish_non_exhaustive()
    }
}

/// A token in memory, with all that is computed from it once.
pub(super) struct Held {
    pub(super) token: AccessToken,
    pub(super) authorization: HeaderValue,
    pub(super) scope: Option<String>,
    pub(super) refresh_at: Timestamp,
    pub(super) expires_at: Timestamp,
    /// When this process took it into memory, by the wall clock and by the monotonic clock: the two
    /// show by how much the wall clock was set back since.
    pub(super) accepted_at: Timestamp,
    pub(super) accepted: Instant,
    /// From when on this process tries to refresh it.
    pub(super) refresh_slot: Timestamp,
    /// When this process refreshes it without the store, if the store fails until then. Each process
    /// draws its own moment of the refresh window, so that a fleet without a store does not ask all at
    /// once.
    pub(super) alone_at: Timestamp,
}
