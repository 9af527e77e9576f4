//! The client that asks for a token, and the token that it asks for.

mod digest;
mod environment;

use std::fmt;

use crate::shown_url::shown;
use crate::token::authentication::ClientAuthentication;

/// Where to ask for tokens: an https URL, or a plain http URL of a loopback host.
///
/// [`TokenGetterBuilder::build`](super::TokenGetterBuilder::build) refuses a URL with another scheme, a
/// user name, a password or a fragment.
#[derive(Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// The URL of the token endpoint.
    TokenUrl(String),
    /// The URL of the issuer. The getter finds the token endpoint in the issuer's metadata, which it reads
    /// once (OpenID Connect Discovery 1.0 §4, otherwise RFC 8414 §3).
    Issuer(String),
}

impl fmt::Debug for Endpoint {
    /// Hides the parts of the URL that may be secret: until `build` checks it, it may contain a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, url) = match self {
            Self::TokenUrl(url) => ("TokenUrl", url),
            Self::Issuer(url) => ("Issuer", url),
        };
        f.debug_tuple(what).field(&shown(url)).finish()
    }
}

/// The client that asks for a token, and the token that it asks for: the client-credentials grant
/// (RFC 6749 §4.4).
///
/// `endpoint`, `client_id` and `authentication` are required. All other fields are optional.
///
/// The required fields, `scope`, `audience`, `resources` and `parameters` determine the token. If two
/// functions use one key and differ in these, the second one shares its token under another key and logs a
/// warning. Rotating a secret changes nothing.
///
/// # Examples
///
/// ```
/// use funcify::token::{ClientCredentials, ClientSecret, Endpoint};
///
/// let mut credentials = ClientCredentials::new(
///     Endpoint::TokenUrl("https://login.example/oauth/token".to_owned()),
///     "warehouse",
///     ClientSecret::from("canary"),
/// );
/// credentials.scope = Some("orders:read orders:write".to_owned());
/// credentials.audience = Some("https://api.example".to_owned());
/// assert!(!format!("{credentials:?}").contains("canary"));
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct ClientCredentials {
    /// The key under which the fleet shares the token: 1 to 64 of the characters `A-Z a-z 0-9 _ . -`.
    /// [`TokenGetterBuilder::key`](super::TokenGetterBuilder::key) overrides it. Default: `BEARER_TOKEN`.
    pub key: Option<String>,
    /// Certificate authorities to trust in addition to Mozilla's, as a list of PEM certificates: for a
    /// provider whose certificate is from your own authority. Default: none.
    pub root_certificates: Vec<u8>,
    /// Where to ask for the token.
    pub endpoint: Endpoint,
    /// The client's id.
    pub client_id: String,
    /// How the client proves its identity.
    pub authentication: ClientAuthentication,
    /// The scopes to ask for, separated by spaces (RFC 6749 §3.3). Default: none, so the provider chooses.
    pub scope: Option<String>,
    /// The parameter `audience`, which Auth0 and some other providers require. Default: none.
    pub audience: Option<String>,
    /// The resources that the token is for (RFC 8707). Each is sent as one parameter `resource`.
    /// Default: none.
    pub resources: Vec<String>,
    /// Other parameters that the provider requires, as name and value. `Debug` shows only the names,
    /// because a value may be a secret. Default: none.
    pub parameters: Vec<(String, String)>,
    /// Values of `token_type` that the getter accepts in addition to `Bearer`, in any case: for a provider
    /// that gives its bearer tokens another name. An empty text accepts a response without `token_type`.
    /// Default: none.
    pub accepted_types: Vec<String>,
    /// The `aud` of the assertion of `private_key_jwt` (RFC 7523 §3).
    ///
    /// Default: with [`Endpoint::Issuer`], the issuer as its metadata states it; with
    /// [`Endpoint::TokenUrl`], that URL. Set it if your provider expects another text. Okta, Entra and
    /// AD FS, for example, expect the URL of the token endpoint, or a text of their own.
    pub assertion_audience: Option<String>,
}

impl ClientCredentials {
    /// The credentials of the client `client_id` at `endpoint`. All other fields are empty.
    ///
    /// As `authentication`, pass a [`ClientSecret`](super::ClientSecret) or another
    /// [`SecretSource`](super::SecretSource) for [`ClientAuthentication::Basic`], or any [`ClientAuthentication`].
    pub fn new(
        endpoint: Endpoint,
        client_id: impl Into<String>,
        authentication: impl Into<ClientAuthentication>,
    ) -> Self {
        Self {
            key: None,
            root_certificates: Vec::new(),
            endpoint,
            client_id: client_id.into(),
            authentication: authentication.into(),
            scope: None,
            audience: None,
            resources: Vec::new(),
            parameters: Vec::new(),
            accepted_types: Vec::new(),
            assertion_audience: None,
        }
    }

    /// The parameters of the token request, without those that prove the client's identity.
    pub(super) fn form(&self) -> Vec<(&str, &str)> {
        let mut form = vec![("grant_type", "client_credentials")];
        form.extend(self.scope.as_deref().map(|scope| ("scope", scope)));
        form.extend(self.audience.as_deref().map(|audience| ("audience", audience)));
        form.extend(self.resources.iter().map(|resource| ("resource", resource.as_str())));
        form.extend(self.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        form
    }
}

impl fmt::Debug for ClientCredentials {
    /// Shows only the names of the extra parameters, because a value may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.parameters.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("ClientCredentials")
            .field("endpoint", &self.endpoint)
            .field("client_id", &self.client_id)
            .field("authentication", &self.authentication)
            .field("scope", &self.scope)
            .field("audience", &self.audience)
            .field("resources", &self.resources)
            .field("parameters", &names)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::authentication::ClientSecret;

    #[test]
    fn debug_shows_no_parameter_and_no_password_of_a_url() {
        let endpoint = Endpoint::TokenUrl("https://u:canary@login.example/token?canary".to_owned());
        let secret = ClientSecret::from("canary");
        let mut credentials = ClientCredentials::new(endpoint, "warehouse", secret);
        credentials.parameters.push(("client_secret".to_owned(), "canary".to_owned()));
        let shown = format!("{credentials:?}");
        assert!(shown.contains("login.example") && shown.contains("client_secret"), "{shown}");
        assert!(!shown.contains("canary"), "{shown}");
    }
}
