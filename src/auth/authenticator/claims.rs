//! What claims say that a caller was granted.

use serde_json::{Map, Value};

/// Where permissions are looked for unless something else is said.
const DEFAULT: [&str; 3] = ["scope", "permissions", "activities"];

/// The permissions in `claims`: of each claim, a string split on spaces (RFC 8693, section 4.2) or the
/// strings of an array.
pub(crate) fn permissions<'a>(claims: &'a Map<String, Value>, named: &'a [String]) -> Vec<&'a str> {
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
