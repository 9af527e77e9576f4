//! Who asks for a token, and for which one.

use std::{error::Error, fmt};

use aws_lc_rs::{digest, hmac};

use crate::client::check_certificates;
use crate::config_error::ConfigError;
use crate::error_chain;
use crate::shown_url::shown;
use crate::token::authentication::{ClientAuthentication, ClientSecret};
use crate::token::stored_secret::StoredSecret;
use crate::variables;

/// Names a file with certificate authorities.
const CA_FILE: &str = "FUNCIFY_CA_FILE";

/// Where to ask for tokens: an https URL, or a plain http URL of a loopback host.
#[derive(Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// The token endpoint itself.
    TokenUrl(String),
    /// The issuer. Its metadata names the token endpoint (OpenID Connect Discovery, RFC 8414) and is
    /// read once per getter.
    Issuer(String),
}

impl fmt::Debug for Endpoint {
    /// Without what may be a secret: the URL may contain a password until it is checked.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, url) = match self {
            Self::TokenUrl(url) => ("TokenUrl", url),
            Self::Issuer(url) => ("Issuer", url),
        };
        f.debug_tuple(what).field(&shown(url)).finish()
    }
}

/// Who asks for a token, and for which one: the client-credentials grant (RFC 6749 §4.4).
///
/// All fields but the first three are optional. `scope`, `audience`, `resources` and `parameters`
/// determine the token: functions that share a key must agree on them.
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
    /// The key under which the fleet shares the token, unless
    /// [`TokenGetterBuilder::key`](super::TokenGetterBuilder::key) sets it.
    pub key: Option<String>,
    /// Certificate authorities to trust besides Mozilla's, as a list of PEM certificates, for a provider
    /// with a certificate of your own authority.
    pub root_certificates: Vec<u8>,
    /// Where to ask.
    pub endpoint: Endpoint,
    /// The client's id.
    pub client_id: String,
    /// How the client proves its identity.
    pub authentication: ClientAuthentication,
    /// The scope to ask for, separated by spaces.
    pub scope: Option<String>,
    /// The `audience` to ask for, as Auth0 and others name it.
    pub audience: Option<String>,
    /// The resources that the token is for (RFC 8707). Each is sent as a `resource`.
    pub resources: Vec<String>,
    /// Other parameters that the provider requires, as name and value. `Debug` shows only the names:
    /// a value may be a secret.
    pub parameters: Vec<(String, String)>,
    /// Types of token that are used as `Bearer`, besides `Bearer` itself, for a provider that names its
    /// tokens in another way. An empty text accepts a response without a type. The default is none.
    pub accepted_types: Vec<String>,
    /// The `aud` of the assertion of `private_key_jwt`. The default is the issuer as its metadata states
    /// it, or the URL of the token endpoint (RFC 7523 §3). Okta, Entra and AD FS want that URL, or
    /// another text.
    pub assertion_audience: Option<String>,
}

impl ClientCredentials {
    /// The credentials of `client_id` at `endpoint`.
    ///
    /// A [`ClientSecret`], or any other [`SecretSource`](super::SecretSource), becomes
    /// [`ClientAuthentication::Basic`].
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
    /// | `FUNCIFY_CLIENT_ID` | required |
    /// | `FUNCIFY_CLIENT_SECRET` | required: the secret, or where it is: `secretsmanager://NAME` or `ssm://NAME`; sent as `client_secret_basic` |
    /// | `FUNCIFY_SCOPE`, `FUNCIFY_AUDIENCE` | optional |
    /// | `FUNCIFY_TOKEN_KEY` | optional: [`key`](Self::key) |
    /// | `FUNCIFY_CA_FILE` | optional: the path of a file with [`root_certificates`](Self::root_certificates) |
    ///
    /// A blank variable counts as not set.
    ///
    /// A secret in Secrets Manager or Parameter Store is read when it is first needed, and again when the
    /// provider refuses it: so a rotation needs no deployment. It is read from the AWS Parameters and Secrets
    /// Lambda Extension if that runs, which serves an old secret for up to `SECRETS_MANAGER_TTL` or
    /// `SSM_PARAMETER_STORE_TTL` (300 s unless set). Otherwise the feature `secrets` of funcify reads it with the
    /// AWS SDK.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Faults`] with every variable that is missing, or if there are two endpoints.
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

    /// The form that asks for the token, without the proof of the client's identity.
    pub(super) fn form(&self) -> Vec<(&str, &str)> {
        let mut form = vec![("grant_type", "client_credentials")];
        form.extend(self.scope.as_deref().map(|scope| ("scope", scope)));
        form.extend(self.audience.as_deref().map(|audience| ("audience", audience)));
        form.extend(self.resources.iter().map(|resource| ("resource", resource.as_str())));
        form.extend(self.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        form
    }

    /// The digest over the meaning of all that determines the token: scopes and resources are sets, and
    /// spaces around a text and the issuer's final slash do not matter.
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

    /// The first 32 hexadecimal digits of the SHA-256 over all that determines the token, as it was
    /// configured.
    pub(super) fn digest(&self) -> String {
        let mut hash = digest::Context::new(&digest::SHA256);
        let mut member = |text: &str| {
            // With its length, so that two different lists never hash the same bytes.
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

    /// A keyed digest of the secret, of 4 bytes: a refusal in the record binds only the clients with
    /// the same one. It is too short to test a guessed secret against.
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

/// The certificates in the file that the variable names, or what is wrong with them.
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
    /// Shows only the names of the extra parameters: a value may be a secret.
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
