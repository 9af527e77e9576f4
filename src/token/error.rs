use std::{error::Error, sync::Arc, time::Duration};

use funcify_core::{DeadlineExceeded, circuit::CircuitOpen, token::TokenKey};

use crate::token::grant::GrantError;

/// Why there is no token.
///
/// [`CircuitOpen`] and [`DeadlineExceeded`] can be found by walking [`source`](Error::source).
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The key holds a token of another shape (provider, client, scopes, …): set another key.
    #[error("the key `{key}` holds a token for another client, scope or provider: set `.key(…)`")]
    KeyInUse {
        /// The key.
        key: TokenKey,
    },
    /// The provider was asked and gave no token.
    #[error("the identity provider gave no token")]
    Grant(#[source] Arc<GrantError>),
    /// Another process was given no token a moment ago, so that nobody asks for now.
    #[error("the identity provider failed with `{code}`, try again in {} ms", retry_after.as_millis())]
    Remembered {
        /// The OAuth 2.0 error code, or `unavailable`.
        code: String,
        /// When it will be asked again.
        retry_after: Duration,
    },
    /// The circuit of the provider is open.
    #[error("the identity provider was not asked")]
    Open(#[source] CircuitOpen),
    /// An API rejected the token, which had been renewed for that reason just before.
    #[error("the token was rejected and has only just been renewed, try again in {} ms", retry_after.as_millis())]
    RejectedTooOften {
        /// When it may be renewed again.
        retry_after: Duration,
    },
    /// The client's own credentials could not be had.
    #[error("the client's credentials could not be read")]
    Credentials(#[source] Arc<dyn Error + Send + Sync>),
    /// The invocation has no time left to wait for a token.
    #[error("no token in time")]
    Deadline(#[source] DeadlineExceeded),
}

impl TokenError {
    /// When it makes sense to ask again, if that is known.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Remembered { retry_after, .. } | Self::RejectedTooOften { retry_after } => {
                Some(*retry_after)
            }
            Self::Open(open) => Some(open.retry_after),
            Self::Grant(error) => error.retry_after(),
            Self::KeyInUse { .. } | Self::Credentials(_) | Self::Deadline(_) => None,
        }
    }
}
