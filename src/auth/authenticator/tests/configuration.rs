//! What is wrong with a configuration is said at once, and secrets are said nowhere.

use serde_json::json;

use crate::auth::authenticator::tests::{Provider, authenticator, identify, token_with, verdict};
use crate::auth::authenticator::{Algorithm, Authenticator, Credentials};

fn faults(authenticator: &Authenticator) -> Vec<String> {
    authenticator.faults().iter().map(ToString::to_string).collect()
}

#[test]
fn issuer_and_audience_are_required() {
    assert_eq!(
        faults(&Authenticator::jwks("https://login.example.com/jwks")),
        [
            "the key set \"https://login.example.com/jwks\" needs an audience",
            "the key set \"https://login.example.com/jwks\" needs an issuer",
        ]
    );
    let empty = Authenticator::jwks("https://login.example.com/jwks").issuer("").audience("");
    assert_eq!(empty.faults().len(), 2);
}

#[test]
fn every_fault_is_reported_at_once() {
    let good = Authenticator::jwks("https://a.example.com/jwks").issuer("a").audience("orders");
    let authenticator = good
        .and(Authenticator::jwks("http://b.example.com/jwks").issuer("a").audience("orders"))
        .and(Authenticator::jwks("no address").issuer("c"))
        .and(
            Authenticator::jwks("https://me:hunter2@c.example.com/jwks?key=hunter2")
                .issuer("d")
                .audience("orders"),
        )
        .userinfo("https://me:hunter2@[")
        .algorithms([]);
    let found = faults(&authenticator);
    assert_eq!(
        found,
        [
            "expected an https URL without credentials as the key set, got \"no address\"",
            "an issuer needs a key set before it",
            "expected an https URL without credentials as the userinfo endpoint, got \"…\"",
            "no algorithm is allowed",
            "expected an https URL without credentials as the key set, got \"http://b.example.com/jwks\"",
            "the issuer \"a\" has two key sets",
            "expected an https URL without credentials as the key set, got \"https://c.example.com/jwks\"",
        ]
    );
    assert!(!format!("{authenticator:?} {found:?}").contains("hunter2"));
}

#[test]
fn plain_http_is_for_loopback_only_and_only_when_asked_for() {
    let at = |url: &str| Authenticator::jwks(url).issuer("a").audience("orders");
    for loopback in ["http://127.0.0.1:80/jwks", "http://localhost/jwks", "http://[::1]:8080/jwks"]
    {
        assert_eq!(at(loopback).faults().len(), 1, "{loopback}");
        assert_eq!(at(loopback).plain_http_on_loopback().faults(), [], "{loopback}");
    }
    let elsewhere = [
        "http://login.example.com/jwks",
        "http://127.0.0.1.example.com/jwks",
        "http://localhost.example.com/",
        "http://10.0.0.1/jwks",
        "ftp://127.0.0.1/jwks",
        "file:///etc/jwks",
        "data:,{}",
    ];
    for url in elsewhere {
        assert_eq!(at(url).plain_http_on_loopback().faults().len(), 1, "{url}");
    }
}

#[tokio::test]
async fn a_faulty_address_is_not_fetched_even_if_nobody_looked_at_the_faults() {
    let provider = Provider::start().await;
    let authenticator = Authenticator::jwks(&provider.url("/jwks"))
        .issuer("https://login.example.com/")
        .audience("orders")
        .clock(super::clock());
    assert_eq!(
        verdict(&identify(&authenticator, &token_with("jti", json!("4"))).await),
        "Unavailable"
    );
    assert_eq!(provider.requests("/jwks").len(), 0);
    let nowhere =
        super::authenticator(&provider).and(Authenticator::jwks("https://x.example.com/"));
    assert_eq!(verdict(&identify(&nowhere, &token_with("aud", json!(""))).await), "Audience");
}

#[tokio::test]
async fn other_algorithms_can_be_allowed_and_the_default_forbidden() {
    let provider = Provider::start().await;
    let authenticator = authenticator(&provider).algorithms([Algorithm::Es384]);
    assert_eq!(
        verdict(&identify(&authenticator, &token_with("jti", json!("5"))).await),
        "Algorithm"
    );
    for never in ["none", "HS256", "HS384", "HS512", "hs256", ""] {
        assert!(never.parse::<Algorithm>().is_err(), "{never}");
    }
}

#[tokio::test]
async fn nothing_that_is_shown_holds_the_token() {
    let provider = Provider::start().await;
    let authenticator = authenticator(&provider).userinfo(&provider.url("/userinfo"));
    let token = token_with("email", json!("alice@example.com"));
    let authorization = format!("Bearer {token}");
    let credentials = Credentials { authorization: Some(&authorization), ..Credentials::default() };
    let caller = authenticator.identify(&credentials).await.unwrap();
    let cut = Credentials { authorization: Some(&authorization[..80]), ..credentials };
    let refused = authenticator.identify(&cut).await.unwrap_err();
    let down = caller.userinfo().await.unwrap_err();
    let shown = format!(
        "{authenticator:?} {caller:?} {credentials:?} {refused:?} {refused} {down:?} {down}"
    );
    for part in token.split('.') {
        assert!(!shown.contains(part), "{shown}");
    }
    assert!(!shown.contains("alice@example.com"), "{shown}");
    assert!(shown.contains("alice"), "the subject is what one looks for in a log");
}

#[test]
fn a_caller_can_be_identified_from_any_task() {
    fn sendable<T: Send + Sync + Clone + std::fmt::Debug + 'static>(_: &T) {}
    fn movable(_: impl Send) {}
    let authenticator = Authenticator::jwks("https://login.example.com/jwks");
    sendable(&authenticator);
    movable(authenticator.identify(&Credentials::default()));
}
