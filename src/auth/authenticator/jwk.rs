//! Parses the public keys that an issuer publishes. Keys that cannot be used are skipped.

use serde_json::{Map, Value};

use crate::auth::authenticator::algorithm::Algorithm;
use crate::auth::authenticator::public_key::{Key, Unusable};

/// The text is not a key set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a JSON Web Key Set")]
pub(crate) struct NotAKeySet;

/// The usable keys of one issuer.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    usable: Vec<Key>,
    skipped: Vec<Skipped>,
}

/// A published key that cannot be used.
#[derive(Debug)]
pub(crate) struct Skipped {
    pub(crate) kid: Option<String>,
    pub(crate) reason: Unusable,
}

impl Keys {
    /// Parses a key set (RFC 7517, section 5). Keys of an unknown kind or use and weak keys are skipped.
    /// Private members are not read.
    ///
    /// A set without a usable key is valid: the issuer has withdrawn all of its keys.
    pub(crate) fn parse(json: &[u8]) -> Result<Self, NotAKeySet> {
        let set: Value = serde_json::from_slice(json).map_err(|_| NotAKeySet)?;
        let published = set.get("keys").and_then(Value::as_array).ok_or(NotAKeySet)?;
        let mut keys = Self::default();
        for jwk in published {
            let jwk = jwk.as_object();
            let parsed = jwk.ok_or(Unusable::Malformed("the key is not an object"));
            match parsed.and_then(Key::parse) {
                Ok(key) => keys.usable.push(key),
                Err(reason) => keys.skipped.push(Skipped { kid: jwk.and_then(kid), reason }),
            }
        }
        Ok(keys)
    }

    /// The keys that may verify a token with this `kid` and `algorithm` in its header.
    ///
    /// For a token without `kid` there must be exactly one such key.
    pub(crate) fn candidates<'a>(
        &'a self,
        kid: Option<&'a str>,
        algorithm: Algorithm,
    ) -> Vec<&'a Key> {
        let verifying = self.usable.iter().filter(|key| key.may_verify(algorithm));
        match kid {
            Some(kid) => verifying.filter(|key| key.is_named(kid)).collect(),
            None => {
                Some(verifying.collect()).filter(|all: &Vec<_>| all.len() == 1).unwrap_or_default()
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.usable.len()
    }

    /// The published keys that cannot be used.
    pub(crate) fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }
}

/// The set of a key that is published by itself.
impl From<Key> for Keys {
    fn from(key: Key) -> Self {
        Self { usable: vec![key], skipped: Vec::new() }
    }
}

/// The name of a skipped key, if it is short enough for the log.
fn kid(jwk: &Map<String, Value>) -> Option<String> {
    const LONGEST: usize = 256;

    let kid = jwk.get("kid").and_then(Value::as_str);
    kid.filter(|kid| kid.len() <= LONGEST).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use serde_json::json;

    use super::*;
    use crate::auth::authenticator::tests::provider::{KEYS, ROCA_MODULUS};
    use crate::auth::authenticator::weak_rsa::weakness;

    fn count(keys: Value) -> usize {
        Keys::parse(json!({ "keys": keys }).to_string().as_bytes()).map_or(0, |keys| keys.len())
    }

    /// The largest number of so many bits.
    fn number(bits: usize) -> Vec<u8> {
        let mut bytes = vec![0xff; bits.div_ceil(8)];
        bytes[0] >>= (8 - bits % 8) % 8;
        bytes
    }

    /// A large number of so many bits that no small prime divides.
    fn modulus(bits: usize) -> String {
        let mut number = number(bits);
        let last = number.len() - 1;
        while weakness(&number).is_some() {
            // It stays odd.
            let low = u16::from_be_bytes([number[last - 1], number[last]]) - 2;
            number[last - 1..].copy_from_slice(&low.to_be_bytes());
        }
        URL_SAFE_NO_PAD.encode(number)
    }

    fn text(bits: usize) -> String {
        URL_SAFE_NO_PAD.encode(number(bits))
    }

    fn rsa_key(bits: usize, exponent: &str) -> Value {
        json!({ "kty": "RSA", "kid": "a", "n": modulus(bits), "e": exponent })
    }

    /// The key with this name among those of the provider.
    fn published(kid: &str) -> Value {
        let jwks = KEYS.jwks();
        jwks["keys"].as_array().unwrap().iter().find(|key| key["kid"] == kid).unwrap().clone()
    }

    /// Why the key is skipped.
    fn reason(key: &Value) -> String {
        let keys = Keys::parse(json!({ "keys": [key] }).to_string().as_bytes()).unwrap();
        assert_eq!(keys.len() + keys.skipped().len(), 1);
        keys.skipped().first().map_or_else(String::new, |skipped| skipped.reason.to_string())
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
        let short = URL_SAFE_NO_PAD.decode(modulus(1_024)).unwrap();
        let padded = URL_SAFE_NO_PAD.encode([vec![0; 200], short].concat());
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
            json!({ "kty": "EC", "crv": "P-521", "x": text(521), "y": text(521) }),
            json!({ "kty": "EC", "crv": "secp256k1", "x": text(256), "y": text(256) }),
            json!({ "kty": "EC", "crv": "P-256", "x": text(256), "y": text(248) }),
            json!({ "kty": "EC", "crv": "P-256", "x": text(256) }),
            json!({ "kty": "OKP", "crv": "X25519", "x": text(256) }),
            json!({ "kty": "OKP", "crv": "Ed25519", "x": text(248) }),
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
    fn text_that_is_not_a_key_set_is_an_error_and_a_set_without_usable_keys_is_none() {
        let parse = |text: &str| Keys::parse(text.as_bytes()).map(|keys| keys.len());
        for text in
            ["", "null", "[]", "{}", "{\"keys\":{}}", "{\"keys\":null}", "<html>", "{\"keys\":["]
        {
            assert_eq!(parse(text), Err(NotAKeySet), "{text}");
        }
        for text in ["{\"keys\":[]}", "{\"keys\":[{}]}", "{\"keys\":[7]}"] {
            assert_eq!(parse(text), Ok(0), "{text}");
        }
    }

    #[test]
    fn every_weak_key_is_skipped_with_its_reason() {
        let with_modulus = |n: &str| json!({ "kty": "RSA", "kid": "a", "n": n, "e": "AQAB" });
        let curve = |x: &[u8], y: &[u8]| {
            let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
            json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y })
        };
        let edwards =
            |x: &[u8]| json!({ "kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(x) });
        let ends = |first: u8, middle: u8, last: u8| {
            edwards(&[&[first][..], &[middle; 30], &[last]].concat())
        };
        let order = "the point is the identity or another one of small order";
        let rows = [
            (with_modulus(ROCA_MODULUS), "the modulus has the fingerprint of ROCA, CVE-2017-15361"),
            (with_modulus(&text(2_048)), "the modulus has a small factor"),
            (rsa_key(1_024, "AQAB"), "the modulus does not have 2,048 to 8,192 bits"),
            (rsa_key(2_048, "AQ"), "the exponent is not an odd number from 3 to 2^32"),
            (curve(&[0; 32], &[0; 32]), "the point is not on the curve"),
            (curve(&[0xff; 32], &[0xff; 32]), "the point is not on the curve"),
            // 1, which is the identity; 0; -1; then the same without reduction, and with the other sign.
            (ends(1, 0, 0), order),
            (ends(0, 0, 0), order),
            (ends(0xec, 0xff, 0x7f), order),
            (ends(0xed, 0xff, 0x7f), order),
            (ends(0xee, 0xff, 0x7f), order),
            (ends(1, 0, 0x80), order),
            (ends(0, 0, 0x80), order),
            (ends(0xec, 0xff, 0xff), order),
            (ends(0xeb, 0xff, 0x7f), ""),
            (ends(2, 0, 0), ""),
            (published("ec"), ""),
            (published("ec384"), ""),
            (published("ed"), ""),
            (published("rsa"), ""),
        ];
        for (key, expected) in rows {
            assert_eq!(reason(&key), expected, "{key}");
        }
        let order_8 = [
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        ];
        for hex in order_8 {
            let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
            let mut point: Vec<u8> = (0..64).step_by(2).map(byte).collect();
            for _ in 0..2 {
                assert_eq!(reason(&edwards(&point)), order, "{hex}");
                point[31] ^= 0x80;
            }
            point[0] ^= 1;
            assert_eq!(reason(&edwards(&point)), "", "{hex}");
        }
    }

    #[test]
    fn a_skipped_key_has_its_name_in_the_log_unless_the_name_is_long() {
        let named = |kid: &str| {
            let key = json!({ "kty": "oct", "kid": kid });
            let keys = Keys::parse(json!({ "keys": [key] }).to_string().as_bytes()).unwrap();
            keys.skipped()[0].kid.clone()
        };
        assert_eq!(named("a").as_deref(), Some("a"));
        assert_eq!(named(&"a".repeat(257)), None);
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
        assert_eq!(verified(published("ec")), [Algorithm::Es256]);
        assert_eq!(verified(published("ec384")), [Algorithm::Es384]);
        assert_eq!(verified(published("ed")), [Algorithm::EdDsa]);
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
