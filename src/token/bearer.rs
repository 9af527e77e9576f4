//! The token that a caller gets.

use std::{fmt, sync::Arc};

use aws_lc_rs::digest;
use funcify_core::{
    Timestamp,
    engine::hex,
    token::{AccessToken, TokenRecord},
};
use http::HeaderValue;
use tokio::time::Instant;

/// An access token, ready for an `Authorization` header. Cheap to clone.
///
/// `Debug` shows a fingerprint in place of the token: the first eight hexadecimal digits of its SHA-256.
/// The logs of the getter show the same fingerprint.
///
/// # Examples
///
/// ```no_run
/// # async fn example(getter: funcify::TokenGetter) -> Result<(), Box<dyn std::error::Error>> {
/// let token = getter.token().await?;
/// let request = http::Request::get("https://api.example/orders")
///     .header("authorization", token.authorization())
///     .body(())?;
/// # let _ = request;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Token {
    pub(super) held: Arc<Held>,
    pub(super) source: TokenSource,
}

/// Where a [`Token`] came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TokenSource {
    /// The token was in this process's memory.
    Memory,
    /// This call read the token from the store. Another process had fetched it.
    Store,
    /// The identity provider granted the token to this call.
    Minted,
    /// The token was in this process's memory. It is valid but past its refresh time, and the last attempt
    /// to refresh it failed.
    Overdue,
}

impl Token {
    /// The token itself. Put it into a request, and never into a log.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.held.token.expose()
    }

    /// The value of an `Authorization` header, `Bearer …`, marked as sensitive.
    #[must_use]
    pub fn authorization(&self) -> &HeaderValue {
        &self.held.authorization
    }

    /// Where the token came from.
    #[must_use]
    pub fn source(&self) -> TokenSource {
        self.source
    }

    /// When the token expires, by this machine's clock.
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

    /// The first eight hexadecimal digits of the token's SHA-256: enough to follow a token through the
    /// logs, and useless to anybody who reads them.
    pub(super) fn fingerprint(&self) -> String {
        let hash = digest::digest(&digest::SHA256, self.expose().as_bytes());
        hex(hash.as_ref(), 4)
    }

    /// When the fleet begins to refresh the token. Until then every call is served from memory, so the
    /// simulator skips these calls.
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

/// A token in memory, with what is computed from it once.
pub(super) struct Held {
    pub(super) token: AccessToken,
    pub(super) authorization: HeaderValue,
    pub(super) scope: Option<String>,
    pub(super) refresh_at: Timestamp,
    pub(super) expires_at: Timestamp,
    /// When this process took the token into memory, by the wall clock and by the monotonic clock. If
    /// somebody sets the wall clock back, the two show by how much.
    pub(super) accepted_at: Timestamp,
    pub(super) accepted: Instant,
    /// From when on this process tries to refresh the token.
    pub(super) refresh_slot: Timestamp,
    /// When this process refreshes the token without the store, if the store has failed until then. Each
    /// process draws its own moment of the refresh window, so that a fleet whose store is down does not ask
    /// the provider all at once.
    pub(super) alone_at: Timestamp,
}

impl Held {
    /// Whether the record has a token that expires later, or the same token with a later refresh time. A
    /// provider that keeps its tokens grants one again, with the time that it has left.
    pub(super) fn is_older_than(&self, record: &TokenRecord) -> bool {
        let is_same = record.token.as_ref() == Some(&self.token);
        self.expires_at < record.expires_at || (is_same && self.refresh_at < record.refresh_at)
    }
}
