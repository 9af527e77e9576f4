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

/// Clocks that differ by more are worth a warning: a token is believed for 30 s past its end at most.
const CLOCK_WARNING: Duration = Duration::from_secs(30);

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
            None => match jwt_expiry(granted.token.expose()) {
                Some(expiry) => expiry.since(asked_at).min(TokenPolicy::LONGEST_LIFETIME),
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

    /// A clock that is far ahead makes every shared token look older than it is.
    pub(super) fn compare_clock(&mut self, minted: &Minted) {
        let ahead = minted.ahead();
        if ahead > CLOCK_WARNING && !std::mem::replace(&mut self.state.has_logged_clock, true) {
            tracing::warn!(
                key = %self.settings.key,
                seconds = ahead.as_secs(),
                "this machine's clock is ahead of the identity provider's"
            );
        }
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

/// The `exp` of a JWT. It is read and not verified: it is the provider's own statement about its own
/// token, and nothing else here depends on it.
fn jwt_expiry(token: &str) -> Option<Timestamp> {
    #[derive(Deserialize)]
    struct Claims {
        exp: f64,
    }
    let mut parts = token.split('.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    let claims = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    let exp = serde_json::from_slice::<Claims>(&claims).ok()?.exp;
    // `as` saturates and turns NaN into zero: a token that expired long ago.
    Some(Timestamp::from_millis((exp * 1_000.0) as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_expiry_of_a_jwt_is_read_and_other_tokens_have_none() {
        let token = |claims: &str| format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims));
        let expiry = |claims: &str| jwt_expiry(&token(claims)).map(Timestamp::as_millis);
        assert_eq!(expiry(r#"{"exp":1700000000}"#), Some(1_700_000_000_000));
        assert_eq!(expiry(r#"{"exp":1e300}"#), Some(i64::MAX));
        assert_eq!(expiry(r#"{"exp":"soon"}"#), None);
        assert_eq!(expiry("{}"), None);
        for opaque in ["", "opaque", "a.b", "a.b.c", "..", "e30.e30=.e30"] {
            assert_eq!(jwt_expiry(opaque), None, "{opaque}");
        }
    }
}
