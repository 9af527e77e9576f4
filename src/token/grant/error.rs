use std::{error::Error, time::Duration};

use funcify_core::circuit::CallOutcome;

/// The provider granted no token, and why.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GrantError {
    /// The provider could not be reached, or the connection broke.
    #[error("the identity provider could not be reached")]
    Unreachable(#[source] Box<dyn Error + Send + Sync>),
    /// It did not respond in time.
    #[error("the identity provider did not respond in time")]
    TimedOut,
    /// It responded that it cannot serve now: 5xx, 429.
    #[error("the identity provider responded with status {status}")]
    Unavailable {
        /// The HTTP status.
        status: u16,
        /// Its `Retry-After`. The fleet keeps to it for up to 60 s.
        retry_after: Option<Duration>,
    },
    /// It refused: the client, its secret or what it asked for is wrong. The getter does not ask
    /// again with the same credentials for 60 s, and the refusal does not count against the circuit.
    #[error("the identity provider refused with {status} `{code}`")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The OAuth 2.0 error code (RFC 6749 §5.2), or `http_` and the status.
        code: String,
    },
    /// Its response is not what RFC 6749 §5.1 specifies.
    #[error("the identity provider's response cannot be used")]
    Reply(#[source] Box<dyn Error + Send + Sync>),
    /// Its metadata names no token endpoint that can be used.
    #[error("the identity provider's metadata cannot be used")]
    Discovery(#[source] Box<dyn Error + Send + Sync>),
    /// The client's assertion could not be signed.
    #[error("the client's assertion could not be signed")]
    Signature(#[source] Box<dyn Error + Send + Sync>),
}

impl GrantError {
    /// The OAuth 2.0 error code, or `unavailable`: what the fleet remembers.
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

    /// Whether it was the client's secret that was refused: it may have been rotated.
    pub(in crate::token) fn is_invalid_client(&self) -> bool {
        matches!(self, Self::Refused { status: 401, .. })
            || matches!(self, Self::Refused { code, .. } if code == "invalid_client")
    }

    /// What it means for the provider's circuit: a refusal says nothing about the provider's health.
    pub(in crate::token) fn outcome(&self) -> CallOutcome {
        match self {
            _ if self.is_refusal() => CallOutcome::Neutral,
            Self::Unavailable { retry_after: Some(time), .. } => CallOutcome::RetryAfter(*time),
            _ => CallOutcome::Failure,
        }
    }
}
