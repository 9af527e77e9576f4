//! The permissions that claims grant to a caller.

use serde_json::{Map, Value};

use crate::auth::authenticator::error::Unauthenticated;

/// The claims with permissions unless others are named. `scope` is that of OAuth 2.0 (RFC 8693, section
/// 4.2), `scp` that of Okta (a list) and Entra (a text), `permissions` that of Auth0, `activities` that of pyfuncify.
const DEFAULT: [&str; 4] = ["scope", "scp", "permissions", "activities"];

/// The permissions in the claims that are `named`, or else in the default ones. `words` takes a claim apart.
pub(super) fn permissions<'a>(
    claims: &'a Map<String, Value>,
    named: &'a [String],
    words: fn(&Value) -> Vec<&str>,
) -> Vec<&'a str> {
    let of = |name: &str| claims.get(name).map(words).unwrap_or_default();
    if named.is_empty() {
        DEFAULT.iter().flat_map(|name| of(name)).collect()
    } else {
        named.iter().flat_map(|name| of(name)).collect()
    }
}

/// Refuses a token that only the owner of a key may use (RFC 7800), for a certificate (RFC 8705) or a proof
/// (DPoP, RFC 9449). Nobody checks here that the caller owns the key.
pub(super) fn refuse_bound(claims: &Map<String, Value>) -> Result<(), Unauthenticated> {
    match claims.contains_key("cnf") {
        true => Err(Unauthenticated::Malformed("`cnf` binds it to a key that is not checked")),
        false => Ok(()),
    }
}

/// The permissions in a claim of a token: a string with spaces between permissions, or an array. An element of
/// an array is one permission, whatever spaces are in it.
pub(super) fn words(claim: &Value) -> Vec<&str> {
    match claim {
        Value::String(text) => text.split(' ').collect(),
        Value::Array(texts) => texts.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}
