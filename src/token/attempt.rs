//! One request to the provider, and what its answer means.

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use funcify_core::{
    Deadline, Timestamp,
    circuit::{CircuitError, Outcome},
    token::{Minted, TokenPolicy},
};
use serde::Deserialize;
use tokio::time::{Instant, timeout_at};

use super::{
    Inner, TokenError,
    flight::{Flight, Known},
    grant::{GrantError, Granted, ReplyFault},
    out_of_time,
    renew::Want,
};

impl Inner {
    /// The client's secret, asked for unless it is known already.
    pub(super) async fn know_secret(
        &self,
        flight: &mut Flight,
        want: &Want<'_>,
    ) -> Result<Known, TokenError> {
        if let Some(known) = &flight.secret {
            return Ok(known.clone());
        }
        let secret = timeout_at(want.ends, self.credentials.authentication.secret()).await;
        let secret = secret.map_err(|_| out_of_time())?.map_err(|error| {
            let error = TokenError::Credentials(Arc::from(error));
            flight.failed = Some((Instant::now() + Duration::from_secs(1), error.clone()));
            error
        })?;
        let fingerprint = self.credentials.fingerprint(secret.as_ref());
        let known = Known { secret: secret.map(Arc::new), fingerprint };
        flight.secret = Some(known.clone());
        Ok(known)
    }

    /// One request, ended at `ends` or with its caller.
    pub(super) async fn attempt(
        &self,
        known: &Known,
        want: &Want<'_>,
        ends: Instant,
    ) -> Result<Minted, TokenError> {
        let asked_at = self.clock.now();
        // Cut off early it may only have been unlucky; that says nothing about the provider.
        let given = want.ends.saturating_duration_since(Instant::now());
        let is_unlucky = want.ends < ends && given < self.request_timeout / 2;
        // In a circuit the breaker ends it with the invocation: it knows what to make of that.
        let breaks = self.circuit.is_some() && Deadline::current().is_some();
        let ends = if breaks { ends } else { ends.min(want.ends) };
        let request = async || {
            let grant = self.grant.grant(&self.credentials, known.secret.as_deref());
            timeout_at(ends, grant).await.unwrap_or(Err(GrantError::TimedOut))
        };
        let granted = match &self.circuit {
            None => request().await,
            Some(circuit) => {
                let classify = |result: &Result<Granted, GrantError>| match result {
                    Ok(_) => Outcome::Success,
                    Err(GrantError::TimedOut) if is_unlucky => Outcome::Neutral,
                    Err(error) => error.outcome(),
                };
                match circuit.call_classified(classify, request).await {
                    Ok(granted) => Ok(granted),
                    Err(CircuitError::Open(open)) => return Err(TokenError::Open(open)),
                    Err(CircuitError::Failed(error)) => Err(error),
                    Err(_) => Err(GrantError::TimedOut),
                }
            }
        };
        granted.and_then(|granted| self.minted(granted, asked_at)).map_err(|error| match error {
            GrantError::TimedOut if is_unlucky => out_of_time(),
            error => TokenError::Grant(Arc::new(error)),
        })
    }

    fn minted(&self, granted: Granted, asked_at: Timestamp) -> Result<Minted, GrantError> {
        let lifetime = match granted.expires_in {
            Some(lifetime) => lifetime,
            None => match jwt_expiry(granted.token.expose()) {
                Some(expiry) => expiry.since(asked_at).min(TokenPolicy::LONGEST_LIFETIME),
                None => self.default_lifetime,
            },
        };
        if lifetime < Duration::from_secs(1) {
            return Err(GrantError::Reply(ReplyFault::ExpiresIn));
        }
        self.compare_scope(granted.scope.as_deref());
        Ok(Minted {
            token: granted.token,
            token_type: "Bearer".to_owned(),
            scope: granted.scope,
            asked_at,
            lifetime,
        })
    }

    /// A provider may grant less than was asked for, if it says so (RFC 6749 §3.3).
    fn compare_scope(&self, granted: Option<&str>) {
        let (Some(asked), Some(granted)) = (self.credentials.scope.as_deref(), granted) else {
            return;
        };
        let is_granted = |scope: &&str| granted.split_ascii_whitespace().any(|one| one == *scope);
        let missing: Vec<_> =
            asked.split_ascii_whitespace().filter(|scope| !is_granted(scope)).collect();
        if !missing.is_empty() {
            tracing::warn!(key = %self.key, ?missing, "the provider granted less than was asked for");
        }
    }
}

/// When a JWT says that it ends. Read, not verified: it is the provider's own word about its own
/// token, which nobody here trusts for anything else.
fn jwt_expiry(token: &str) -> Option<Timestamp> {
    #[derive(Deserialize)]
    struct Claims {
        exp: f64,
    }
    let mut parts = token.split('.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    let claims = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    let exp = serde_json::from_slice::<Claims>(&claims).ok()?.exp;
    // `as` saturates, and a number that is none becomes zero: an end long ago.
    Some(Timestamp::from_millis((exp * 1_000.0) as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_jwt_is_read_and_nothing_else_has_one() {
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
