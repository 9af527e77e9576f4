use std::{error::Error, fmt, sync::Arc};

use async_trait::async_trait;
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
        Ed25519KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256,
        RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
    },
};
use rustls::pki_types::{PrivateKeyDer, pem::PemObject};

use crate::config_error::ConfigError;
use crate::token::authentication::{ClientAuthentication, Signer};

impl ClientAuthentication {
    /// `private_key_jwt` with a private key in PEM: PKCS#8, or PKCS#1 for RSA.
    ///
    /// `algorithm` is `RS256`, `RS384`, `RS512`, `PS256`, `PS384`, `PS512`, `ES256`, `ES384` or `EdDSA`
    /// (RFC 7518 §3.1, RFC 8037 §3.1). `key_id` becomes the `kid` in the header of the assertion, for
    /// providers that know several keys of a client.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Faults`] if `algorithm` is another text, or if `pem` has no private key for it.
    ///
    /// # Examples
    ///
    /// ```
    /// use funcify::token::ClientAuthentication;
    ///
    /// let error = ClientAuthentication::private_key("ES256", None, b"not PEM").unwrap_err();
    /// assert!(error.to_string().contains("expected a private key for ES256 as PEM"));
    /// ```
    pub fn private_key(
        algorithm: &str,
        key_id: Option<&str>,
        pem: &[u8],
    ) -> Result<Self, ConfigError> {
        let fault = |fault: String| {
            ConfigError::token(vec![format!("`ClientAuthentication::private_key`: {fault}")])
        };
        let Some((name, parse)) = ALGORITHMS.iter().find(|(name, _)| *name == algorithm) else {
            let names: Vec<_> = ALGORITHMS.iter().map(|(name, _)| *name).collect();
            let got: String = algorithm.chars().take(20).collect();
            return Err(fault(format!("expected one of {}, got {got:?}", names.join(", "))));
        };
        let der = PrivateKeyDer::from_pem_slice(pem).ok();
        let Some(key) = der.and_then(|der| parse(&der)) else {
            return Err(fault(format!("expected a private key for {name} as PEM")));
        };
        let key_id = key_id.map(str::to_owned);
        Ok(Self::PrivateKeyJwt(Arc::new(PrivateKey { algorithm: name, key_id, key })))
    }
}

type Parse = fn(&PrivateKeyDer<'_>) -> Option<Key>;

/// The algorithms for signing assertions (RFC 7518 §3.1, RFC 8037 §3.1), each with the function that reads
/// its key.
const ALGORITHMS: [(&str, Parse); 9] = [
    ("RS256", |der| rsa(der, &RSA_PKCS1_SHA256)),
    ("RS384", |der| rsa(der, &RSA_PKCS1_SHA384)),
    ("RS512", |der| rsa(der, &RSA_PKCS1_SHA512)),
    ("PS256", |der| rsa(der, &RSA_PSS_SHA256)),
    ("PS384", |der| rsa(der, &RSA_PSS_SHA384)),
    ("PS512", |der| rsa(der, &RSA_PSS_SHA512)),
    ("ES256", |der| {
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8(der)?);
        key.ok().map(Key::Ec)
    }),
    ("ES384", |der| {
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, pkcs8(der)?);
        key.ok().map(Key::Ec)
    }),
    ("EdDSA", |der| Ed25519KeyPair::from_pkcs8(pkcs8(der)?).ok().map(Key::Ed)),
];

fn rsa(der: &PrivateKeyDer<'_>, encoding: &'static dyn RsaEncoding) -> Option<Key> {
    let key = match der {
        PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
        der => RsaKeyPair::from_pkcs8(pkcs8(der)?),
    };
    key.ok().map(|key| Key::Rsa(key, encoding))
}

fn pkcs8<'a>(der: &'a PrivateKeyDer<'_>) -> Option<&'a [u8]> {
    match der {
        PrivateKeyDer::Pkcs8(der) => Some(der.secret_pkcs8_der()),
        _ => None,
    }
}

enum Key {
    Rsa(RsaKeyPair, &'static dyn RsaEncoding),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

struct PrivateKey {
    algorithm: &'static str,
    key_id: Option<String>,
    key: Key,
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

    fn header(&self) -> Vec<(String, String)> {
        self.key_id.iter().map(|key_id| ("kid".to_owned(), key_id.clone())).collect()
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Box<dyn Error + Send + Sync>> {
        let random = SystemRandom::new();
        Ok(match &self.key {
            Key::Rsa(key, encoding) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(*encoding, &random, message, &mut signature)?;
                signature
            }
            Key::Ec(key) => key.sign(&random, message)?.as_ref().to_vec(),
            Key::Ed(key) => key.sign(message).as_ref().to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::{
        encoding::AsDer,
        rsa::KeySize,
        signature::{
            ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, KeyPair,
            RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
            RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512,
            UnparsedPublicKey, VerificationAlgorithm,
        },
    };
    use base64::{Engine, engine::general_purpose::STANDARD};

    use super::*;

    fn pem(der: &[u8]) -> Vec<u8> {
        let base64 = STANDARD.encode(der);
        format!("-----BEGIN PRIVATE KEY-----\n{base64}\n-----END PRIVATE KEY-----\n").into_bytes()
    }

    fn signer(algorithm: &str, pem: &[u8]) -> Option<Arc<dyn Signer>> {
        match ClientAuthentication::private_key(algorithm, Some("canary"), pem) {
            Ok(ClientAuthentication::PrivateKeyJwt(signer)) => Some(signer),
            _ => None,
        }
    }

    #[tokio::test]
    async fn each_algorithm_signs_with_its_own_key_and_with_no_other() {
        let rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let ec = |algorithm| EcdsaKeyPair::generate(algorithm).unwrap();
        let (p256, p384) =
            (ec(&ECDSA_P256_SHA256_FIXED_SIGNING), ec(&ECDSA_P384_SHA384_FIXED_SIGNING));
        let ed = Ed25519KeyPair::generate().unwrap();
        let public = |key: &dyn AsRef<[u8]>| key.as_ref().to_vec();
        let keys = [
            (pem(rsa.as_der().unwrap().as_ref()), public(rsa.public_key())),
            (pem(p256.to_pkcs8v1().unwrap().as_ref()), public(p256.public_key())),
            (pem(p384.to_pkcs8v1().unwrap().as_ref()), public(p384.public_key())),
            (pem(ed.to_pkcs8v1().unwrap().as_ref()), public(ed.public_key())),
        ];
        let algorithms: [(&str, usize, &'static dyn VerificationAlgorithm); 9] = [
            ("RS256", 0, &RSA_PKCS1_2048_8192_SHA256),
            ("RS384", 0, &RSA_PKCS1_2048_8192_SHA384),
            ("RS512", 0, &RSA_PKCS1_2048_8192_SHA512),
            ("PS256", 0, &RSA_PSS_2048_8192_SHA256),
            ("PS384", 0, &RSA_PSS_2048_8192_SHA384),
            ("PS512", 0, &RSA_PSS_2048_8192_SHA512),
            ("ES256", 1, &ECDSA_P256_SHA256_FIXED),
            ("ES384", 2, &ECDSA_P384_SHA384_FIXED),
            ("EdDSA", 3, &ED25519),
        ];
        for (algorithm, own, verification) in algorithms {
            for (place, (pem, public)) in keys.iter().enumerate() {
                let signer = signer(algorithm, pem);
                assert_eq!(signer.is_some(), place == own, "{algorithm} with key {place}");
                let Some(signer) = signer else { continue };
                assert_eq!(signer.algorithm(), algorithm);
                assert_eq!(signer.header(), [("kid".to_owned(), "canary".to_owned())]);
                let signature = signer.sign(b"message").await.unwrap();
                let public = UnparsedPublicKey::new(verification, public);
                public.verify(b"message", &signature).unwrap();
                assert!(public.verify(b"another", &signature).is_err(), "{algorithm}");
            }
        }
    }

    #[test]
    fn an_unknown_algorithm_and_text_that_is_not_pem_are_reported() {
        let error = |algorithm, pem: &[u8]| {
            ClientAuthentication::private_key(algorithm, None, pem).unwrap_err().to_string()
        };
        assert_eq!(
            error("HS256", b""),
            "invalid token configuration: `ClientAuthentication::private_key`: expected one of \
             RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA, got \"HS256\""
        );
        assert_eq!(
            error("ES256", b"canary"),
            "invalid token configuration: `ClientAuthentication::private_key`: \
             expected a private key for ES256 as PEM"
        );
    }
}
