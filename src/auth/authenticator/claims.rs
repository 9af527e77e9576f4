//! The permissions that claims grant to a caller.

use serde_json::{Map, Value};

/// The claims with permissions unless others are named. `scope` is that of OAuth 2.0 (RFC 8693, section
/// 4.2), `permissions` that of Auth0, `activities` that of pyfuncify.
const DEFAULT: [&str; 3] = ["scope", "permissions", "activities"];

/// The permissions in the claims that are `named`, or else in the default ones. A claim is a string
/// with spaces between permissions, or an array of strings.
pub(super) fn permissions<'a>(claims: &'a Map<String, Value>, named: &'a [String]) -> Vec<&'a str> {
    let of = |name: &str| claims.get(name).map(words).unwrap_or_default();
    if named.is_empty() {
        DEFAULT.iter().flat_map(|name| of(name)).collect()
    } else {
        named.iter().flat_map(|name| of(name)).collect()
    }
}

fn words(claim: &Value) -> Vec<&str> {
    match claim {
        Value::String(text) => text.split(' ').collect(),
        Value::Array(texts) => texts.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}
