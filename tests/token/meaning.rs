//! The same token, configured in several ways: with the scopes in another order, with spaces, or with a
//! slash at the end of the issuer.

use std::time::Duration;

use funcify::token::{ClientCredentials, ClientSecret, Endpoint, TokenGetter, TokenSource};
use funcify_core::register::{Body, Register, WriteId};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::fleet::{Fleet, key};

fn credentials(issuer: &str, scope: &str) -> ClientCredentials {
    let issuer = Endpoint::Issuer(issuer.to_owned());
    let mut credentials = ClientCredentials::new(issuer, "warehouse", ClientSecret::from("secret"));
    credentials.scope = Some(scope.to_owned());
    credentials
}

fn getter(fleet: &Fleet, issuer: &str, scope: &str) -> TokenGetter {
    fleet.builder(credentials(issuer, scope), Duration::ZERO).build().unwrap()
}

async fn body(fleet: &Fleet) -> Value {
    Value::Object(fleet.wire.read(&key()).await.unwrap().unwrap().value.into())
}

async fn put(fleet: &Fleet, body: &Value) {
    let current = fleet.wire.read(&key()).await.unwrap().map(|found| found.version);
    let body: Body = body.to_string().parse().unwrap();
    fleet.wire.swap(&key(), current, WriteId::random(), &body, Duration::ZERO).await.unwrap();
}

const WAYS: [(&str, &str); 4] = [
    ("https://login.example/", "stock orders "),
    ("https://login.example", "orders stock"),
    (" https://login.example", "orders  stock orders"),
    ("https://login.example/", "stock orders"),
];

/// The digest that version 0.1 computes for the first configuration.
const FIRST_OF_0_1: &str = "0bb4abb961fb8005af2ddeadaf440211";

#[tokio::test(start_paused = true)]
async fn a_token_is_shared_however_its_scopes_and_its_issuer_are_written() {
    for first in WAYS {
        let fleet = Fleet::new();
        getter(&fleet, first.0, first.1).token().await.unwrap();
        for (round, renewed_by) in (1..=2).zip(&WAYS[1..]) {
            for (issuer, scope) in WAYS {
                let token = getter(&fleet, issuer, scope).token().await.unwrap();
                let from = (token.source(), token.expose().to_owned());
                assert_eq!(from, (TokenSource::Store, format!("token-{round}")), "{first:?}");
            }
            // Whichever configuration renews the token, all of them can use it.
            sleep(Duration::from_secs(3_600)).await;
            getter(&fleet, renewed_by.0, renewed_by.1).token().await.unwrap();
        }
        assert_eq!(fleet.provider.grants(), 3, "{first:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn f25_a_token_of_version_0_1_is_used_by_its_text_and_its_record_stays_one_for_version_0_1() {
    let fleet = Fleet::new();
    let (issuer, scope) = WAYS[0];
    getter(&fleet, issuer, scope).token().await.unwrap();
    let mut record = body(&fleet).await;
    assert_eq!(record["digest"], FIRST_OF_0_1, "an instance of version 0.1 finds it");

    // Version 0.1 wrote the same record without `meaning`, which it does not know.
    record.as_object_mut().unwrap().remove("meaning");
    put(&fleet, &record).await;
    let token = getter(&fleet, issuer, scope).token().await.unwrap();
    assert_eq!((token.expose(), token.source()), ("token-1", TokenSource::Store));
    assert_eq!(body(&fleet).await, record, "and nothing is written for that");

    sleep(Duration::from_secs(3_600)).await;
    getter(&fleet, issuer, scope).token().await.unwrap();
    assert_eq!(body(&fleet).await["digest"], FIRST_OF_0_1, "after a renewal too");
    let other = getter(&fleet, WAYS[1].0, WAYS[1].1).token().await.unwrap();
    assert_eq!((other.expose(), other.source()), ("token-2", TokenSource::Store));
}

/// Version 0.1 replaces the digest, and keeps the members that it does not know.
#[tokio::test(start_paused = true)]
async fn f25_a_meaning_that_was_stored_beside_another_digest_does_not_count() {
    let fleet = Fleet::new();
    getter(&fleet, WAYS[0].0, WAYS[0].1).token().await.unwrap();
    let mut record = body(&fleet).await;
    record["digest"] = json!("0".repeat(32));
    put(&fleet, &record).await;
    for (issuer, scope) in WAYS {
        let token = getter(&fleet, issuer, scope).token().await.unwrap();
        assert_eq!(token.expose(), "token-2", "not the token of somebody else");
    }
    assert_eq!(fleet.provider.grants(), 2, "shared at a key of their own");
}

/// A deployment that adds a scope: both versions run, then only the new one.
#[tokio::test(start_paused = true)]
async fn a_deployment_that_adds_a_scope_serves_both_versions_and_then_takes_the_key() {
    let fleet = Fleet::new();
    let process = |scope: &str| getter(&fleet, "https://login.example", scope);
    let old: Vec<_> = (0..5).map(|_| process("orders")).collect();
    let new: Vec<_> = (0..5).map(|_| process("orders stock")).collect();
    // Both versions run for two hours, and each process is called every minute.
    for _ in 0..120 {
        for getter in old.iter().chain(&new) {
            getter.token().await.unwrap();
        }
        sleep(Duration::from_secs(60)).await;
    }
    let (both, begun) = (fleet.provider.grants(), 2);
    // Each version renews its own token. Two hours are at most three lifetimes for each.
    assert!((2 * begun..=2 * 4).contains(&both), "{both} grants: no ping-pong");
    drop(old);
    for _ in 0..120 {
        for getter in &new {
            getter.token().await.unwrap();
        }
        sleep(Duration::from_secs(60)).await;
    }
    let alone = fleet.provider.grants() - both;
    assert!(alone <= 4, "{alone} grants");
    let shared = process("orders stock").token().await.unwrap();
    assert_eq!(shared.source(), TokenSource::Store);
    let stored = fleet.stored().await.token.unwrap();
    assert_eq!(stored.expose(), shared.expose(), "at the key itself");
}
