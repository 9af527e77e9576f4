//! The client-credentials grant: one request to the identity provider.

mod assertion;
mod discovery;
mod endpoint;
mod http;
mod reply;

use std::{fmt, time::Duration};

use async_trait::async_trait;
use funcify_core::{circuit::CallOutcome, token::AccessToken};

pub use assertion::{PrivateKey, PrivateKeyError};
pub use endpoint::EndpointError;
pub(super) use endpoint::parse as check_endpoint;
pub use http::HttpGrant;
pub use reply::ReplyFault;

use crate::token::authentication::{BoxError, ClientSecret};
use crate::token::credentials::ClientCredentials;

/// Asks for a token, once. [`HttpGrant`] asks an identity provider; a simulation has its own.
///
/// # Contract
///
/// - One attempt: no retry, no cache, no circuit. The getter sees to all three.
/// - Its own limit on time is optional: the getter ends it.
/// - No error shows a secret or a token.
#[async_trait]
pub trait Grant: fmt::Debug + Send + Sync + 'static {
    /// Asks for a token with `credentials`, proving who asks with `secret` where there is one.
    ///
    /// # Errors
    ///
    /// [`GrantError`], classified: whether the provider failed or refused.
    async fn grant(
        &self,
        credentials: &ClientCredentials,
        secret: Option<&ClientSecret>,
    ) -> Result<Granted, GrantError>;
}

/// A token as the provider granted it.
#[derive(Clone, Debug, PartialEq)]
pub struct Granted {
    /// The token: visible ASCII, so that it fits into a header.
    pub token: AccessToken,
    /// How long it lives, if the provider said so.
    pub expires_in: Option<Duration>,
    /// The granted scope, if the provider said so.
    pub scope: Option<String>,
}

/// Why the provider gave no token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GrantError {
    /// The provider could not be reached, or the connection broke.
    #[error("the identity provider could not be reached")]
    Unreachable(#[source] BoxError),
    /// It did not answer in time.
    #[error("the identity provider did not answer in time")]
    TimedOut,
    /// It answered that it cannot serve now: 5xx, 429.
    #[error("the identity provider answered {status}")]
    Unavailable {
        /// The HTTP status.
        status: u16,
        /// How long it asked to be left alone.
        retry_after: Option<Duration>,
    },
    /// It refused: the client, its secret or what it asked for is wrong.
    #[error("the identity provider refused with {status} `{code}`")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The OAuth 2.0 error code (RFC 6749 §5.2), or `http_` and the status.
        code: String,
    },
    /// Its answer is not what RFC 6749 §5.1 says.
    #[error("the identity provider's answer cannot be used")]
    Reply(#[source] ReplyFault),
    /// Its metadata names no token endpoint that can be used.
    #[error("the identity provider's metadata cannot be used")]
    Discovery(#[source] BoxError),
    /// The client's assertion could not be signed.
    #[error("the client's assertion could not be signed")]
    Signature(#[source] BoxError),
}

impl GrantError {
    /// The OAuth 2.0 error code, or `unavailable`: what the fleet remembers.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Refused { code, .. } => code,
            Self::Signature(_) => "not_signed",
            Self::Reply(_) | Self::Discovery(_) => "unusable_answer",
            Self::Unreachable(_) | Self::TimedOut | Self::Unavailable { .. } => "unavailable",
        }
    }

    /// How long the provider asked to be left alone.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether asking again with the same credentials is pointless.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::Signature(_))
    }

    /// Whether it was the client's secret that was refused: it may have been rotated.
    #[must_use]
    pub fn is_invalid_client(&self) -> bool {
        matches!(self, Self::Refused { status: 401, .. })
            || matches!(self, Self::Refused { code, .. } if code == "invalid_client")
    }

    /// What it means for the provider's circuit: a refusal says nothing about its health.
    #[must_use]
    pub fn outcome(&self) -> CallOutcome {
        if self.is_refusal() { CallOutcome::Neutral } else { CallOutcome::Failure }
    }
}
