//! The caller that an authorizer of API Gateway names in `requestContext.authorizer`.

use serde_json::{Map, Value, value::RawValue};

use crate::auth::authenticator::caller::Caller;
use crate::auth::authenticator::claims;
use crate::auth::authenticator::error::Unauthenticated;
use crate::json::object::parse_object;

const UNREADABLE: Unauthenticated =
    Unauthenticated::Malformed("the authorizer's claims are unreadable");

/// The caller that an authorizer let through. `None` if there was no authorizer.
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
    if authorizer.get().trim() == "null" {
        return Ok(None);
    }
    let mut found = parse_object(authorizer.get().as_bytes()).ok_or(UNREADABLE)?;
    let of_token = match (member(&mut found, "claims"), found.get_mut("jwt")) {
        (Some(claims), _) => Some(claims),
        (None, Some(Value::Object(jwt))) => member(jwt, "claims"),
        (None, _) => None,
    };
    if let Some(claims) = &of_token {
        claims::refuse_bound(claims)?;
    }
    let claims =
        of_token.or_else(|| member(&mut found, "lambda")).or_else(|| member(&mut found, "iam"));
    let claims = match claims {
        Some(claims) => claims,
        None if found.contains_key("principalId") || found.contains_key("userArn") => found,
        None => return Ok(None),
    };
    let name =
        |claim: &str| claims.get(claim).and_then(Value::as_str).filter(|name| !name.is_empty());
    let names = ["sub", "principalId", "userArn"];
    let subject = names.into_iter().find_map(name).ok_or(UNREADABLE)?;
    let mut caller = Caller::new(subject);
    let granted = claims::permissions(&claims, permissions_claims, words);
    caller.permissions = granted.into_iter().map(str::to_owned).collect();
    caller.issuer = name("iss").map(str::to_owned);
    caller.claims = claims;
    Ok(Some(caller))
}

/// Everything that an authorizer says about the caller. A repeated member is refused, because two parsers
/// could each use a different one of the values.
pub(super) fn value(authorizer: &RawValue) -> Result<Value, Unauthenticated> {
    parse_object(authorizer.get().as_bytes()).map(Value::Object).ok_or(UNREADABLE)
}

fn member(object: &mut Map<String, Value>, name: &str) -> Option<Map<String, Value>> {
    match object.remove(name) {
        Some(Value::Object(member)) => Some(member),
        _ => None,
    }
}

/// The permissions in a claim. An HTTP API writes an array as the text `[a b]`, in which an element with a
/// space looks like two elements. So an array of several elements grants nothing.
fn words(claim: &Value) -> Vec<&str> {
    let array = claim.as_str().and_then(|text| text.strip_prefix('[')?.strip_suffix(']'));
    match array {
        Some(elements) if elements.contains(' ') => Vec::new(),
        Some(element) => vec![element],
        None => claims::words(claim),
    }
}
