//! Parses a JSON Web Token in compact form and checks its parts. `verify.rs` has the order of the checks.

use std::time::Duration;

use base64::{
    Engine,
    alphabet::URL_SAFE,
    engine::{
        DecodePaddingMode,
        general_purpose::{GeneralPurpose, GeneralPurposeConfig, URL_SAFE_NO_PAD},
    },
};
use funcify_core::Timestamp;
use serde_json::{Map, Value};

use crate::auth::authenticator::algorithm::Algorithm;
use crate::auth::authenticator::claims;
use crate::auth::authenticator::error::Unauthenticated;
use crate::auth::authenticator::public_key::Key;
use crate::json::object::parse_object;

/// The largest access token: 16 KB, the longest header that an Application Load Balancer accepts. API Gateway
/// accepts less, 10 KB for all headers together.
const LARGEST: usize = 16 * 1024;
/// The longest `kid`. Issuers use thumbprints and UUIDs, of up to 64 characters.
const LONGEST_KID: usize = 256;
/// How far the clocks of the issuer and of this host may be apart: 30 s, within the "few minutes" of RFC
/// 7519, section 4.1.4. Synchronized clocks are much closer.
const LEEWAY: Duration = Duration::from_secs(30);
/// The last second of the year 9999. A later time is a mistake, such as milliseconds in place of seconds.
const LAST_SECOND: f64 = 253_402_300_799.0;

/// Header members with which a token brings its own key (RFC 8725, section 3.10), or changes what is
/// signed (RFC 7515, section 4.1.11; RFC 7797), each with the error for it.
const REFUSED_MEMBERS: [(&str, &str); 6] = [
    ("jku", "the header must not have `jku`"),
    ("x5u", "the header must not have `x5u`"),
    ("jwk", "the header must not have `jwk`"),
    ("x5c", "the header must not have `x5c`"),
    ("crit", "the header must not have `crit`"),
    ("b64", "the header must not have `b64`"),
];

/// The `typ` of an access token (RFC 9068, section 2.1).
const ACCESS_TOKEN: &str = "at+jwt";
const OTHER_TYPE: Unauthenticated = Unauthenticated::Malformed("`typ` is not an access token's");

/// The parts of a token. None of them can be trusted before [`Jwt::is_signed_by`] has returned `true`.
pub(crate) struct Jwt<'t> {
    pub(crate) algorithm: Algorithm,
    pub(crate) kid: Option<String>,
    pub(crate) claims: Map<String, Value>,
    header: Map<String, Value>,
    /// The `typ` in the header, without `application/`.
    kind: Option<String>,
    signed: &'t str,
    signature: Vec<u8>,
}

impl<'t> Jwt<'t> {
    pub(crate) fn parse(token: &'t str) -> Result<Self, Unauthenticated> {
        Self::parse_with(token, &URL_SAFE_NO_PAD)
    }

    /// Parses a token whose parts may be padded with `=`. A load balancer pads them, and signs the padding too.
    pub(crate) fn parse_padded(token: &'t str) -> Result<Self, Unauthenticated> {
        const PADDED: GeneralPurpose = GeneralPurpose::new(
            &URL_SAFE,
            GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
        );
        Self::parse_with(token, &PADDED)
    }

    fn parse_with(token: &'t str, base64: &GeneralPurpose) -> Result<Self, Unauthenticated> {
        if token.len() > LARGEST {
            return Err(Unauthenticated::Malformed("larger than 16 KB"));
        }
        let mut parts = token.split('.');
        let (Some(header), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Unauthenticated::Malformed("not three parts"));
        };
        let header = part(header, base64, "the header is not a JSON object")?;
        let algorithm = check_header(&header)?;
        let (kind, kid) = (kind(&header)?, kid(&header)?);
        let signed = token.get(..token.len() - signature.len() - 1).unwrap_or_default();
        let claims = part(claims, base64, "the claims are not a JSON object")?;
        let signature = decode(signature, base64, "the signature is not base64url")?;
        Ok(Self { algorithm, kid, claims, header, kind, signed, signature })
    }

    /// Whether `key` made the signature with the algorithm in the header.
    ///
    /// The caller has checked that the algorithm is allowed and that the key may verify it.
    pub(crate) fn is_signed_by(&self, key: &Key) -> bool {
        let provider = &jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
        (provider.verifier_factory)(&self.algorithm.for_jsonwebtoken(), key.material())
            .is_ok_and(|verifier| verifier.verify(self.signed.as_bytes(), &self.signature).is_ok())
    }

    /// A member of the header.
    pub(crate) fn header(&self, member: &str) -> Option<&Value> {
        self.header.get(member)
    }

    pub(crate) fn issuer(&self) -> Result<&str, Unauthenticated> {
        match self.claims.get("iss") {
            Some(Value::String(issuer)) => Ok(issuer),
            Some(_) => Err(Unauthenticated::Malformed("`iss` is not a string")),
            None => Err(Unauthenticated::Issuer),
        }
    }

    /// Checks `exp`, `nbf` and `iat`. Returns when the token expires.
    pub(crate) fn check_times(&self, now: Timestamp) -> Result<Timestamp, Unauthenticated> {
        let expires = time(&self.claims, "exp", "`exp` is not a time")?;
        let not_before = time(&self.claims, "nbf", "`nbf` is not a time")?;
        let issued = time(&self.claims, "iat", "`iat` is not a time")?;
        let expires = expires.ok_or(Unauthenticated::Malformed("`exp` is missing"))?;
        if now >= expires + LEEWAY {
            return Err(Unauthenticated::Expired);
        }
        if not_before.max(issued).is_some_and(|begins| begins > now + LEEWAY) {
            return Err(Unauthenticated::NotYetValid);
        }
        Ok(expires)
    }

    /// Checks the `exp` in the header, where a load balancer writes it, and also the `exp` in the claims if
    /// there is one.
    pub(crate) fn check_times_of_header(&self, now: Timestamp) -> Result<(), Unauthenticated> {
        let expires = time(&self.header, "exp", "`exp` is not a time")?;
        let expires = expires.ok_or(Unauthenticated::Malformed("`exp` is missing"))?;
        let of_claims = time(&self.claims, "exp", "`exp` is not a time")?;
        if now >= of_claims.map_or(expires, |of_claims| of_claims.min(expires)) + LEEWAY {
            return Err(Unauthenticated::Expired);
        }
        Ok(())
    }

    /// Checks that `claim` contains one of `audiences`.
    pub(crate) fn check_audience(
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

    /// Checks the `typ` in the header, without regard to case.
    pub(crate) fn check_type(&self, required: Option<&str>) -> Result<(), Unauthenticated> {
        let is_one_of = |types: &[&str]| {
            self.kind.as_deref().is_some_and(|kind| {
                types.iter().any(|known| kind.eq_ignore_ascii_case(short(known)))
            })
        };
        let is_allowed = match required {
            Some(required) => is_one_of(&[required]),
            None => self.kind.is_none() || is_one_of(&["JWT", ACCESS_TOKEN]),
        };
        if is_allowed { Ok(()) } else { Err(OTHER_TYPE) }
    }

    /// Checks that the claims are those of a bearer access token.
    ///
    /// `events` is the claim of logout tokens (OpenID Connect Back-Channel Logout, section 2.4) and of all
    /// other security events (RFC 8417). No single claim distinguishes ID tokens from access tokens. So an ID
    /// token is recognised by the nonce and the hashes (OpenID Connect Core, sections 2 and 3.3.2.11), by
    /// `token_use` (Amazon Cognito) or by the claim `typ` (Keycloak). A token whose header has the `typ`
    /// `at+jwt` is an access token whatever its claims are (RFC 9068, section 2.1).
    pub(crate) fn check_use(&self) -> Result<(), Unauthenticated> {
        claims::refuse_bound(&self.claims)?;
        if self.claims.contains_key("events") {
            return Err(Unauthenticated::Malformed(
                "it is a security event, such as a logout token",
            ));
        }
        let has = |claim: &&str| self.claims.contains_key(*claim);
        let says =
            |claim: &str, text: &str| self.claims.get(claim).is_some_and(|says| says == text);
        let is_id_token = ["nonce", "at_hash", "c_hash"].iter().any(has)
            || says("token_use", "id")
            || says("typ", "ID");
        let is_access_token =
            self.kind.as_deref().is_some_and(|kind| kind.eq_ignore_ascii_case(ACCESS_TOKEN));
        if is_id_token && !is_access_token {
            return Err(Unauthenticated::Malformed("it is an ID token"));
        }
        Ok(())
    }

    pub(crate) fn subject(&self) -> Result<&str, Unauthenticated> {
        match self.claims.get("sub") {
            Some(Value::String(subject)) if !subject.is_empty() => Ok(subject),
            _ => Err(Unauthenticated::Malformed("`sub` is not a name")),
        }
    }
}

/// A NumericDate (RFC 7519, section 2): seconds since 1970, which may have a fraction.
fn time(
    object: &Map<String, Value>,
    member: &str,
    malformed: &'static str,
) -> Result<Option<Timestamp>, Unauthenticated> {
    let Some(value) = object.get(member) else { return Ok(None) };
    match value.as_f64() {
        Some(seconds) if (0.0..=LAST_SECOND).contains(&seconds) => {
            Ok(Some(Timestamp::from_millis((seconds * 1_000.0) as i64)))
        }
        _ => Err(Unauthenticated::Malformed(malformed)),
    }
}

fn part(
    encoded: &str,
    base64: &GeneralPurpose,
    malformed: &'static str,
) -> Result<Map<String, Value>, Unauthenticated> {
    let json = decode(encoded, base64, malformed)?;
    parse_object(&json).ok_or(Unauthenticated::Malformed(malformed))
}

fn decode(
    encoded: &str,
    base64: &GeneralPurpose,
    malformed: &'static str,
) -> Result<Vec<u8>, Unauthenticated> {
    base64.decode(encoded).map_err(|_| Unauthenticated::Malformed(malformed))
}

fn check_header(header: &Map<String, Value>) -> Result<Algorithm, Unauthenticated> {
    for (member, malformed) in REFUSED_MEMBERS {
        if header.contains_key(member) {
            return Err(Unauthenticated::Malformed(malformed));
        }
    }
    match header.get("alg") {
        Some(Value::String(name)) => Algorithm::named(name).ok_or(Unauthenticated::Algorithm),
        _ => Err(Unauthenticated::Malformed("`alg` is not a string")),
    }
}

/// The media type of the token.
fn kind(header: &Map<String, Value>) -> Result<Option<String>, Unauthenticated> {
    match header.get("typ") {
        None => Ok(None),
        Some(Value::String(kind)) => Ok(Some(short(kind).to_owned())),
        Some(_) => Err(OTHER_TYPE),
    }
}

/// A media type may be written without `application/` (RFC 7515, section 4.1.9).
fn short(kind: &str) -> &str {
    const PREFIX: &str = "application/";

    match kind.split_at_checked(PREFIX.len()) {
        Some((prefix, short)) if prefix.eq_ignore_ascii_case(PREFIX) => short,
        _ => kind,
    }
}

/// The name of the key. It is compared with others and never interpreted.
fn kid(header: &Map<String, Value>) -> Result<Option<String>, Unauthenticated> {
    match header.get("kid") {
        None => Ok(None),
        Some(Value::String(kid)) if (1..=LONGEST_KID).contains(&kid.len()) => Ok(Some(kid.clone())),
        Some(_) => Err(Unauthenticated::Malformed("`kid` is not the name of a key")),
    }
}
