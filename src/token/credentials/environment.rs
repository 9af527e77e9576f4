//! Reads the credentials from the environment.

use std::error::Error;

use crate::client::check_certificates;
use crate::config_error::ConfigError;
use crate::error_chain;
use crate::token::authentication::{ClientAuthentication, ClientSecret};
use crate::token::credentials::{ClientCredentials, Endpoint};
use crate::token::stored_secret::StoredSecret;
use crate::variables;

/// The variable with the path of a file of certificate authorities.
const CA_FILE: &str = "FUNCIFY_CA_FILE";

impl ClientCredentials {
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

#[cfg(test)]
mod tests {
    use super::*;

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
    fn the_key_of_the_record_comes_by_variable() {
        let key = |set: Option<&str>| {
            let variable = |name: &str| match name {
                "FUNCIFY_CLIENT_ID" | "FUNCIFY_CLIENT_SECRET" => Some("warehouse".to_owned()),
                "FUNCIFY_TOKEN_URL" => Some("https://login.example/token".to_owned()),
                "FUNCIFY_TOKEN_KEY" => set.map(str::to_owned),
                _ => None,
            };
            ClientCredentials::from_variables(variable).unwrap().key
        };
        assert_eq!((key(Some("ORDERS")), key(None)), (Some("ORDERS".to_owned()), None));
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
}
