//! Parses the public keys that an issuer publishes. Keys that cannot be used are skipped.

use serde_json::Value;

use crate::auth::authenticator::algorithm::Algorithm;
use crate::auth::authenticator::public_key::Key;

/// The text is not a key set, or no key in it can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a JSON Web Key Set with a usable key")]
pub(crate) struct NoKeys;

/// The usable keys of one issuer.
#[derive(Debug, Default)]
pub(crate) struct Keys(Vec<Key>);

impl Keys {
    /// Parses a key set (RFC 7517, section 5). Keys of an unknown kind or use and weak keys are skipped.
    /// Private members are not read.
    ///
    /// A set without a usable key is an error: it is an outage and not a withdrawal of all keys.
    pub(crate) fn parse(json: &[u8]) -> Result<Self, NoKeys> {
        let set: Value = serde_json::from_slice(json).map_err(|_| NoKeys)?;
        let keys = set.get("keys").and_then(Value::as_array).ok_or(NoKeys)?;
        let keys: Vec<Key> = keys.iter().filter_map(|key| Key::parse(key.as_object()?)).collect();
        if keys.is_empty() { Err(NoKeys) } else { Ok(Self(keys)) }
    }

    /// The keys that may verify a token with this `kid` and `algorithm` in its header.
    ///
    /// For a token without `kid` there must be exactly one such key.
    pub(crate) fn candidates<'a>(
        &'a self,
        kid: Option<&'a str>,
        algorithm: Algorithm,
    ) -> Vec<&'a Key> {
        let verifying = self.0.iter().filter(|key| key.may_verify(algorithm));
        match kid {
            Some(kid) => verifying.filter(|key| key.is_named(kid)).collect(),
            None => {
                Some(verifying.collect()).filter(|all: &Vec<_>| all.len() == 1).unwrap_or_default()
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use serde_json::json;

    use super::*;

    fn count(keys: Value) -> usize {
        Keys::parse(json!({ "keys": keys }).to_string().as_bytes()).map_or(0, |keys| keys.len())
    }

    fn number(bits: usize) -> String {
        let mut bytes = vec![0xff; bits.div_ceil(8)];
        bytes[0] >>= (8 - bits % 8) % 8;
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn rsa_key(bits: usize, exponent: &str) -> Value {
        json!({ "kty": "RSA", "kid": "a", "n": number(bits), "e": exponent })
    }

    #[test]
    fn weak_rsa_keys_are_skipped() {
        for (bits, usable) in
            [(512, 0), (1_024, 0), (2_047, 0), (2_048, 1), (4_096, 1), (8_192, 1), (8_193, 0)]
        {
            assert_eq!(count(json!([rsa_key(bits, "AQAB")])), usable, "{bits}");
        }
        // 65537, 3; then 0, 1, 2, 4, an even and a huge one.
        for (exponent, usable) in [
            ("AQAB", 1),
            ("Aw", 1),
            ("AA", 0),
            ("AQ", 0),
            ("Ag", 0),
            ("AAAB", 0),
            ("AQAA", 0),
            ("AQAAAAAB", 0),
            ("", 0),
        ] {
            assert_eq!(count(json!([rsa_key(2_048, exponent)])), usable, "{exponent}");
        }
        let padded = URL_SAFE_NO_PAD.encode([vec![0; 200], vec![0xff; 128]].concat());
        assert_eq!(
            count(json!([{ "kty": "RSA", "n": padded, "e": "AQAB" }])),
            0,
            "leading zeros do not count"
        );
    }

    #[test]
    fn keys_of_other_kinds_and_uses_are_skipped_and_the_others_kept() {
        let good = rsa_key(2_048, "AQAB");
        let with = |member: &str, value: Value| {
            let mut key = good.clone();
            key[member] = value;
            key
        };
        let skipped = [
            json!({ "kty": "oct", "k": "AAAA" }),
            json!({ "kty": "EC", "crv": "P-521", "x": number(521), "y": number(521) }),
            json!({ "kty": "EC", "crv": "secp256k1", "x": number(256), "y": number(256) }),
            json!({ "kty": "EC", "crv": "P-256", "x": number(256), "y": number(248) }),
            json!({ "kty": "EC", "crv": "P-256", "x": number(256) }),
            json!({ "kty": "OKP", "crv": "X25519", "x": number(256) }),
            json!({ "kty": "OKP", "crv": "Ed25519", "x": number(248) }),
            with("use", json!("enc")),
            with("use", json!(1)),
            with("key_ops", json!(["sign"])),
            with("key_ops", json!("verify")),
            with("alg", json!("HS256")),
            with("alg", json!("RSA-OAEP")),
            with("alg", json!("none")),
            with("alg", json!(7)),
            with("n", json!("not base64!")),
            with("n", json!(12)),
            json!(null),
            json!("key"),
            json!([]),
            json!({}),
        ];
        for key in &skipped {
            assert_eq!(count(json!([key])), 0, "{key}");
        }
        let kept = [
            with("use", json!("sig")),
            with("key_ops", json!(["verify"])),
            with("alg", json!("PS256")),
            with("d", json!("a private member")),
            with("x5c", json!(["a certificate"])),
            with("kid", json!(5)),
        ];
        let all: Vec<Value> = skipped.into_iter().chain(kept).collect();
        assert_eq!(count(json!(all)), 6);
    }

    #[test]
    fn text_without_a_usable_key_is_an_error() {
        let none = [
            "",
            "null",
            "[]",
            "{}",
            "{\"keys\":{}}",
            "{\"keys\":[]}",
            "{\"keys\":[{}]}",
            "<html>",
            "{\"keys\":[",
        ];
        for text in none {
            assert_eq!(Keys::parse(text.as_bytes()).map(|keys| keys.len()), Err(NoKeys), "{text}");
        }
    }

    #[test]
    fn a_key_verifies_its_own_algorithm_only() {
        let keys =
            |key: Value| Keys::parse(json!({ "keys": [key] }).to_string().as_bytes()).unwrap();
        let all = [
            Algorithm::Rs256,
            Algorithm::Rs384,
            Algorithm::Rs512,
            Algorithm::Ps256,
            Algorithm::Ps384,
            Algorithm::Ps512,
            Algorithm::Es256,
            Algorithm::Es384,
            Algorithm::EdDsa,
        ];
        let verified = |key: Value| -> Vec<Algorithm> {
            let keys = keys(key);
            all.into_iter()
                .filter(|algorithm| !keys.candidates(None, *algorithm).is_empty())
                .collect()
        };
        let mut bound = rsa_key(2_048, "AQAB");
        bound["alg"] = json!("RS256");
        assert_eq!(verified(bound), [Algorithm::Rs256]);
        assert_eq!(verified(rsa_key(2_048, "AQAB")), all[..6]);
        let curve = |name: &str, bits| json!({ "kty": "EC", "crv": name, "x": number(bits), "y": number(bits) });
        assert_eq!(verified(curve("P-256", 256)), [Algorithm::Es256]);
        assert_eq!(verified(curve("P-384", 384)), [Algorithm::Es384]);
        assert_eq!(
            verified(json!({ "kty": "OKP", "crv": "Ed25519", "x": number(256) })),
            [Algorithm::EdDsa]
        );
    }

    #[test]
    fn a_token_without_kid_is_verified_only_by_the_only_key() {
        let one = json!({ "keys": [rsa_key(2_048, "AQAB")] }).to_string();
        let two = json!({ "keys": [rsa_key(2_048, "AQAB"), rsa_key(3_072, "AQAB")] }).to_string();
        assert_eq!(
            Keys::parse(one.as_bytes()).unwrap().candidates(None, Algorithm::Rs256).len(),
            1
        );
        assert_eq!(
            Keys::parse(two.as_bytes()).unwrap().candidates(None, Algorithm::Rs256).len(),
            0
        );
        assert_eq!(
            Keys::parse(one.as_bytes()).unwrap().candidates(Some("b"), Algorithm::Rs256).len(),
            0
        );
    }
}
