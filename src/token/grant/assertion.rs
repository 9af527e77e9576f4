use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use aws_lc_rs::{
    error::Unspecified,
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
        EcdsaSigningAlgorithm, Ed25519KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384,
        RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
    },
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use funcify_core::{Timestamp, register::WriteId};
use rustls::pki_types::{PrivateKeyDer, pem::PemObject};
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
    algorithm: &'static str,
    key_id: Option<String>,
    key: Arc<KeyPair>,
}

/// A key with all that its algorithm (RFC 7518 §3.1) needs to sign.
enum KeyPair {
    Rsa(RsaKeyPair, &'static dyn RsaEncoding),
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl PrivateKey {
    /// A key from PEM (PKCS#8; PKCS#1 for RSA, SEC 1 for elliptic curves), for `RS256`, `RS384`,
    /// `RS512`, `PS256`, `PS384`, `PS512`, `ES256`, `ES384` or `EdDSA`.
    ///
    /// # Errors
    ///
    /// [`PrivateKeyError`] for another algorithm, or if the PEM holds no such key.
    pub fn from_pem(algorithm: &str, pem: &[u8]) -> Result<Self, PrivateKeyError> {
        let (algorithm, key) = match algorithm {
            "RS256" => ("RS256", KeyPair::rsa(pem, &RSA_PKCS1_SHA256)),
            "RS384" => ("RS384", KeyPair::rsa(pem, &RSA_PKCS1_SHA384)),
            "RS512" => ("RS512", KeyPair::rsa(pem, &RSA_PKCS1_SHA512)),
            "PS256" => ("PS256", KeyPair::rsa(pem, &RSA_PSS_SHA256)),
            "PS384" => ("PS384", KeyPair::rsa(pem, &RSA_PSS_SHA384)),
            "PS512" => ("PS512", KeyPair::rsa(pem, &RSA_PSS_SHA512)),
            "ES256" => ("ES256", KeyPair::ecdsa(pem, &ECDSA_P256_SHA256_FIXED_SIGNING)),
            "ES384" => ("ES384", KeyPair::ecdsa(pem, &ECDSA_P384_SHA384_FIXED_SIGNING)),
            "EdDSA" => ("EdDSA", KeyPair::ed25519(pem)),
            _ => {
                return Err(PrivateKeyError::Algorithm {
                    got: algorithm.chars().take(20).collect(),
                });
            }
        };
        let key = Arc::new(key.map_err(PrivateKeyError::Pem)?);
        Ok(Self { algorithm, key_id: None, key })
    }

    /// Names the key in the header of the assertion.
    #[must_use]
    pub fn with_key_id(self, key_id: impl Into<String>) -> Self {
        Self { key_id: Some(key_id.into()), ..self }
    }
}

impl KeyPair {
    fn rsa(pem: &[u8], encoding: &'static dyn RsaEncoding) -> Result<Self, BoxError> {
        let pair = match PrivateKeyDer::from_pem_slice(pem)? {
            PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
            der => RsaKeyPair::from_pkcs8(der.secret_der()),
        };
        Ok(Self::Rsa(pair?, encoding))
    }

    fn ecdsa(pem: &[u8], algorithm: &'static EcdsaSigningAlgorithm) -> Result<Self, BoxError> {
        let pair = match PrivateKeyDer::from_pem_slice(pem)? {
            PrivateKeyDer::Sec1(der) => {
                EcdsaKeyPair::from_private_key_der(algorithm, der.secret_sec1_der())
            }
            der => EcdsaKeyPair::from_pkcs8(algorithm, der.secret_der()),
        };
        Ok(Self::Ecdsa(pair?))
    }

    fn ed25519(pem: &[u8]) -> Result<Self, BoxError> {
        let der = PrivateKeyDer::from_pem_slice(pem)?;
        Ok(Self::Ed25519(Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_der())?))
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Unspecified> {
        match self {
            Self::Rsa(key, encoding) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(*encoding, &SystemRandom::new(), message, &mut signature)?;
                Ok(signature)
            }
            Self::Ecdsa(key) => {
                key.sign(&SystemRandom::new(), message).map(|signature| signature.as_ref().to_vec())
            }
            Self::Ed25519(key) => Ok(key.sign(message).as_ref().to_vec()),
        }
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey")
            .field("algorithm", &self.algorithm)
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Signer for PrivateKey {
    fn algorithm(&self) -> &str {
        self.algorithm
    }

    fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, BoxError> {
        Ok(self.key.sign(message)?)
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
    Pem(#[source] BoxError),
}
