use std::{error::Error, time::Duration};

use funcify_core::circuit::CallOutcome;

/// Why the provider granted no token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GrantError {
    /// The provider could not be reached, or the connection broke.
    #[error("the identity provider could not be reached")]
    Unreachable(#[source] Box<dyn Error + Send + Sync>),
    /// The provider did not respond in time.
    #[error("the identity provider did not respond in time")]
    TimedOut,
    /// The provider cannot serve the request now: it responded with status 5xx, 408 or 429, with the error
    /// code `temporarily_unavailable`, `server_error` or `slow_down`, or with an error other than 401 that
    /// has no OAuth 2.0 error code.
    #[error("the identity provider responded with status {status}")]
    Unavailable {
        /// The HTTP status.
        status: u16,
        /// The `Retry-After` of the response. The fleet respects up to 60 s of it.
        retry_after: Option<Duration>,
    },
    /// The provider refused the request: the client, its secret or the requested scope is wrong. The getter
    /// does not ask again with the same secret for 60 s. The circuit does not count a refusal as a failure.
    #[error("the identity provider refused with {status} `{code}`")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The OAuth 2.0 error code (RFC 6749 §5.2), or `http_401` for a 401 without one.
        code: String,
    },
    /// The provider's response is not what RFC 6749 §5.1 specifies.
    #[error("the identity provider's response cannot be used")]
    Reply(#[source] Box<dyn Error + Send + Sync>),
    /// The metadata of the issuer names no token endpoint that can be used.
    #[error("the identity provider's metadata cannot be used")]
    Discovery(#[source] Box<dyn Error + Send + Sync>),
    /// The client's assertion could not be signed.
    #[error("the client's assertion could not be signed")]
    Signature(#[source] Box<dyn Error + Send + Sync>),
}

impl GrantError {
    /// The code that the fleet remembers: the OAuth 2.0 error code, or one of ours.
    pub(in crate::token) fn code(&self) -> &str {
        match self {
            Self::Refused { code, .. } => code,
            Self::Signature(_) => "not_signed",
            Self::Reply(_) | Self::Discovery(_) => "unusable_answer",
            Self::Unreachable(_) | Self::TimedOut | Self::Unavailable { .. } => "unavailable",
        }
    }

    pub(in crate::token) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether asking again with the same credentials is pointless.
    pub(in crate::token) fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::Signature(_))
    }

    /// Whether the provider refused the client's secret, which may have been rotated.
    pub(in crate::token) fn is_invalid_client(&self) -> bool {
        matches!(self, Self::Refused { status: 401, .. })
            || matches!(self, Self::Refused { code, .. } if code == "invalid_client")
    }

    /// How the provider's circuit counts the error. A refusal says nothing about the provider's health.
    pub(in crate::token) fn outcome(&self) -> CallOutcome {
        match self {
            _ if self.is_refusal() => CallOutcome::Neutral,
            Self::Unavailable { retry_after: Some(time), .. } => CallOutcome::RetryAfter(*time),
            _ => CallOutcome::Failure,
        }
    }
}
