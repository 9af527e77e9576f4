//! What API Gateway's own authorizers found out, as `requestContext.authorizer` has it.

use serde_json::{Map, Value, value::RawValue};

use crate::auth::authenticator::{Caller, Unauthenticated, claims};
use crate::json::members;

/// The caller whom an authorizer let through; `None` if there was none.
///
/// A Cognito authorizer of a REST API puts `claims` there, a JWT authorizer of an HTTP API
/// `jwt.claims`, a Lambda authorizer its context: of a REST API at the top beside `principalId`, of an
/// HTTP API under `lambda`. Where IAM authorises, an HTTP API and a function URL have `iam` there, with a
/// `userArn`; a REST API has none, and the signer is `requestContext.identity`, handed over instead.
pub(crate) fn caller(
    authorizer: &RawValue,
    permissions: &[String],
) -> Result<Option<Caller>, Unauthenticated> {
    const UNREADABLE: Unauthenticated =
        Unauthenticated::Malformed("the authorizer's claims are unreadable");
    if authorizer.get().trim() == "null" {
        return Ok(None);
    }
    let mut found = members::object(authorizer.get().as_bytes()).ok_or(UNREADABLE)?;
    let claims = match (member(&mut found, "claims"), found.get_mut("jwt")) {
        (Some(claims), _) => Some(claims),
        (None, Some(Value::Object(jwt))) => member(jwt, "claims"),
        (None, _) => member(&mut found, "lambda").or_else(|| member(&mut found, "iam")),
    };
    let claims = match claims {
        Some(claims) => claims,
        None if found.contains_key("principalId") || found.contains_key("userArn") => found,
        None => return Ok(None),
    };
    let name =
        |claim: &str| claims.get(claim).and_then(Value::as_str).filter(|name| !name.is_empty());
    let names = ["sub", "principalId", "userArn"];
    let subject = names.into_iter().find_map(name).ok_or(UNREADABLE)?;
    let granted: Vec<&str> =
        claims::permissions(&claims, permissions).into_iter().map(unbracketed).collect();
    let caller = Caller::new(subject).with_permissions(granted);
    let caller = match name("iss") {
        Some(issuer) => caller.with_issuer(issuer),
        None => caller,
    };
    Ok(Some(caller.with_claims(claims)))
}

fn member(object: &mut Map<String, Value>, name: &str) -> Option<Map<String, Value>> {
    match object.remove(name) {
        Some(Value::Object(member)) => Some(member),
        _ => None,
    }
}

/// An HTTP API writes an array claim as the text `[a b]`.
fn unbracketed(word: &str) -> &str {
    let word = word.strip_prefix('[').unwrap_or(word);
    word.strip_suffix(']').unwrap_or(word)
}
