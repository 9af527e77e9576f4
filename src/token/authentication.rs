//! How a client proves to the provider who it is.

use std::{error::Error, fmt, sync::Arc};

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};

/// The cause of an error that user code returned.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// A client's secret: redacted wherever it is shown, wiped when it is dropped.
#[derive(Clone)]
pub struct ClientSecret(SecretString);

impl ClientSecret {
    /// Wraps a secret.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(SecretString::from(secret.into()))
    }

    /// The secret itself: for the request to the provider, never for a log.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret(redacted)")
    }
}

/// Where the client's secret comes from: a [`ClientSecret`] itself, or a secret store.
///
/// Asked when the first token is fetched, and anew once whenever the provider refuses the secret:
/// it may have been rotated.
#[async_trait]
pub trait SecretSource: fmt::Debug + Send + Sync + 'static {
    /// The secret as it is now.
    ///
    /// # Errors
    ///
    /// Whatever the secret store failed with.
    async fn secret(&self) -> Result<ClientSecret, BoxError>;
}

#[async_trait]
impl SecretSource for ClientSecret {
    async fn secret(&self) -> Result<ClientSecret, BoxError> {
        Ok(self.clone())
    }
}

/// Signs the client's assertions: a private key at hand ([`PrivateKey`](super::PrivateKey)), or one
/// that never leaves its store, such as a key in AWS KMS.
#[async_trait]
pub trait Signer: fmt::Debug + Send + Sync + 'static {
    /// The algorithm as JWS names it (RFC 7518 §3.1): `RS256`, `PS256`, `ES256`, `EdDSA`, ….
    fn algorithm(&self) -> &str;

    /// The key's id, if the provider knows several.
    fn key_id(&self) -> Option<&str>;

    /// The raw signature of `message`, in the form that JWS wants (R‖S for ECDSA).
    ///
    /// # Errors
    ///
    /// Whatever the signing failed with.
    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, BoxError>;
}

/// How the client proves to the provider who it is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ClientAuthentication {
    /// `client_secret_basic`: id and secret in the `Authorization` header (RFC 6749 §2.3.1).
    Basic(Arc<dyn SecretSource>),
    /// `client_secret_post`: id and secret in the body.
    Post(Arc<dyn SecretSource>),
    /// `private_key_jwt`: a signed assertion, the secret stays at home (RFC 7523 §2.2).
    PrivateKeyJwt(Arc<dyn Signer>),
}

impl ClientAuthentication {
    /// `client_secret_basic`.
    pub fn basic(secret: impl SecretSource) -> Self {
        Self::Basic(Arc::new(secret))
    }

    /// `client_secret_post`.
    pub fn post(secret: impl SecretSource) -> Self {
        Self::Post(Arc::new(secret))
    }

    /// `private_key_jwt`.
    pub fn private_key_jwt(signer: impl Signer) -> Self {
        Self::PrivateKeyJwt(Arc::new(signer))
    }

    /// The name of the method, as providers register it (OpenID Connect Core §9).
    #[must_use]
    pub fn method(&self) -> &'static str {
        match self {
            Self::Basic(_) => "client_secret_basic",
            Self::Post(_) => "client_secret_post",
            Self::PrivateKeyJwt(_) => "private_key_jwt",
        }
    }

    /// The secret, where there is one.
    pub(super) async fn secret(&self) -> Result<Option<ClientSecret>, BoxError> {
        match self {
            Self::Basic(source) | Self::Post(source) => source.secret().await.map(Some),
            Self::PrivateKeyJwt(_) => Ok(None),
        }
    }
}
