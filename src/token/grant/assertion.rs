use std::{fmt, time::Duration};

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use funcify_core::{Timestamp, register::WriteId};
use jsonwebtoken::{Algorithm, EncodingKey, errors::Error as KeyError};
use serde_json::json;

use crate::token::authentication::{BoxError, Signer};

/// How long an assertion may be used: a minute covers the request and some skew of the clocks.
const LIFETIME: Duration = Duration::from_secs(60);

/// The client's assertion (RFC 7523 §3), with a `jti` of its own, so that no attempt is a replay.
pub(super) async fn assertion(
    signer: &dyn Signer,
    client_id: &str,
    audience: &str,
    now: Timestamp,
) -> Result<String, BoxError> {
    let mut header = json!({ "alg": signer.algorithm(), "typ": "JWT" });
    if let (Some(key_id), Some(header)) = (signer.key_id(), header.as_object_mut()) {
        header.insert("kid".to_owned(), key_id.into());
    }
    let issued = now.as_millis() / 1_000;
    let claims = json!({
        "iss": client_id,
        "sub": client_id,
        "aud": audience,
        "jti": WriteId::random().to_string(),
        "iat": issued,
        "exp": (now + LIFETIME).as_millis() / 1_000,
    });
    let encode = |json: serde_json::Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let message = format!("{}.{}", encode(header), encode(claims));
    let signature = signer.sign(message.as_bytes()).await?;
    Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// A private key at hand, which signs the client's assertions.
#[derive(Clone)]
pub struct PrivateKey {
    algorithm: Algorithm,
    name: &'static str,
    key_id: Option<String>,
    key: EncodingKey,
}

impl PrivateKey {
    /// A key from PEM (PKCS#8), for `RS256`, `RS384`, `RS512`, `PS256`, `PS384`, `PS512`, `ES256`,
    /// `ES384` or `EdDSA`.
    ///
    /// # Errors
    ///
    /// [`PrivateKeyError`] for another algorithm, or if the PEM holds no such key.
    pub fn from_pem(algorithm: &str, pem: &[u8]) -> Result<Self, PrivateKeyError> {
        let (algorithm, name, key) = match algorithm {
            "RS256" => (Algorithm::RS256, "RS256", EncodingKey::from_rsa_pem(pem)),
            "RS384" => (Algorithm::RS384, "RS384", EncodingKey::from_rsa_pem(pem)),
            "RS512" => (Algorithm::RS512, "RS512", EncodingKey::from_rsa_pem(pem)),
            "PS256" => (Algorithm::PS256, "PS256", EncodingKey::from_rsa_pem(pem)),
            "PS384" => (Algorithm::PS384, "PS384", EncodingKey::from_rsa_pem(pem)),
            "PS512" => (Algorithm::PS512, "PS512", EncodingKey::from_rsa_pem(pem)),
            "ES256" => (Algorithm::ES256, "ES256", EncodingKey::from_ec_pem(pem)),
            "ES384" => (Algorithm::ES384, "ES384", EncodingKey::from_ec_pem(pem)),
            "EdDSA" => (Algorithm::EdDSA, "EdDSA", EncodingKey::from_ed_pem(pem)),
            _ => {
                return Err(PrivateKeyError::Algorithm {
                    got: algorithm.chars().take(20).collect(),
                });
            }
        };
        let key = key.map_err(PrivateKeyError::Pem)?;
        Ok(Self { algorithm, name, key_id: None, key })
    }

    /// Names the key in the header of the assertion.
    #[must_use]
    pub fn with_key_id(self, key_id: impl Into<String>) -> Self {
        Self { key_id: Some(key_id.into()), ..self }
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey")
            .field("algorithm", &self.name)
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Signer for PrivateKey {
    fn algorithm(&self) -> &str {
        self.name
    }

    fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, BoxError> {
        let signature = jsonwebtoken::crypto::sign(message, &self.key, self.algorithm)?;
        Ok(URL_SAFE_NO_PAD.decode(signature)?)
    }
}

/// Why a private key was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrivateKeyError {
    /// The algorithm is not one that signs assertions here.
    #[error(
        "expected RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 or EdDSA, got {got:?}"
    )]
    Algorithm {
        /// What was given.
        got: String,
    },
    /// The PEM holds no key of this kind.
    #[error("expected a private key of this algorithm as PEM")]
    Pem(#[source] KeyError),
}
