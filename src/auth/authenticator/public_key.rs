use std::fmt;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, EcdsaVerificationAlgorithm, ParsedPublicKey,
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::DecodingKey;
use serde_json::{Map, Value};

use crate::auth::authenticator::algorithm::Algorithm;
use crate::auth::authenticator::weak_rsa::weakness;

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

/// Why a published key is skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unusable {
    /// The key is for something other than verifying a token. Issuers publish such keys too.
    #[error("{0}")]
    OtherUse(&'static str),
    /// A member is missing, or does not have the form that RFC 7518 defines.
    #[error("{0}")]
    Malformed(&'static str),
    /// Somebody other than the issuer could make signatures for this key.
    #[error("{0}")]
    Weak(&'static str),
}

impl Key {
    /// Parses a key.
    pub(super) fn parse(jwk: &Map<String, Value>) -> Result<Self, Unusable> {
        const UNKNOWN: Unusable = Unusable::OtherUse("keys of this kind are not supported");

        let text = |member: &str| jwk.get(member).and_then(Value::as_str);
        let bytes = |member: &str| {
            let decoded = text(member).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
            decoded.ok_or(Unusable::Malformed("a number in it is missing or not base64url"))
        };
        if !is_for_signatures(jwk) {
            return Err(Unusable::OtherUse("the key is not for verifying signatures"));
        }
        let (kind, material) = match (text("kty").ok_or(UNKNOWN)?, text("crv")) {
            ("RSA", _) => (Kind::Rsa, rsa(&bytes("n")?, &bytes("e")?)?),
            ("EC", Some("P-256")) => {
                (Kind::P256, point(&bytes("x")?, &bytes("y")?, 32, &ECDSA_P256_SHA256_FIXED)?)
            }
            ("EC", Some("P-384")) => {
                (Kind::P384, point(&bytes("x")?, &bytes("y")?, 48, &ECDSA_P384_SHA384_FIXED)?)
            }
            ("OKP", Some("Ed25519")) => (Kind::Ed25519, edwards(&bytes("x")?)?),
            _ => return Err(UNKNOWN),
        };
        // A key that names an unknown algorithm may not verify any other.
        let algorithm = match jwk.get("alg").map(|name| name.as_str().and_then(Algorithm::named)) {
            Some(None) => return Err(Unusable::OtherUse("the key is for another algorithm")),
            named => named.flatten(),
        };
        Ok(Self { kid: text("kid").map(str::to_owned), kind, algorithm, material })
    }

    /// Parses a public key on P-256 in PEM (RFC 7468, section 13; RFC 5480, section 2).
    pub(super) fn of_pem(pem: &[u8]) -> Result<Self, Unusable> {
        const EXPECTED: Unusable = Unusable::Malformed("expected a public key on P-256 in PEM");
        /// What precedes the coordinates: the algorithm, the curve, and that the point is not compressed.
        const BEFORE: [u8; 27] = [
            0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
            0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
        ];
        let text = std::str::from_utf8(pem).map_err(|_| EXPECTED)?.trim();
        let base64 = text
            .strip_prefix("-----BEGIN PUBLIC KEY-----")
            .and_then(|text| text.strip_suffix("-----END PUBLIC KEY-----"))
            .ok_or(EXPECTED)?;
        let base64: String = base64.split_ascii_whitespace().collect();
        let der = STANDARD.decode(base64).map_err(|_| EXPECTED)?;
        let coordinates = der.strip_prefix(&BEFORE).ok_or(EXPECTED)?;
        let (x, y) = coordinates.split_at_checked(32).ok_or(EXPECTED)?;
        let material = point(x, y, 32, &ECDSA_P256_SHA256_FIXED)?;
        Ok(Self { kid: None, kind: Kind::P256, algorithm: Some(Algorithm::Es256), material })
    }

    /// Whether this key may verify `algorithm`: the algorithm must be one for this kind of key, and the one
    /// that the key names, if it names one.
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

/// An RSA key of 2,048 bits (RFC 7518, section 3.3) to 8,192 bits. With a longer key, one verification takes
/// milliseconds. The exponent must be odd and not 1: with 1, the signature is the message itself.
fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<DecodingKey, Unusable> {
    let modulus = without_leading_zeros(modulus);
    let exponent = without_leading_zeros(exponent);
    let unused = modulus.first().map_or(0, |first| first.leading_zeros() as usize);
    let bits = modulus.len() * 8 - unused;
    if !(2_048..=8_192).contains(&bits) {
        return Err(Unusable::Weak("the modulus does not have 2,048 to 8,192 bits"));
    }
    let is_odd = exponent.last().is_some_and(|last| last % 2 == 1);
    if !is_odd || exponent == [1] || exponent.len() > 4 {
        return Err(Unusable::Weak("the exponent is not an odd number from 3 to 2^32"));
    }
    match weakness(modulus) {
        Some(weakness) => Err(Unusable::Weak(weakness)),
        None => Ok(DecodingKey::from_rsa_raw_components(modulus, exponent)),
    }
}

fn without_leading_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

/// An uncompressed point on the curve. The identity cannot be written in this form.
fn point(
    x: &[u8],
    y: &[u8],
    size: usize,
    curve: &'static EcdsaVerificationAlgorithm,
) -> Result<DecodingKey, Unusable> {
    let point = [&[4], x, y].concat();
    if x.len() != size || y.len() != size {
        return Err(Unusable::Malformed("the coordinates do not have the length of the curve"));
    }
    match ParsedPublicKey::new(curve, &point) {
        Ok(_) => Ok(DecodingKey::from_ec_der(&point)),
        Err(_) => Err(Unusable::Weak("the point is not on the curve")),
    }
}

fn edwards(x: &[u8]) -> Result<DecodingKey, Unusable> {
    if x.len() != 32 {
        return Err(Unusable::Malformed("the point does not have 32 bytes"));
    }
    match has_small_order(x) {
        true => Err(Unusable::Weak("the point is the identity or another one of small order")),
        false => Ok(DecodingKey::from_ed_der(x)),
    }
}

/// Whether an encoded point of Ed25519 is one of the eight whose order divides 8. Anyone can make signatures
/// for such a key.
///
/// Each has one or two encodings of its `y` coordinate. The highest bit is the sign of `x`, in which the two
/// points with the same `y` differ.
fn has_small_order(point: &[u8]) -> bool {
    const HIGHEST: u8 = 0x7f;
    const ORDER_8: [[u8; 32]; 2] = [
        [
            0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef,
            0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88,
            0x6d, 0x53, 0xfc, 0x05,
        ],
        [
            0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10,
            0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77,
            0x92, 0xac, 0x03, 0x7a,
        ],
    ];

    let [first, middle @ .., last] = point else { return false };
    let last = last & HIGHEST;
    // 0 and 1, and -1, 0 and 1 as `p - 1`, `p` and `p + 1` with the prime `p` = 2^255 - 19.
    let is_low = *first <= 1 && middle.iter().all(|byte| *byte == 0) && last == 0;
    let is_high =
        (0xec..=0xee).contains(first) && middle.iter().all(|byte| *byte == 0xff) && last == HIGHEST;
    let is_order_8 = |known: &[u8; 32]| {
        known.split_last().is_some_and(|(known_last, known)| {
            point.get(..known.len()) == Some(known) && last == *known_last
        })
    };
    is_low || is_high || ORDER_8.iter().any(is_order_8)
}
