use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::DecodingKey;
use serde_json::{Map, Value};

use crate::auth::authenticator::algorithm::Algorithm;

/// A public key, bound to the algorithms that it may verify.
pub(crate) struct Key {
    kid: Option<String>,
    kind: Kind,
    algorithm: Option<Algorithm>,
    material: DecodingKey,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Rsa,
    P256,
    P384,
    Ed25519,
}

impl Key {
    /// Parses a key; `None` if it cannot be used.
    pub(super) fn parse(jwk: &Map<String, Value>) -> Option<Self> {
        let text = |member: &str| jwk.get(member).and_then(Value::as_str);
        let bytes = |member: &str| URL_SAFE_NO_PAD.decode(text(member)?).ok();
        if !is_for_signatures(jwk) {
            return None;
        }
        let (kind, material) = match (text("kty")?, text("crv")) {
            ("RSA", _) => (Kind::Rsa, rsa(&bytes("n")?, &bytes("e")?)?),
            ("EC", Some("P-256")) => (Kind::P256, point(&bytes("x")?, &bytes("y")?, 32)?),
            ("EC", Some("P-384")) => (Kind::P384, point(&bytes("x")?, &bytes("y")?, 48)?),
            ("OKP", Some("Ed25519")) => (Kind::Ed25519, edwards(&bytes("x")?)?),
            _ => return None,
        };
        // A key for an unknown algorithm may verify nothing else.
        let algorithm = match jwk.get("alg") {
            None => None,
            Some(name) => Some(Algorithm::named(name.as_str()?)?),
        };
        Some(Self { kid: text("kid").map(str::to_owned), kind, algorithm, material })
    }

    /// Whether this key may verify `algorithm`: it must be one for this kind of key, and the key's own if
    /// the key names one.
    pub(super) fn may_verify(&self, algorithm: Algorithm) -> bool {
        let kind = match algorithm {
            Algorithm::Rs256
            | Algorithm::Rs384
            | Algorithm::Rs512
            | Algorithm::Ps256
            | Algorithm::Ps384
            | Algorithm::Ps512 => Kind::Rsa,
            Algorithm::Es256 => Kind::P256,
            Algorithm::Es384 => Kind::P384,
            Algorithm::EdDsa => Kind::Ed25519,
        };
        self.kind == kind && self.algorithm.is_none_or(|own| own == algorithm)
    }

    pub(super) fn is_named(&self, kid: &str) -> bool {
        self.kid.as_deref() == Some(kid)
    }

    pub(crate) fn material(&self) -> &DecodingKey {
        &self.material
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("kid", &self.kid)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

fn is_for_signatures(jwk: &Map<String, Value>) -> bool {
    let used = jwk.get("use").is_none_or(|used| used == "sig");
    let verifies =
        |operations: &Vec<Value>| operations.iter().any(|operation| operation == "verify");
    used && jwk.get("key_ops").is_none_or(|all| all.as_array().is_some_and(verifies))
}

/// An RSA key of 2,048 bits (RFC 7518, section 3.3) to 8,192 bits, beyond which one verification costs
/// milliseconds. The exponent must be odd and not 1, under which the signature is the message itself.
fn rsa(modulus: &[u8], exponent: &[u8]) -> Option<DecodingKey> {
    let modulus = without_leading_zeros(modulus);
    let exponent = without_leading_zeros(exponent);
    let bits = modulus.len() * 8 - modulus.first()?.leading_zeros() as usize;
    let odd = exponent.last()? % 2 == 1;
    let strong = (2_048..=8_192).contains(&bits) && odd && exponent != [1] && exponent.len() <= 4;
    strong.then(|| DecodingKey::from_rsa_raw_components(modulus, exponent))
}

fn without_leading_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

/// An uncompressed point. The verification checks that it is on the curve.
fn point(x: &[u8], y: &[u8], size: usize) -> Option<DecodingKey> {
    let whole = x.len() == size && y.len() == size;
    whole.then(|| DecodingKey::from_ec_der(&[&[4], x, y].concat()))
}

fn edwards(x: &[u8]) -> Option<DecodingKey> {
    (x.len() == 32).then(|| DecodingKey::from_ed_der(x))
}
