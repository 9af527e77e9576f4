use std::{error::Error, fmt, sync::Arc};

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey};

use crate::token::authentication::{ClientAuthentication, Signer};
use crate::token::config_error::TokenConfigError;

impl ClientAuthentication {
    /// `private_key_jwt` with a private key at hand, from PEM (PKCS#8).
    ///
    /// `algorithm` is `RS256`, `RS384`, `RS512`, `PS256`, `PS384`, `PS512`, `ES256`, `ES384` or
    /// `EdDSA`. `key_id` names the key in the header of the assertion, for providers that know
    /// several keys of a client.
    ///
    /// # Errors
    ///
    /// [`TokenConfigError`] for another algorithm, or if the PEM holds no key for it.
    pub fn private_key(
        algorithm: &str,
        key_id: Option<&str>,
        pem: &[u8],
    ) -> Result<Self, TokenConfigError> {
        let fault =
            |fault| TokenConfigError::one(format!("ClientAuthentication::private_key: {fault}"));
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
            other => {
                let got: String = other.chars().take(20).collect();
                return Err(fault(format!(
                    "expected the algorithm RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 or EdDSA, got {got:?}"
                )));
            }
        };
        let key = key
            .map_err(|error| fault(format!("expected a private key for {name} as PEM: {error}")))?;
        let key_id = key_id.map(str::to_owned);
        Ok(Self::PrivateKeyJwt(Arc::new(PrivateKey { algorithm, name, key_id, key })))
    }
}

struct PrivateKey {
    algorithm: Algorithm,
    name: &'static str,
    key_id: Option<String>,
    key: EncodingKey,
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

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Box<dyn Error + Send + Sync>> {
        let signature = jsonwebtoken::crypto::sign(message, &self.key, self.algorithm)?;
        Ok(URL_SAFE_NO_PAD.decode(signature)?)
    }
}
