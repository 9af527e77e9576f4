//! Who asks for a token, and for which one.

use std::fmt;

use aws_lc_rs::{digest, hmac};

use crate::token::authentication::{ClientAuthentication, ClientSecret};

/// Where tokens are asked for.
#[derive(Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// The token endpoint itself.
    TokenUrl(String),
    /// The issuer, whose metadata names the token endpoint (RFC 8414, OpenID Connect Discovery).
    Issuer(String),
}

impl fmt::Debug for Endpoint {
    /// The host only: a URL that has a password in it is refused later, and may be shown before.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, url) = match self {
            Self::TokenUrl(url) => ("TokenUrl", url),
            Self::Issuer(url) => ("Issuer", url),
        };
        let url = url::Url::parse(url).ok();
        f.debug_tuple(what).field(&url.as_ref().and_then(url::Url::host_str)).finish()
    }
}

/// Who asks for a token, and for which one: the client-credentials grant (RFC 6749 §4.4).
///
/// # Examples
///
/// ```
/// use funcify::token::{ClientAuthentication, ClientCredentials, ClientSecret, Endpoint};
///
/// let credentials = ClientCredentials::new(
///     Endpoint::TokenUrl("https://login.example/oauth/token".to_owned()),
///     "warehouse",
///     ClientAuthentication::basic(ClientSecret::new("canary")),
/// )
/// .with_scope("orders:read orders:write")
/// .with_audience("https://api.example");
/// assert!(!format!("{credentials:?}").contains("canary"));
/// ```
#[derive(Clone)]
pub struct ClientCredentials {
    pub(super) endpoint: Endpoint,
    pub(super) client_id: String,
    pub(super) authentication: ClientAuthentication,
    pub(super) scope: Option<String>,
    pub(super) audience: Option<String>,
    pub(super) resources: Vec<String>,
    pub(super) parameters: Vec<(String, String)>,
    pub(super) plain_http_on_loopback: bool,
}

impl ClientCredentials {
    /// The credentials of `client_id` at `endpoint`.
    pub fn new(
        endpoint: Endpoint,
        client_id: impl Into<String>,
        authentication: ClientAuthentication,
    ) -> Self {
        Self {
            endpoint,
            client_id: client_id.into(),
            authentication,
            scope: None,
            audience: None,
            resources: Vec::new(),
            parameters: Vec::new(),
            plain_http_on_loopback: false,
        }
    }

    /// Reads `FUNCIFY_TOKEN_URL` or `FUNCIFY_ISSUER`, `FUNCIFY_CLIENT_ID`, `FUNCIFY_CLIENT_SECRET`
    /// (sent as `client_secret_basic`), `FUNCIFY_SCOPE` and `FUNCIFY_AUDIENCE`.
    ///
    /// # Errors
    ///
    /// [`CredentialsError`] with every variable that is missing, or if both endpoint and issuer are set.
    pub fn from_env() -> Result<Self, CredentialsError> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    /// The same from a function that looks variables up.
    ///
    /// # Errors
    ///
    /// [`CredentialsError`] with every variable that is missing, or if both endpoint and issuer are set.
    ///
    /// # Examples
    ///
    /// ```
    /// use funcify::token::ClientCredentials;
    ///
    /// let error = ClientCredentials::from_variables(|name| {
    ///     (name == "FUNCIFY_CLIENT_ID").then(|| "warehouse".to_owned())
    /// })
    /// .unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "expected the variables either FUNCIFY_TOKEN_URL or FUNCIFY_ISSUER, FUNCIFY_CLIENT_SECRET"
    /// );
    /// ```
    pub fn from_variables(
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, CredentialsError> {
        let given = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let endpoint = match (given("FUNCIFY_TOKEN_URL"), given("FUNCIFY_ISSUER")) {
            // Which of two is meant nobody can tell.
            (Some(_), Some(_)) => None,
            (Some(url), None) => Some(Endpoint::TokenUrl(url)),
            (None, issuer) => issuer.map(Endpoint::Issuer),
        };
        let (client_id, secret) = (given("FUNCIFY_CLIENT_ID"), given("FUNCIFY_CLIENT_SECRET"));
        let (Some(endpoint), Some(client_id), Some(secret)) = (&endpoint, &client_id, &secret)
        else {
            let missing = [
                ("either FUNCIFY_TOKEN_URL or FUNCIFY_ISSUER", endpoint.is_none()),
                ("FUNCIFY_CLIENT_ID", client_id.is_none()),
                ("FUNCIFY_CLIENT_SECRET", secret.is_none()),
            ];
            let missing = missing.into_iter().filter_map(|(name, is)| is.then_some(name)).collect();
            return Err(CredentialsError { missing });
        };
        let authentication = ClientAuthentication::basic(ClientSecret::new(secret));
        let mut credentials = Self::new(endpoint.clone(), client_id, authentication);
        credentials.scope = given("FUNCIFY_SCOPE");
        credentials.audience = given("FUNCIFY_AUDIENCE");
        Ok(credentials)
    }

    /// Asks for these scopes, separated by spaces.
    #[must_use]
    pub fn with_scope(self, scope: impl Into<String>) -> Self {
        Self { scope: Some(scope.into()), ..self }
    }

    /// Asks for a token for this audience (`audience`, as Auth0 and others name it).
    #[must_use]
    pub fn with_audience(self, audience: impl Into<String>) -> Self {
        Self { audience: Some(audience.into()), ..self }
    }

    /// Asks for a token for this resource; may be repeated (RFC 8707).
    #[must_use]
    pub fn with_resource(mut self, resource: impl Into<String>) -> Self {
        self.resources.push(resource.into());
        self
    }

    /// Sends another parameter that this provider wants.
    #[must_use]
    pub fn with_parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.parameters.push((name.into(), value.into()));
        self
    }

    /// Allows `http:` to a provider on this machine: for tests and local runs.
    #[must_use]
    pub fn with_plain_http_on_loopback(self) -> Self {
        Self { plain_http_on_loopback: true, ..self }
    }

    /// The form that asks for the token, without what proves who asks.
    pub(super) fn form(&self) -> Vec<(&str, &str)> {
        let mut form = vec![("grant_type", "client_credentials")];
        form.extend(self.scope.as_deref().map(|scope| ("scope", scope)));
        form.extend(self.audience.as_deref().map(|audience| ("audience", audience)));
        form.extend(self.resources.iter().map(|resource| ("resource", resource.as_str())));
        form.extend(self.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        form
    }

    /// The first 32 hexadecimal digits of the SHA-256 over all that shapes the token.
    pub(super) fn digest(&self) -> String {
        let mut hash = digest::Context::new(&digest::SHA256);
        let mut member = |text: &str| {
            // With its length, so that no two different lists run together into one text.
            hash.update(&(text.len() as u64).to_be_bytes());
            hash.update(text.as_bytes());
        };
        match &self.endpoint {
            Endpoint::TokenUrl(url) => member(url),
            Endpoint::Issuer(issuer) => member(issuer),
        }
        member(&self.client_id);
        member(self.authentication.method());
        for (name, value) in self.form() {
            member(name);
            member(value);
        }
        hex(hash.finish().as_ref(), 16)
    }

    /// A 4-byte keyed digest of the secret at hand: which failures bind this client.
    pub(super) fn fingerprint(&self, secret: Option<&ClientSecret>) -> String {
        let key = match (&self.authentication, secret) {
            (ClientAuthentication::PrivateKeyJwt(signer), _) => signer.key_id().unwrap_or(""),
            (_, Some(secret)) => secret.expose(),
            (_, None) => "",
        };
        let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
        hex(hmac::sign(&key, self.digest().as_bytes()).as_ref(), 4)
    }
}

fn hex(bytes: &[u8], take: usize) -> String {
    bytes.iter().take(take).map(|byte| format!("{byte:02x}")).collect()
}

impl fmt::Debug for ClientCredentials {
    /// Of the extra parameters the names only: one of them may be a secret.
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

/// Variables are missing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected the variables {}", missing.join(", "))]
pub struct CredentialsError {
    missing: Vec<&'static str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(secret: &str) -> ClientCredentials {
        ClientCredentials::new(
            Endpoint::TokenUrl("https://login.example/token".to_owned()),
            "warehouse",
            ClientAuthentication::basic(ClientSecret::new(secret)),
        )
    }

    #[test]
    fn whatever_shapes_the_token_changes_the_digest_and_the_secret_does_not() {
        let plain = credentials("one").digest();
        assert_eq!(plain.len(), 32);
        assert_eq!(plain, credentials("two").digest());
        let others = [
            credentials("one").with_scope("a"),
            credentials("one").with_audience("a"),
            credentials("one").with_resource("a"),
            credentials("one").with_parameter("a", "b"),
            credentials("one").with_parameter("ab", ""),
        ];
        let mut digests: Vec<_> = others.iter().map(ClientCredentials::digest).collect();
        digests.push(plain);
        digests.sort();
        digests.dedup();
        assert_eq!(digests.len(), 6);
    }

    #[test]
    fn an_endpoint_and_an_issuer_contradict_each_other() {
        let given = |name: &str| match name {
            "FUNCIFY_TOKEN_URL" => Some("https://login.example/token".to_owned()),
            "FUNCIFY_ISSUER" => Some("https://login.example".to_owned()),
            other => other.starts_with("FUNCIFY_CLIENT").then(|| "warehouse".to_owned()),
        };
        let error = ClientCredentials::from_variables(given).unwrap_err().to_string();
        assert_eq!(error, "expected the variables either FUNCIFY_TOKEN_URL or FUNCIFY_ISSUER");
        assert!(
            ClientCredentials::from_variables(
                |name| given(name).filter(|_| name != "FUNCIFY_ISSUER")
            )
            .is_ok()
        );
    }

    #[test]
    fn no_parameter_and_no_password_of_a_url_is_shown() {
        let endpoint = Endpoint::TokenUrl("https://u:canary@login.example/token?canary".to_owned());
        let method = ClientAuthentication::basic(ClientSecret::new("canary"));
        let credentials = ClientCredentials::new(endpoint, "warehouse", method)
            .with_parameter("client_secret", "canary");
        let shown = format!("{credentials:?}");
        assert!(shown.contains("login.example") && shown.contains("client_secret"), "{shown}");
        assert!(!shown.contains("canary"), "{shown}");
    }

    #[test]
    fn two_secrets_have_two_fingerprints_and_neither_is_shown() {
        let print = |secret: &str| {
            let secret = ClientSecret::new(secret);
            credentials("any").fingerprint(Some(&secret))
        };
        assert_eq!(print("one").len(), 8);
        assert_eq!(print("one"), print("one"));
        assert_ne!(print("one"), print("two"));
        assert!(!format!("{:?}", credentials("canary")).contains("canary"));
    }
}
