//! The token as its users see it.

use std::{fmt, sync::Arc};

use aws_lc_rs::digest;
use funcify_core::{Timestamp, token::AccessToken};
use http::HeaderValue;
use tokio::time::Instant;

/// An access token, ready for an `Authorization` header. Cheap to clone, redacted in `Debug`.
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
    /// It was fetched from the provider just now.
    Minted,
    /// This process held it, and could not renew it although it is due: still valid.
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

    /// When it ends, by this machine's clock.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.held.expires_at
    }

    /// The scope that was granted, if the provider said so.
    #[must_use]
    pub fn scope(&self) -> Option<&str> {
        self.held.scope.as_deref()
    }

    /// Eight hexadecimal digits of its SHA-256: enough to follow a token through logs, too little
    /// to use it.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let hash = digest::digest(&digest::SHA256, self.expose().as_bytes());
        hash.as_ref().iter().take(4).map(|byte| format!("{byte:02x}")).collect()
    }

    pub(super) fn access_token(&self) -> &AccessToken {
        &self.held.token
    }

    /// When the fleet begins to renew it.
    #[must_use]
    pub fn refresh_at(&self) -> Timestamp {
        self.held.refresh_at
    }

    /// When this process renews it by itself if the store is down.
    pub(super) fn place(&self) -> Timestamp {
        self.held.place
    }

    pub(super) fn stale(self) -> Self {
        Self { source: TokenSource::Overdue, ..self }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("source", &self.source)
            .field("expires_at", &self.held.expires_at)
            .finish_non_exhaustive()
    }
}

/// A token with all that is made of it once.
pub(super) struct Held {
    pub(super) token: AccessToken,
    pub(super) authorization: HeaderValue,
    pub(super) scope: Option<String>,
    pub(super) refresh_at: Timestamp,
    pub(super) expires_at: Timestamp,
    pub(super) adopted_at: Timestamp,
    pub(super) adopted: Instant,
    /// When this process renews it by itself if the store is down: its own place in the window.
    pub(super) place: Timestamp,
}
