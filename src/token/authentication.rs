//! How a client proves its identity to the provider.

use std::{error::Error, fmt, sync::Arc};

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};

/// A client's secret. `Debug` does not show it, and it is wiped from memory when it is dropped.
///
/// # Examples
///
/// ```
/// use funcify::token::ClientSecret;
///
/// let secret = ClientSecret::from("s3cr3t");
/// assert_eq!(format!("{secret:?}"), "ClientSecret(redacted)");
/// assert_eq!(secret.expose(), "s3cr3t");
/// ```
#[derive(Clone)]
pub struct ClientSecret(SecretString);

impl ClientSecret {
    /// The secret itself. Put it into the request to the provider, and never into a log.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl From<String> for ClientSecret {
    /// Drops one line break at the end: `\n`, `\r\n`, or the `\r` that a shell leaves when it reads a file
    /// with `\r\n`. Files and secret stores often add one, and no secret ends with one.
    fn from(mut secret: String) -> Self {
        secret.truncate(without_line_break(&secret).len());
        Self(SecretString::from(secret))
    }
}

impl From<&str> for ClientSecret {
    /// Drops a line break at the end, as for a `String`.
    fn from(secret: &str) -> Self {
        Self(SecretString::from(without_line_break(secret)))
    }
}

fn without_line_break(secret: &str) -> &str {
    let line = secret.strip_suffix('\n').unwrap_or(secret);
    line.strip_suffix('\r').unwrap_or(line)
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret(redacted)")
    }
}

/// Where the client's secret comes from: a [`ClientSecret`] itself, or a secret store.
///
/// The getter reads the secret when it first needs it, and keeps it. When the provider refuses the
/// secret, the getter reads it once more, because it may have been rotated.
///
/// # Examples
///
/// ```
/// use funcify::token::{ClientSecret, SecretSource};
///
/// #[derive(Debug)]
/// struct Vault;
///
/// #[async_trait::async_trait]
/// impl SecretSource for Vault {
///     async fn secret(&self) -> Result<ClientSecret, Box<dyn std::error::Error + Send + Sync>> {
///         Ok(ClientSecret::from("the secret that your secret store holds now"))
///     }
/// }
/// ```
#[async_trait]
pub trait SecretSource: fmt::Debug + Send + Sync + 'static {
    /// Reads the current secret. The getter ends the call at the caller's deadline.
    ///
    /// # Errors
    ///
    /// The error of the secret store. It must not contain the secret: it is logged.
    async fn secret(&self) -> Result<ClientSecret, Box<dyn Error + Send + Sync>>;
}

#[async_trait]
impl SecretSource for ClientSecret {
    async fn secret(&self) -> Result<ClientSecret, Box<dyn Error + Send + Sync>> {
        Ok(self.clone())
    }
}

/// Signs the client's assertions with a key that never leaves its store, such as a key in AWS KMS.
///
/// If you have the private key as PEM, use [`ClientAuthentication::private_key`] instead.
///
/// # Examples
///
/// ```
/// use std::{error::Error, sync::Arc};
/// use funcify::token::{ClientAuthentication, Signer};
///
/// #[derive(Debug)]
/// struct KmsKey;
///
/// #[async_trait::async_trait]
/// impl Signer for KmsKey {
///     fn algorithm(&self) -> &str {
///         "ES256"
///     }
///
///     async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Box<dyn Error + Send + Sync>> {
///         // Call `kms:Sign` with the message. KMS returns an ECDSA signature as DER: convert it to R‖S.
///         # let _ = message;
///         Ok(vec![0; 64])
///     }
/// }
///
/// let authentication = ClientAuthentication::PrivateKeyJwt(Arc::new(KmsKey));
/// # let _ = authentication;
/// ```
#[async_trait]
pub trait Signer: fmt::Debug + Send + Sync + 'static {
    /// The name of the algorithm in JWS: `RS256`, `PS256`, `ES256` (RFC 7518 §3.1), `EdDSA` (RFC 8037
    /// §3.1), and so on.
    fn algorithm(&self) -> &str;

    /// The members of the assertion's header that identify the key, as name and value.
    ///
    /// Return `kid`, the id of the key, if the provider knows several keys of this client. Return `x5t` or
    /// `x5t#S256` for a provider that finds the key by its certificate, as Entra does (RFC 7515 §4.1.7).
    /// Default: none.
    fn header(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    /// The signature of `message`, in the form that JWS requires: for ECDSA, R‖S (RFC 7518 §3.4).
    ///
    /// # Errors
    ///
    /// The error of the key store.
    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Box<dyn Error + Send + Sync>>;
}

/// How the client proves its identity to the provider.
///
/// `From` turns any [`SecretSource`] into [`Basic`](Self::Basic).
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use funcify::token::{ClientAuthentication, ClientCredentials, ClientSecret, Endpoint};
///
/// let endpoint = Endpoint::TokenUrl("https://login.example/token".to_owned());
/// let secret = ClientSecret::from("from your secret store");
/// let post = ClientAuthentication::Post(Arc::new(secret));
/// let credentials = ClientCredentials::new(endpoint, "warehouse", post);
/// # let _ = credentials;
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ClientAuthentication {
    /// `client_secret_basic`: the id and the secret are in the `Authorization` header (RFC 6749 §2.3.1).
    Basic(Arc<dyn SecretSource>),
    /// `client_secret_post`: the id and the secret are in the body, for providers that require it.
    Post(Arc<dyn SecretSource>),
    /// `private_key_jwt`: a signed assertion (RFC 7523 §2.2). The private key is never sent.
    PrivateKeyJwt(Arc<dyn Signer>),
}

impl<S: SecretSource> From<S> for ClientAuthentication {
    fn from(secret: S) -> Self {
        Self::Basic(Arc::new(secret))
    }
}

impl ClientAuthentication {
    /// The name of the method, as providers register it (OpenID Connect Core §9).
    pub(super) fn method(&self) -> &'static str {
        match self {
            Self::Basic(_) => "client_secret_basic",
            Self::Post(_) => "client_secret_post",
            Self::PrivateKeyJwt(_) => "private_key_jwt",
        }
    }

    /// The secret, if the method has one.
    pub(super) async fn secret(
        &self,
    ) -> Result<Option<ClientSecret>, Box<dyn Error + Send + Sync>> {
        match self {
            Self::Basic(source) | Self::Post(source) => source.secret().await.map(Some),
            Self::PrivateKeyJwt(_) => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_break_at_the_end_of_a_secret_is_dropped() {
        for (text, secret) in [
            ("s3cr3t", "s3cr3t"),
            ("s3cr3t\n", "s3cr3t"),
            ("s3cr3t\r\n", "s3cr3t"),
            ("s3cr3t\r", "s3cr3t"),
            ("s3cr3t\n\n", "s3cr3t\n"),
            ("s3\r\ncr3t ", "s3\r\ncr3t "),
            ("\n", ""),
            ("", ""),
        ] {
            assert_eq!(ClientSecret::from(text).expose(), secret, "{text:?}");
            assert_eq!(ClientSecret::from(text.to_owned()).expose(), secret, "{text:?}");
        }
    }
}
