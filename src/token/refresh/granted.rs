//! Step: check what was granted: how long the token lives, and whether the scope is complete.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use funcify_core::{Timestamp, engine::Minted, token::TokenPolicy};
use serde::Deserialize;

use super::request::Refresh;
use crate::token::grant::{GrantError, Granted, ReplyError};

/// Shorter than any request that could use the token: a provider that says so means milliseconds,
/// or its clock is off.
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

    /// Compares this machine's clock with the provider's. A clock that is far ahead makes every shared token
    /// look older than it is, and by one that is far behind no shared token would be believed.
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

    /// A provider may grant less than was requested, if it says so (RFC 6749 §3.3).
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

/// How long a JWT lives: its `exp` less its `iat`. Both are by the provider's clock, so that no other
/// clock matters. They are read and not verified: they are the provider's own statement about its own
/// token, and nothing else here depends on them.
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
