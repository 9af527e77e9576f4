use std::{error::Error, sync::Arc, time::Duration};

use funcify_core::{DeadlineExceeded, circuit::CircuitOpen};

use crate::token::grant::GrantError;

/// Why there is no token.
///
/// If the circuit of the provider is open, [`CircuitOpen`] is in the chain of [`source`](Error::source).
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use funcify::token::TokenError;
///
/// let retry_after = Duration::from_secs(2);
/// let error = TokenError::Remembered { code: "unavailable".to_owned(), retry_after };
/// assert_eq!(error.retry_after(), Some(retry_after));
/// ```
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The identity provider was asked and granted no token.
    #[error("the identity provider granted no token")]
    Grant(#[source] Arc<GrantError>),
    /// The identity provider refused or failed a moment ago, for this process or another one. The fleet
    /// does not ask it again before `retry_after` has passed.
    #[error("the identity provider failed with `{code}`, try again in {} ms", retry_after.as_millis())]
    Remembered {
        /// The OAuth 2.0 error code (RFC 6749 §5.2), or one of `unavailable`, `unusable_answer`,
        /// `not_signed`, `circuit_open` and `http_401`.
        code: String,
        /// How long until the provider may be asked again.
        retry_after: Duration,
    },
    /// The circuit of the identity provider is open, so the provider was not asked.
    #[error("the identity provider was not asked, because its circuit is open")]
    Open(#[source] CircuitOpen),
    /// An API rejected a token, but the fleet replaced a rejected token less than 30 s ago.
    #[error("the token was rejected, but the fleet has just replaced it, try again in {} ms", retry_after.as_millis())]
    RejectedTooOften {
        /// How long until the token may be replaced again.
        retry_after: Duration,
    },
    /// The client's secret could not be read from its [`SecretSource`](super::SecretSource).
    #[error("the client's secret could not be read")]
    Credentials(#[source] Arc<dyn Error + Send + Sync>),
    /// The caller's time was up before there was a token.
    #[error("no token in time")]
    Deadline(#[source] DeadlineExceeded),
}

impl TokenError {
    /// How long to wait before you ask for the token again, if that is known.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Remembered { retry_after, .. } | Self::RejectedTooOften { retry_after } => {
                Some(*retry_after)
            }
            Self::Open(open) => Some(open.retry_after),
            Self::Grant(error) => error.retry_after(),
            Self::Credentials(_) | Self::Deadline(_) => None,
        }
    }

    pub(super) fn out_of_time() -> Self {
        Self::Deadline(DeadlineExceeded)
    }
}
