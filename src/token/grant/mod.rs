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
/// By default, the getter sends one `POST` to the token endpoint (RFC 6749 §4.4.2). Implement this trait
/// for a provider that speaks another protocol, or for a test, and pass it to
/// [`TokenGetterBuilder::grant`](super::TokenGetterBuilder::grant).
///
/// # Contract
///
/// - Make one attempt. The getter retries, caches and applies the circuit.
/// - You need no time limit. The getter ends the attempt after
///   [`TokenPolicy::request_timeout`](super::TokenPolicy::request_timeout).
/// - No error may contain a secret or a token.
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
    /// Asks for a token with `credentials`. `secret` is the client's secret. It is `None` if the method of
    /// authentication has none.
    ///
    /// # Errors
    ///
    /// [`GrantError`]: choose the variant that says whether the provider failed or refused, because the
    /// getter acts on it.
    async fn grant(
        &self,
        credentials: &ClientCredentials,
        secret: Option<&ClientSecret>,
    ) -> Result<Granted, GrantError>;
}

/// The token that a provider granted. Create it from an [`AccessToken`] with `From`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Granted {
    /// The token: visible ASCII characters only, so that a header can contain it.
    pub token: AccessToken,
    /// How long the token lives, counted from the request, if the provider stated it: at least 1 s.
    ///
    /// If it is `None`, the lifetime is the `exp` of a JWT minus its `iat`, and otherwise
    /// [`TokenPolicy::default_lifetime`](super::TokenPolicy::default_lifetime).
    pub expires_in: Option<Duration>,
    /// The granted scopes, separated by spaces, if the provider stated them.
    pub scope: Option<String>,
    /// When the token was granted, by the provider's clock: the `Date` of its response (RFC 9110 §6.6.1).
    ///
    /// The fleet uses it to correct the times of a process whose clock is ahead. If it is `None` and that
    /// clock is ahead by more than 30 s, the fleet may use the token after its expiry, for as long as the
    /// clock is ahead.
    pub issued_at: Option<Timestamp>,
}

impl From<AccessToken> for Granted {
    fn from(token: AccessToken) -> Self {
        Self { token, expires_in: None, scope: None, issued_at: None }
    }
}
