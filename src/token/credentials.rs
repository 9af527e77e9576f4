//! The client that asks for a token, and the token that it asks for.

use std::{error::Error, fmt};

use aws_lc_rs::{digest, hmac};

use crate::client::check_certificates;
use crate::config_error::ConfigError;
use crate::error_chain;
use crate::shown_url::shown;
use crate::token::authentication::{ClientAuthentication, ClientSecret};
use crate::token::stored_secret::StoredSecret;
use crate::variables;

/// The variable with the path of a file of certificate authorities.
const CA_FILE: &str = "FUNCIFY_CA_FILE";

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
    /// As `authentication`, pass a [`ClientSecret`] or another [`SecretSource`](super::SecretSource) for
    /// [`ClientAuthentication::Basic`], or any [`ClientAuthentication`].
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

    /// Reads the credentials from the environment.
    ///
    /// | variable | |
    /// |---|---|
    /// | `FUNCIFY_TOKEN_URL` or `FUNCIFY_ISSUER` | [`endpoint`](Self::endpoint); exactly one of them |
    /// | `FUNCIFY_CLIENT_ID` | required: [`client_id`](Self::client_id) |
    /// | `FUNCIFY_CLIENT_SECRET` | required: the secret, or its URL: `secretsmanager://NAME` or `ssm://NAME`; sent as `client_secret_basic` |
    /// | `FUNCIFY_SCOPE`, `FUNCIFY_AUDIENCE` | optional: [`scope`](Self::scope), [`audience`](Self::audience) |
    /// | `FUNCIFY_TOKEN_KEY` | optional: [`key`](Self::key) |
    /// | `FUNCIFY_CA_FILE` | optional: the path of a file with [`root_certificates`](Self::root_certificates) |
    ///
    /// A blank variable counts as not set.
    ///
    /// A secret in Secrets Manager or Parameter Store is read when it is first needed, and again when the
    /// provider refuses it. So a rotation needs no deployment. If the AWS Parameters and Secrets Lambda
    /// Extension runs, the secret is read from it. The extension caches a secret for `SECRETS_MANAGER_TTL` or
    /// `SSM_PARAMETER_STORE_TTL` (300 s unless set), and returns the old secret until then. Without the
    /// extension, the AWS SDK reads the secret, which needs the feature `secrets` of funcify.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Faults`] with every variable that is missing or cannot be used, or if both endpoints
    /// are set. [`ConfigError::Invalid`] if the name of a `FUNCIFY_` variable looks like a typing error.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use funcify::{ClientCredentials, Stores, TokenGetter};
    ///
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let stores = Stores::from_env().await?;
    /// let credentials = ClientCredentials::from_env()?;
    /// let getter = TokenGetter::builder(credentials, stores.tokens.clone()).build()?;
    /// # let _ = getter;
    /// # Ok(())
    /// # }
    /// ```
    pub fn from_env() -> Result<Self, ConfigError> {
        variables::check(variables::names())?;
        Self::from_variables(|name| std::env::var(name).ok())
    }

    fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let given = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let mut faults = Vec::new();
        let mut required = |name: &str| {
            let value = given(name);
            if value.is_none() {
                faults.push(format!("{name} is not set"));
            }
            value.unwrap_or_default()
        };
        let client_id = required("FUNCIFY_CLIENT_ID");
        let secret = required("FUNCIFY_CLIENT_SECRET");
        let stored = StoredSecret::named(&secret, &variable).transpose();
        faults.extend(stored.as_ref().err().cloned());
        let endpoint = match (given("FUNCIFY_TOKEN_URL"), given("FUNCIFY_ISSUER")) {
            (Some(url), None) => Endpoint::TokenUrl(url),
            (None, Some(issuer)) => Endpoint::Issuer(issuer),
            (url, _) => {
                let fault = match url {
                    Some(_) => {
                        "FUNCIFY_TOKEN_URL and FUNCIFY_ISSUER are both set: remove one of them"
                    }
                    None => "neither FUNCIFY_TOKEN_URL nor FUNCIFY_ISSUER is set: set one of them",
                };
                faults.push(fault.to_owned());
                return Err(ConfigError::token(faults));
            }
        };
        let root_certificates = given(CA_FILE).map(|path| certificates(&path)).transpose();
        faults.extend(root_certificates.as_ref().err().cloned());
        if !faults.is_empty() {
            return Err(ConfigError::token(faults));
        }
        let authentication = match stored.ok().flatten() {
            Some(stored) => ClientAuthentication::from(stored),
            None => ClientSecret::from(secret).into(),
        };
        let mut credentials = Self::new(endpoint, client_id, authentication);
        credentials.scope = given("FUNCIFY_SCOPE");
        credentials.audience = given("FUNCIFY_AUDIENCE");
        credentials.key = given("FUNCIFY_TOKEN_KEY");
        credentials.root_certificates = root_certificates.ok().flatten().unwrap_or_default();
        Ok(credentials)
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

    /// The digest of everything that determines the token, in a canonical form: scopes and resources are
    /// sorted, and spaces around a text and the issuer's final slash are removed. Credentials that differ
    /// only in these get the same token.
    pub(super) fn meaning(&self) -> String {
        let trimmed = |text: &String| text.trim().to_owned();
        let set = |mut words: Vec<String>| {
            words.sort();
            words.dedup();
            words
        };
        let words = |text: &String| text.split_whitespace().map(str::to_owned).collect();
        let scope = self.scope.as_ref().map(words).map(set);
        let canonical = Self {
            endpoint: match &self.endpoint {
                Endpoint::TokenUrl(url) => Endpoint::TokenUrl(trimmed(url)),
                Endpoint::Issuer(issuer) => {
                    let issuer = issuer.trim();
                    Endpoint::Issuer(issuer.trim_end_matches('/').to_owned())
                }
            },
            client_id: trimmed(&self.client_id),
            scope: scope.map(|scope| scope.join(" ")).filter(|scope| !scope.is_empty()),
            audience: self.audience.as_ref().map(trimmed),
            resources: set(self.resources.iter().map(trimmed).collect()),
            ..self.clone()
        };
        canonical.digest()
    }

    /// The digest of everything that determines the token, as it was configured: the first 32 hexadecimal
    /// digits of a SHA-256.
    pub(super) fn digest(&self) -> String {
        let mut hash = digest::Context::new(&digest::SHA256);
        let mut member = |text: &str| {
            // The length comes first, so that no two lists hash the same bytes.
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

    /// A keyed digest of the secret, 4 bytes long. The record of a refusal contains it, and the refusal
    /// applies only to processes with the same digest. With so few bytes, nobody can confirm a guessed
    /// secret.
    pub(super) fn fingerprint(&self, secret: Option<&ClientSecret>) -> String {
        let key_id;
        let key = match (&self.authentication, secret) {
            (ClientAuthentication::PrivateKeyJwt(signer), _) => {
                key_id = signer.header().into_iter().find(|(name, _)| name == "kid");
                key_id.as_ref().map_or("", |(_, value)| value)
            }
            (_, Some(secret)) => secret.expose(),
            (_, None) => "",
        };
        let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
        hex(hmac::sign(&key, self.digest().as_bytes()).as_ref(), 4)
    }
}

/// Reads the certificates in the file at `path`, or says what is wrong with them.
fn certificates(path: &str) -> Result<Vec<u8>, String> {
    let read = || -> Result<_, Box<dyn Error>> {
        let pem = std::fs::read(path)?;
        check_certificates(&pem)?;
        Ok(pem)
    };
    read().map_err(|error| format!("{CA_FILE}: the file {path}: {}", error_chain(&*error)))
}

fn hex(bytes: &[u8], take: usize) -> String {
    bytes.iter().take(take).map(|byte| format!("{byte:02x}")).collect()
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

    fn credentials(secret: &str) -> ClientCredentials {
        ClientCredentials::new(
            Endpoint::TokenUrl("https://login.example/token".to_owned()),
            "warehouse",
            ClientSecret::from(secret),
        )
    }

    #[test]
    fn the_digest_depends_on_all_that_determines_the_token_and_not_on_the_secret() {
        let plain = credentials("one").digest();
        assert_eq!(plain.len(), 32);
        assert_eq!(plain, credentials("two").digest());
        let changes: [fn(&mut ClientCredentials); 5] = [
            |credentials| credentials.scope = Some("a".to_owned()),
            |credentials| credentials.audience = Some("a".to_owned()),
            |credentials| credentials.resources.push("a".to_owned()),
            |credentials| credentials.parameters.push(("a".to_owned(), "b".to_owned())),
            |credentials| credentials.parameters.push(("ab".to_owned(), String::new())),
        ];
        let changed = |change: &fn(&mut ClientCredentials)| {
            let mut credentials = credentials("one");
            change(&mut credentials);
            credentials.digest()
        };
        let mut digests: Vec<_> = changes.iter().map(changed).collect();
        digests.push(plain);
        digests.sort();
        digests.dedup();
        assert_eq!(digests.len(), 6);
    }

    #[test]
    fn every_missing_variable_is_reported_and_so_are_two_endpoints() {
        let reported = |set: &[&str]| {
            let variable = |name: &str| set.contains(&name).then(|| "https://one".to_owned());
            ClientCredentials::from_variables(variable).map_err(|error| error.to_string())
        };
        let (id, secret) = ("FUNCIFY_CLIENT_ID", "FUNCIFY_CLIENT_SECRET");
        let (url, issuer) = ("FUNCIFY_TOKEN_URL", "FUNCIFY_ISSUER");
        assert_eq!(
            reported(&[id]).unwrap_err(),
            "invalid token configuration: FUNCIFY_CLIENT_SECRET is not set; \
             neither FUNCIFY_TOKEN_URL nor FUNCIFY_ISSUER is set: set one of them"
        );
        assert_eq!(
            reported(&[id, secret, url, issuer]).unwrap_err(),
            "invalid token configuration: \
             FUNCIFY_TOKEN_URL and FUNCIFY_ISSUER are both set: remove one of them"
        );
        assert!(reported(&[url]).unwrap_err().contains("FUNCIFY_CLIENT_ID is not set"));
        assert!(reported(&[id, secret, url]).is_ok() && reported(&[id, secret, issuer]).is_ok());
    }

    #[test]
    fn a_file_of_certificates_that_cannot_be_used_is_named_with_its_variable() {
        let read = |path: &str| {
            let variable = |name: &str| match name {
                CA_FILE => Some(path.to_owned()),
                "FUNCIFY_ISSUER" => None,
                _ => Some("https://one".to_owned()),
            };
            ClientCredentials::from_variables(variable).map_err(|error| error.to_string())
        };
        let missing = read("/nowhere/ca.pem").unwrap_err();
        assert!(missing.contains("FUNCIFY_CA_FILE: the file /nowhere/ca.pem: "), "{missing}");
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        let other = read(manifest).unwrap_err();
        assert!(other.ends_with("Cargo.toml: expected certificates as PEM, found none"), "{other}");
    }

    #[test]
    fn the_meaning_has_sets_and_no_spaces_and_no_final_slash() {
        let with = |issuer: &str, scope: &str, resources: &[&str]| {
            let endpoint = Endpoint::Issuer(issuer.to_owned());
            let mut credentials =
                ClientCredentials::new(endpoint, "warehouse", ClientSecret::from("one"));
            credentials.scope = Some(scope.to_owned());
            credentials.resources = resources.iter().map(|one| (*one).to_owned()).collect();
            credentials
        };
        let plain = with("https://login.example", "a b", &["r", "s"]);
        assert_eq!(plain.meaning(), plain.digest(), "it is in the canonical form");
        for same in [
            with("https://login.example/", "a b", &["r", "s"]),
            with(" https://login.example\n", "b a", &["r", "s"]),
            with("https://login.example", " b  a a ", &["s", "r", "r"]),
        ] {
            assert_eq!(same.meaning(), plain.meaning(), "{same:?}");
            assert_ne!(same.digest(), plain.digest(), "{same:?}");
        }
        for other in [
            with("https://login.example", "a", &["r", "s"]),
            with("https://login.example", "a b", &["r"]),
            with("https://login.example/x", "a b", &["r", "s"]),
        ] {
            assert_ne!(other.meaning(), plain.meaning(), "{other:?}");
        }
    }

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

    #[test]
    fn two_secrets_have_two_fingerprints_and_neither_is_shown() {
        let print = |secret: &str| {
            let secret = ClientSecret::from(secret);
            credentials("any").fingerprint(Some(&secret))
        };
        assert_eq!(print("one").len(), 8);
        assert_eq!(print("one"), print("one"));
        assert_ne!(print("one"), print("two"));
        assert!(!format!("{:?}", credentials("canary")).contains("canary"));
    }
}
