mod circuit;
mod configuration;
mod key_sets;
mod keys;
mod load_balancer;
pub(super) mod provider;
mod renewal;
mod replies;
mod sources;
mod tokens;

use std::sync::Arc;

use funcify_core::{Timestamp, engine::ManualClock};
use serde_json::Value;

use crate::auth::authenticator::{Authenticator, Caller, Identify, KeySet, Unauthenticated};
use provider::Provider;

/// The time of the clock in these tests, in seconds.
const NOW: i64 = 1_800_000_000;

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(Timestamp::from_millis(NOW * 1_000)))
}

/// The key set of `provider`, which issues the good tokens.
fn key_set(provider: &Provider) -> KeySet {
    KeySet::new(&provider.url("/jwks")).issuer("https://login.example.com/").audience("orders")
}

fn with_keys(key_set: KeySet) -> Authenticator {
    Authenticator::new().keys(key_set).clock(clock())
}

fn authenticator(provider: &Provider) -> Authenticator {
    with_keys(key_set(provider))
}

/// An authenticator that also has the userinfo endpoint of `provider`.
fn authenticator_with_userinfo(provider: &Provider) -> Authenticator {
    with_keys(key_set(provider).userinfo(&provider.url("/userinfo")))
}

/// A good token with one claim changed.
fn token_with(claim: &str, value: Value) -> String {
    let mut claims = tokens::good_claims();
    claims.insert(claim.to_owned(), value);
    tokens::token("rsa", &Value::Object(claims))
}

/// A good token that names the key `kid`.
fn token_of(kid: &str) -> String {
    tokens::token(kid, &Value::Object(tokens::good_claims()))
}

async fn identify(authenticator: &Authenticator, token: &str) -> Result<Caller, Unauthenticated> {
    authenticator.identify(Some(&format!("Bearer {token}")), None, None).await
}

fn verdict<T>(result: &Result<T, Unauthenticated>) -> String {
    match result {
        Ok(_) => "allowed".to_owned(),
        Err(Unauthenticated::Malformed(why)) => format!("Malformed: {why}"),
        Err(Unauthenticated::Unavailable(_)) => "Unavailable".to_owned(),
        Err(other) => format!("{other:?}"),
    }
}
