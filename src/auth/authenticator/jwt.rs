//! The compact JSON Web Token: taken apart, and each part checked by name.
//!
//! Every function here is pure. In what order they are called is [`TrustedIssuer`]'s story.
//!
//! [`TrustedIssuer`]: super::issuer::TrustedIssuer

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use funcify_core::Timestamp;
use serde_json::{Map, Value};

use crate::auth::authenticator::Unauthenticated;
use crate::auth::authenticator::algorithm::Algorithm;
use crate::auth::authenticator::jwk::Key;
use crate::json::members;

/// An access token larger than this, 16 KB, is not looked at.
const LARGEST: usize = 16 * 1024;
/// A key's name longer than this is not looked up.
const LONGEST_KID: usize = 256;
/// By how much clocks may differ.
const LEEWAY: Duration = Duration::from_secs(30);
/// The last second of the year 9999: no honest time is later.
const LAST_SECOND: f64 = 253_402_300_799.0;

/// Header members by which a token would bring its own key, or change what is signed (RFC 8725,
/// sections 3.10 and 3.1; RFC 7515, section 4.1.11; RFC 7797).
const REFUSED_MEMBERS: [&str; 6] = ["jku", "x5u", "jwk", "x5c", "crit", "b64"];

/// A token taken apart; nothing in it is to be trusted before [`Jwt::signed_by`].
pub(crate) struct Jwt<'t> {
    pub(crate) algorithm: Algorithm,
    pub(crate) kid: Option<String>,
    pub(crate) claims: Map<String, Value>,
    signed: &'t str,
    signature: Vec<u8>,
}

impl<'t> Jwt<'t> {
    pub(crate) fn parse(token: &'t str) -> Result<Self, Unauthenticated> {
        if token.len() > LARGEST {
            return Err(Unauthenticated::Malformed("larger than 16 KB"));
        }
        let mut parts = token.split('.');
        let (Some(header), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Unauthenticated::Malformed("not three parts"));
        };
        let header = part(header, "the header is no JSON object")?;
        let algorithm = check_header(&header)?;
        let kid = kid(&header)?;
        let signed = token.get(..token.len() - signature.len() - 1).unwrap_or_default();
        let claims = part(claims, "the claims are no JSON object")?;
        let signature = decode(signature, "the signature is not base64url")?;
        Ok(Self { algorithm, kid, claims, signed, signature })
    }

    /// Whether `key` made the signature, by the algorithm that the header names.
    ///
    /// That this algorithm is allowed, and the key's, was checked before.
    pub(crate) fn signed_by(&self, key: &Key) -> bool {
        let provider = &jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
        (provider.verifier_factory)(&self.algorithm.of_crypto(), key.material())
            .is_ok_and(|verifier| verifier.verify(self.signed.as_bytes(), &self.signature).is_ok())
    }

    pub(crate) fn issuer(&self) -> Result<&str, Unauthenticated> {
        match self.claims.get("iss") {
            Some(Value::String(issuer)) => Ok(issuer),
            Some(_) => Err(Unauthenticated::Malformed("`iss` is no string")),
            None => Err(Unauthenticated::Issuer),
        }
    }

    /// Checks `exp`, `nbf` and `iat`, and says when the token expires.
    pub(crate) fn timely(&self, now: Timestamp) -> Result<Timestamp, Unauthenticated> {
        let expires = self.time("exp", "`exp` is no time")?;
        let not_before = self.time("nbf", "`nbf` is no time")?;
        let issued = self.time("iat", "`iat` is no time")?;
        let expires = expires.ok_or(Unauthenticated::Malformed("`exp` is missing"))?;
        if now >= expires + LEEWAY {
            return Err(Unauthenticated::Expired);
        }
        if not_before.max(issued).is_some_and(|begins| begins > now + LEEWAY) {
            return Err(Unauthenticated::NotYetValid);
        }
        Ok(expires)
    }

    /// Checks that `claim` names one of `audiences`.
    pub(crate) fn meant_for(
        &self,
        claim: &str,
        audiences: &[String],
    ) -> Result<(), Unauthenticated> {
        const NO_AUDIENCE: Unauthenticated =
            Unauthenticated::Malformed("the audience is neither a string nor an array of strings");
        let named: Vec<&str> = match self.claims.get(claim) {
            None => return Err(Unauthenticated::Audience),
            Some(Value::String(audience)) => vec![audience],
            Some(Value::Array(named)) => {
                named.iter().map(Value::as_str).collect::<Option<_>>().ok_or(NO_AUDIENCE)?
            }
            Some(_) => return Err(NO_AUDIENCE),
        };
        let ours = named.iter().any(|named| audiences.iter().any(|audience| audience == named));
        if ours { Ok(()) } else { Err(Unauthenticated::Audience) }
    }

    pub(crate) fn subject(&self) -> Result<&str, Unauthenticated> {
        match self.claims.get("sub") {
            Some(Value::String(subject)) if !subject.is_empty() => Ok(subject),
            _ => Err(Unauthenticated::Malformed("`sub` is no name")),
        }
    }

    /// A NumericDate of RFC 7519, section 2: seconds, perhaps with a fraction.
    fn time(
        &self,
        claim: &str,
        otherwise: &'static str,
    ) -> Result<Option<Timestamp>, Unauthenticated> {
        let Some(value) = self.claims.get(claim) else { return Ok(None) };
        match value.as_f64() {
            Some(seconds) if (0.0..=LAST_SECOND).contains(&seconds) => {
                Ok(Some(Timestamp::from_millis((seconds * 1_000.0) as i64)))
            }
            _ => Err(Unauthenticated::Malformed(otherwise)),
        }
    }
}

fn part(encoded: &str, otherwise: &'static str) -> Result<Map<String, Value>, Unauthenticated> {
    let json = decode(encoded, otherwise)?;
    members::object(&json).ok_or(Unauthenticated::Malformed(otherwise))
}

fn decode(encoded: &str, otherwise: &'static str) -> Result<Vec<u8>, Unauthenticated> {
    URL_SAFE_NO_PAD.decode(encoded).map_err(|_| Unauthenticated::Malformed(otherwise))
}

fn check_header(header: &Map<String, Value>) -> Result<Algorithm, Unauthenticated> {
    if REFUSED_MEMBERS.iter().any(|member| header.contains_key(*member)) {
        return Err(Unauthenticated::Malformed("the header has a member that is refused"));
    }
    match header.get("typ") {
        None => {}
        Some(Value::String(kind)) if is_token_type(kind) => {}
        Some(_) => return Err(Unauthenticated::Malformed("`typ` is not an access token's")),
    }
    match header.get("alg") {
        Some(Value::String(name)) => name.parse().map_err(|_| Unauthenticated::Algorithm),
        _ => Err(Unauthenticated::Malformed("`alg` is no string")),
    }
}

/// Media types are compared without case (RFC 7515, section 4.1.9).
fn is_token_type(kind: &str) -> bool {
    ["JWT", "at+jwt", "application/at+jwt"].iter().any(|known| kind.eq_ignore_ascii_case(known))
}

/// The key's name is only ever compared, but need not be a megabyte or empty.
fn kid(header: &Map<String, Value>) -> Result<Option<String>, Unauthenticated> {
    match header.get("kid") {
        None => Ok(None),
        Some(Value::String(kid)) if (1..=LONGEST_KID).contains(&kid.len()) => Ok(Some(kid.clone())),
        Some(_) => Err(Unauthenticated::Malformed("`kid` is no name of a key")),
    }
}
