//! The client-credentials grant: one request to the identity provider.

mod assertion;
mod discovered;
mod discovery;
mod endpoint;
mod error;
mod http;
mod reply;

use std::{fmt, time::Duration};

use async_trait::async_trait;
use funcify_core::{Timestamp, token::AccessToken};

pub(super) use endpoint::parse as parse_endpoint;
pub use error::GrantError;
pub(super) use http::HttpGrant;
pub(super) use reply::ReplyError;

use crate::token::authentication::ClientSecret;
use crate::token::credentials::ClientCredentials;

/// Asks the identity provider for a token, once.
///
/// Unless [`TokenGetterBuilder::grant`](super::TokenGetterBuilder::grant) says otherwise, the getter
/// sends one `POST` to the token endpoint (RFC 6749 §4.4.2). Implement this trait for a provider
/// that speaks another protocol, or for a test.
///
/// # Contract
///
/// - One attempt: no retry, no cache, no circuit. The getter does all three.
/// - It needs no time limit of its own: the getter ends it.
/// - No error contains a secret or a token.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use funcify::ClientCredentials;
/// use funcify::token::{AccessToken, ClientSecret, Grant, GrantError, Granted};
///
/// #[derive(Debug)]
/// struct Sidecar;
///
/// #[async_trait::async_trait]
/// impl Grant for Sidecar {
///     async fn grant(
///         &self,
///         credentials: &ClientCredentials,
///         _: Option<&ClientSecret>,
///     ) -> Result<Granted, GrantError> {
///         if credentials.client_id != "warehouse" {
///             return Err(GrantError::Refused { status: 401, code: "invalid_client".to_owned() });
///         }
///         let mut granted = Granted::from(AccessToken::from("2YotnFZFEjr1zCsicMWpAA"));
///         granted.expires_in = Some(Duration::from_secs(3_600));
///         Ok(granted)
///     }
/// }
/// ```
#[async_trait]
pub trait Grant: fmt::Debug + Send + Sync + 'static {
    /// Asks for a token with `credentials`. `secret` proves the client's identity, if the method of
    /// authentication has one.
    ///
    /// # Errors
    ///
    /// [`GrantError`]: its variant says whether the provider failed or refused.
    async fn grant(
        &self,
        credentials: &ClientCredentials,
        secret: Option<&ClientSecret>,
    ) -> Result<Granted, GrantError>;
}

/// A token as the provider granted it. Created from an [`AccessToken`] by `From`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Granted {
    /// The token: visible ASCII, so that it fits into a header.
    pub token: AccessToken,
    /// How long it lives from the request on, if the provider stated it: at least 1 s. Otherwise the
    /// `exp` of a JWT counts, then
    /// [`TokenPolicy::default_lifetime`](super::TokenPolicy::default_lifetime).
    pub expires_in: Option<Duration>,
    /// The granted scope, separated by spaces, if the provider stated it.
    pub scope: Option<String>,
    /// When it was granted by the provider's own clock: the `Date` of its response (RFC 9110
    /// §6.6.1). If the clock of this process is ahead of it, the fleet goes by the provider's clock.
    /// Without it, a token of a process whose clock is ahead by more than 30 s may be used after its
    /// end by so much.
    pub issued_at: Option<Timestamp>,
}

impl From<AccessToken> for Granted {
    fn from(token: AccessToken) -> Self {
        Self { token, expires_in: None, scope: None, issued_at: None }
    }
}
