mod beside;
mod circuit;
mod configuration;
mod hostile;
mod keys;
mod provider;
mod replies;
mod sources;

use std::sync::Arc;

use funcify_core::{Timestamp, engine::ManualClock};
use serde_json::Value;

use crate::auth::authenticator::{Authenticator, Caller, Credentials, Unauthenticated};
use provider::Provider;

/// The second at which these tests stand still.
const NOW: i64 = 1_800_000_000;

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(Timestamp::from_millis(NOW * 1_000)))
}

fn authenticator(provider: &Provider) -> Authenticator {
    Authenticator::jwks(&provider.url("/jwks"))
        .issuer("https://login.example.com/")
        .audience("orders")
        .plain_http_on_loopback()
        .clock(clock())
}

/// A good token with one claim changed.
fn token_with(claim: &str, value: Value) -> String {
    let mut claims = hostile::good_claims();
    claims.insert(claim.to_owned(), value);
    hostile::token("rsa", &Value::Object(claims))
}

/// A good token that names the key `kid`.
fn token_of(kid: &str) -> String {
    hostile::token(kid, &Value::Object(hostile::good_claims()))
}

async fn identify(authenticator: &Authenticator, token: &str) -> Result<Caller, Unauthenticated> {
    let authorization = format!("Bearer {token}");
    let credentials = Credentials { authorization: Some(&authorization), ..Credentials::default() };
    authenticator.identify(&credentials).await
}

fn verdict<T>(result: &Result<T, Unauthenticated>) -> String {
    match result {
        Ok(_) => "allowed".to_owned(),
        Err(Unauthenticated::Malformed(why)) => format!("Malformed: {why}"),
        Err(Unauthenticated::Unavailable(_)) => "Unavailable".to_owned(),
        Err(other) => format!("{other:?}"),
    }
}
