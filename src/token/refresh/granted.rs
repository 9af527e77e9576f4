//! Step: check the granted token: its text, its lifetime and its scope.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use funcify_core::{Timestamp, engine::Minted, token::TokenPolicy};
use serde::Deserialize;

use super::request::Refresh;
use crate::token::grant::{GrantError, Granted, ReplyError};

/// A token that lives less than 1 s would expire before a request could use it. A provider that states such
/// a lifetime is misconfigured.
const SHORTEST_LIFETIME: Duration = Duration::from_secs(1);

impl Refresh<'_> {
    pub(super) fn minted(
        &self,
        granted: Granted,
        asked_at: Timestamp,
    ) -> Result<Minted, GrantError> {
        let text = granted.token.expose();
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ReplyError::TokenText.into());
        }
        let lifetime = match granted.expires_in {
            Some(lifetime) => lifetime,
            None => match jwt_lifetime(granted.token.expose()) {
                Some(lifetime) => lifetime.min(TokenPolicy::LONGEST_LIFETIME),
                None => self.settings.policy.default_lifetime,
            },
        };
        if lifetime < SHORTEST_LIFETIME {
            return Err(ReplyError::ExpiresIn.into());
        }
        self.compare_scope(granted.scope.as_deref());
        Ok(Minted {
            token: granted.token,
            token_type: "Bearer".to_owned(),
            scope: granted.scope,
            asked_at,
            issued_at: granted.issued_at,
            lifetime,
        })
    }

    /// Compares this machine's clock with the provider's. If the clock is far ahead, every shared token looks
    /// older than it is. If it is far behind, every shared token looks as if it came from the future, and
    /// would not be believed without the correction in `behind`.
    pub(super) fn compare_clock(&mut self, minted: &Minted) {
        let (ahead, behind) = (minted.ahead(), minted.behind());
        self.state.behind =
            if behind > TokenPolicy::MINTED_AHEAD { behind } else { Duration::ZERO };
        if ahead.max(behind) <= TokenPolicy::MINTED_AHEAD
            || std::mem::replace(&mut self.state.has_logged_clock, true)
        {
            return;
        }
        tracing::warn!(
            key = %self.settings.key,
            ahead_by_s = ahead.as_secs(),
            behind_by_s = behind.as_secs(),
            "this machine's clock differs from the identity provider's"
        );
    }

    /// Warns if the provider granted less than the requested scope. It may do so if it states the granted
    /// scope (RFC 6749 §3.3).
    fn compare_scope(&self, granted: Option<&str>) {
        let settings = self.settings;
        let (Some(requested), Some(granted)) = (settings.credentials.scope.as_deref(), granted)
        else {
            return;
        };
        let is_granted = |scope: &&str| granted.split_ascii_whitespace().any(|one| one == *scope);
        let missing: Vec<_> =
            requested.split_ascii_whitespace().filter(|scope| !is_granted(scope)).collect();
        if !missing.is_empty() {
            tracing::warn!(key = %settings.key, ?missing, "the provider granted less than the requested scope");
        }
    }
}

/// The lifetime of a JWT: its `exp` minus its `iat` (RFC 7519 §4.1). Both are by the provider's clock, so
/// this machine's clock does not matter. The signature is not verified, because the token comes from the
/// provider itself.
fn jwt_lifetime(token: &str) -> Option<Duration> {
    #[derive(Deserialize)]
    struct Claims {
        exp: f64,
        iat: f64,
    }
    let mut parts = token.split('.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    let claims = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    let Claims { exp, iat } = serde_json::from_slice(&claims).ok()?;
    let longest = TokenPolicy::LONGEST_LIFETIME.as_secs_f64();
    Some(Duration::from_secs_f64((exp - iat).clamp(0.0, longest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lifetime_of_a_jwt_is_read_and_other_tokens_have_none() {
        let token = |claims: &str| format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims));
        let lifetime = |claims: &str| jwt_lifetime(&token(claims)).map(|life| life.as_secs());
        assert_eq!(lifetime(r#"{"iat":1700000000,"exp":1700003600}"#), Some(3_600));
        assert_eq!(lifetime(r#"{"iat":1700000000,"exp":1600000000}"#), Some(0));
        assert_eq!(lifetime(r#"{"iat":-1e300,"exp":1e300}"#), Some(366 * 86_400));
        for claims in [r#"{"exp":1700003600}"#, r#"{"iat":1,"exp":"soon"}"#, "{}"] {
            assert_eq!(lifetime(claims), None, "{claims}");
        }
        for opaque in ["", "opaque", "a.b", "a.b.c", "..", "e30.e30=.e30"] {
            assert_eq!(jwt_lifetime(opaque), None, "{opaque}");
        }
    }
}
