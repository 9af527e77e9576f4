//! The issuer's endpoints behind a circuit.

use std::{error::Error, sync::Arc, time::Duration};

use funcify_core::{
    Deadline, DeadlineExceeded,
    circuit::{
        CircuitBreaker, CircuitOpen, CircuitPolicy, CircuitState, CircuitStateProvider, CountRule,
    },
};
use funcify_test_support::HookedCircuits;
use serde_json::json;

use crate::auth::authenticator::tests::provider::Reply;
use crate::auth::authenticator::tests::{
    Authenticator, Provider, authenticator, clock, identify, token_of, token_with, verdict,
};

fn breaker() -> CircuitBreaker {
    let policy = CircuitPolicy::new(CountRule::new(2, Duration::from_secs(60)));
    CircuitBreaker::new("issuer", policy, Arc::new(HookedCircuits::down())).unwrap()
}

/// The open circuit among the causes, where a `Retry-After` is found.
fn open<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a CircuitOpen> {
    error.downcast_ref().or_else(|| error.source().and_then(open))
}

#[tokio::test]
async fn an_open_circuit_spares_the_issuer_and_tells_when_to_try_again() {
    let (provider, clock) = (Provider::start().await, clock());
    let authenticator = authenticator(&provider).clock(clock.clone()).circuit(breaker());
    provider.reply("/jwks", Reply::Status(500));
    for _ in 0..5 {
        let refused = identify(&authenticator, &token_of("rsa")).await;
        assert_eq!(verdict(&refused), "Unavailable");
        clock.advance(Duration::from_secs(30));
    }
    assert_eq!(provider.requests("/jwks").len(), 2);
    let refused = identify(&authenticator, &token_of("rsa")).await.unwrap_err();
    let open = open(&refused).expect("an open circuit among the causes");
    assert!(open.retry_after > Duration::ZERO);
}

#[tokio::test]
async fn an_open_circuit_stops_no_caller_whose_key_is_known() {
    let (provider, clock) = (Provider::start().await, clock());
    let authenticator = authenticator(&provider).clock(clock.clone()).circuit(breaker());
    assert_eq!(verdict(&identify(&authenticator, &token_of("rsa")).await), "allowed");
    provider.reply("/jwks", Reply::Status(500));
    for _ in 0..5 {
        clock.advance(Duration::from_secs(30));
        assert_eq!(verdict(&identify(&authenticator, &token_of("new")).await), "Unavailable");
    }
    assert_eq!(verdict(&identify(&authenticator, &token_of("rsa")).await), "allowed");
    assert_eq!(provider.requests("/jwks").len(), 3);
}

#[test]
fn each_issuer_has_a_circuit_of_its_own_under_a_legal_name() {
    let long = format!("https://{}.example.com/jwks", "long".repeat(15));
    let at = |url: &str| Authenticator::jwks(url).issuer(url).audience("orders");
    let authenticator = at("https://login.example.com/jwks")
        .and(at("https://[2001:db8::1]:8443/jwks"))
        .and(at(&long))
        .and(at("https://staff.example.com/jwks").circuit(breaker()));
    let store: Arc<dyn CircuitStateProvider> = Arc::new(HookedCircuits::down());
    let authenticator = authenticator.circuits(&store);
    let names = authenticator
        .issuers
        .iter()
        .map(|issuer| issuer.circuit.as_ref().unwrap().name().to_string());
    let names: Vec<String> = names.collect();
    assert_eq!(names[..2], ["pip-login.example.com", "pip--2001-db8--1-"]);
    assert_eq!((names[2].len(), names[3].as_str()), (64, "issuer"));
}

#[tokio::test]
async fn a_token_that_the_issuer_refuses_says_nothing_of_its_health() {
    let provider = Provider::start().await;
    let authenticator =
        authenticator(&provider).userinfo(&provider.url("/userinfo")).circuit(breaker());
    let caller = identify(&authenticator, &token_with("jti", json!("7"))).await.unwrap();
    for status in [401, 403, 404, 401, 403] {
        provider.reply("/userinfo", Reply::Status(status));
        let _ = caller.userinfo().await.map(|_| unreachable!("it was refused"));
    }
    provider.reply("/userinfo", Reply::Json(json!({ "sub": "alice" })));
    assert!(caller.userinfo().await.is_ok());
}

#[tokio::test]
async fn f12_an_issuer_that_hangs_to_the_end_of_the_invocation_opens_its_circuit() {
    let provider = Provider::start().await;
    let circuit = breaker();
    let authenticator =
        authenticator(&provider).userinfo(&provider.url("/userinfo")).circuit(circuit.clone());
    let caller = identify(&authenticator, &token_with("jti", json!("7"))).await.unwrap();
    provider.reply("/userinfo", Reply::Never);
    for _ in 0..2 {
        assert_eq!(circuit.record().await.state, CircuitState::Closed);
        let deadline = Deadline::within(Duration::from_millis(300));
        let error = deadline.scope(caller.userinfo()).await.unwrap_err();
        assert!(is_late(&error), "{error:?}");
    }
    assert_eq!(circuit.record().await.state, CircuitState::Open);
}

fn is_late(error: &(dyn Error + 'static)) -> bool {
    error.is::<DeadlineExceeded>() || error.source().is_some_and(is_late)
}
