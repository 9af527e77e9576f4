//! The permissions that claims grant to a caller.

use serde_json::{Map, Value};

use crate::auth::authenticator::error::Unauthenticated;

/// The claims that are read for permissions by default. `scope` comes from OAuth 2.0 (RFC 8693, section 4.2),
/// `scp` from Okta (a list) and Entra (a text), `permissions` from Auth0, `activities` from pyfuncify.
const DEFAULT: [&str; 4] = ["scope", "scp", "permissions", "activities"];

/// The permissions in the claims `named`, or in the default claims if `named` is empty. `words` splits a
/// claim into permissions.
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

/// Refuses a token that is bound to a key (`cnf`, RFC 7800): that of a client certificate (RFC 8705) or of a
/// proof of possession (DPoP, RFC 9449). funcify does not check that the caller holds the key.
pub(super) fn refuse_bound(claims: &Map<String, Value>) -> Result<(), Unauthenticated> {
    match claims.contains_key("cnf") {
        true => Err(Unauthenticated::Malformed("`cnf` binds it to a key that is not checked")),
        false => Ok(()),
    }
}

/// The permissions in a claim of a token: a string with spaces between permissions, or an array. An element
/// of an array is one permission, even if it contains spaces.
pub(super) fn words(claim: &Value) -> Vec<&str> {
    match claim {
        Value::String(text) => text.split(' ').collect(),
        Value::Array(texts) => texts.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}
