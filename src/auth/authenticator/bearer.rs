//! The bearer token in an `Authorization` header (RFC 6750, section 2.1).

use crate::auth::authenticator::error::Unauthenticated;

/// The token in `authorization`. `None` for another scheme and for an empty header.
pub(super) fn token(authorization: &str) -> Result<Option<&str>, Unauthenticated> {
    let authorization = authorization.trim_matches([' ', '\t']);
    let end = authorization.find([' ', '\t']).unwrap_or(authorization.len());
    let (scheme, token) = authorization.split_at_checked(end).unwrap_or((authorization, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Ok(None);
    }
    // Only spaces may separate the scheme and the token (RFC 9110, section 11.4).
    let token = token.trim_start_matches(' ');
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    if !token.is_empty() && token.bytes().all(legal) {
        Ok(Some(token))
    } else {
        Err(Unauthenticated::Malformed("not one bearer token"))
    }
}
