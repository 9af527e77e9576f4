//! How a client proves its identity to the provider.

use std::{error::Error, fmt, sync::Arc};

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};

/// A client's secret: redacted in `Debug`, wiped when it is dropped.
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
    /// The secret itself: for the request to the provider, never for a log.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl From<String> for ClientSecret {
    /// A line break at the end is dropped: files and secret stores often add one, and no secret ends
    /// with it.
    fn from(secret: String) -> Self {
        match secret.strip_suffix('\n') {
            Some(line) => Self::from(line),
            None => Self(SecretString::from(secret)),
        }
    }
}

impl From<&str> for ClientSecret {
    /// As from a `String`.
    fn from(secret: &str) -> Self {
        let line = secret.strip_suffix('\n').unwrap_or(secret);
        Self(SecretString::from(line.strip_suffix('\r').unwrap_or(line)))
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret(redacted)")
    }
}

/// Where the client's secret comes from: a [`ClientSecret`] itself, or a secret store.
///
/// The getter asks for it when it first needs it, and once more whenever the provider refuses it: it
/// may have been rotated.
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
    /// The secret as it is now.
    ///
    /// # Errors
    ///
    /// The error of the secret store.
    async fn secret(&self) -> Result<ClientSecret, Box<dyn Error + Send + Sync>>;
}

#[async_trait]
impl SecretSource for ClientSecret {
    async fn secret(&self) -> Result<ClientSecret, Box<dyn Error + Send + Sync>> {
        Ok(self.clone())
    }
}

/// Signs the client's assertions with a key that never leaves its store, such as a key in AWS KMS.
/// A private key at hand is [`ClientAuthentication::private_key`].
#[async_trait]
pub trait Signer: fmt::Debug + Send + Sync + 'static {
    /// The algorithm as JWS names it (RFC 7518 §3.1): `RS256`, `PS256`, `ES256`, `EdDSA`, ….
    fn algorithm(&self) -> &str;

    /// The members of the assertion's header that name the key: `kid`, its id, if the provider knows
    /// several keys of this client; `x5t` or `x5t#S256` for a provider that finds the key by its
    /// certificate, as Entra does (RFC 7515 §4.1.7). The default is none.
    fn header(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    /// The raw signature of `message`, in the form that JWS requires (R‖S for ECDSA).
    ///
    /// # Errors
    ///
    /// The error of the key store.
    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Box<dyn Error + Send + Sync>>;
}

/// How the client proves its identity to the provider.
///
/// Any [`SecretSource`] becomes [`Basic`](Self::Basic) by `From`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ClientAuthentication {
    /// `client_secret_basic`: id and secret in the `Authorization` header (RFC 6749 §2.3.1).
    Basic(Arc<dyn SecretSource>),
    /// `client_secret_post`: id and secret in the body, for providers that require it.
    Post(Arc<dyn SecretSource>),
    /// `private_key_jwt`: a signed assertion. The key never leaves the client (RFC 7523 §2.2).
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
