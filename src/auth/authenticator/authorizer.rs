//! The caller that an authorizer of API Gateway names in `requestContext.authorizer`.

use serde_json::{Map, Value, value::RawValue};

use crate::auth::authenticator::caller::Caller;
use crate::auth::authenticator::claims;
use crate::auth::authenticator::error::Unauthenticated;
use crate::json::object::parse_object;

/// The caller that an authorizer let through; `None` if there was no authorizer.
///
/// Where the claims are depends on the authorizer:
///
/// | authorizer | member |
/// |---|---|
/// | Cognito, REST API | `claims` |
/// | JWT, HTTP API | `jwt.claims` |
/// | Lambda, REST API | the object itself, with `principalId` |
/// | Lambda, HTTP API | `lambda` |
/// | IAM, HTTP API and function URL | `iam`, with `userArn` |
/// | IAM, REST API | none; the caller passes `requestContext.identity`, with `userArn` |
pub(super) fn caller(
    authorizer: &RawValue,
    permissions_claims: &[String],
) -> Result<Option<Caller>, Unauthenticated> {
    const UNREADABLE: Unauthenticated =
        Unauthenticated::Malformed("the authorizer's claims are unreadable");
    if authorizer.get().trim() == "null" {
        return Ok(None);
    }
    let mut found = parse_object(authorizer.get().as_bytes()).ok_or(UNREADABLE)?;
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
    let granted = claims::permissions(&claims, permissions_claims);
    let mut caller = Caller::new(subject);
    caller.permissions = granted.into_iter().map(|word| unbracketed(word).to_owned()).collect();
    caller.issuer = name("iss").map(str::to_owned);
    caller.claims = claims;
    Ok(Some(caller))
}

fn member(object: &mut Map<String, Value>, name: &str) -> Option<Map<String, Value>> {
    match object.remove(name) {
        Some(Value::Object(member)) => Some(member),
        _ => None,
    }
}

/// An HTTP API passes an array claim as the text `[a b]`.
fn unbracketed(word: &str) -> &str {
    let word = word.strip_prefix('[').unwrap_or(word);
    word.strip_suffix(']').unwrap_or(word)
}
