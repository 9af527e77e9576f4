//! The issuer's endpoints behind a circuit.

use std::{sync::Arc, time::Duration};

use funcify_core::{
    Deadline, DeadlineExceeded,
    circuit::{
        CircuitBreaker, CircuitOpen, CircuitPolicy, CircuitState, CircuitStateProvider, CountRule,
    },
    engine::causes,
};
use funcify_test_support::HookedCircuits;
use serde_json::json;

use crate::auth::authenticator::tests::provider::Reply;
use crate::auth::authenticator::tests::{
    Authenticator, KeySet, Provider, clock, identify, key_set, token_of, token_with, verdict,
    with_keys,
};

fn breaker() -> CircuitBreaker {
    let policy = CircuitPolicy::new(CountRule::new(2, Duration::from_secs(60)));
    CircuitBreaker::new("issuer", policy, Arc::new(HookedCircuits::down())).unwrap()
}

#[tokio::test]
async fn an_open_circuit_protects_the_issuer_and_has_a_retry_after() {
    let (provider, clock) = (Provider::start().await, clock());
    let authenticator = with_keys(key_set(&provider).circuit(breaker())).clock(clock.clone());
    provider.reply("/jwks", Reply::Status(500));
    for _ in 0..5 {
        let refused = identify(&authenticator, &token_of("rsa")).await;
        assert_eq!(verdict(&refused), "Unavailable");
        clock.advance(Duration::from_secs(30));
    }
    assert_eq!(provider.requests("/jwks").len(), 2);
    let refused = identify(&authenticator, &token_of("rsa")).await.unwrap_err();
    let mut causes = causes(&refused);
    let open = causes.find_map(|cause| cause.downcast_ref::<CircuitOpen>());
    let open = open.expect("an open circuit among the causes");
    assert!(open.retry_after > Duration::ZERO);
}

#[tokio::test]
async fn an_open_circuit_does_not_affect_a_caller_with_a_known_key() {
    let (provider, clock) = (Provider::start().await, clock());
    let authenticator = with_keys(key_set(&provider).circuit(breaker())).clock(clock.clone());
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
fn each_key_set_has_a_circuit_of_its_own_with_a_legal_name() {
    let long = format!("https://{}.example.com/jwks", "long".repeat(15));
    let at = |url: &str| KeySet::new(url).issuer(url).audience("orders");
    let authenticator = Authenticator::new()
        .keys(at("https://login.example.com/jwks"))
        .keys(at("https://[2001:db8::1]:8443/jwks"))
        .keys(at(&long))
        .keys(at("https://staff.example.com/jwks").circuit(breaker()));
    let store: Arc<dyn CircuitStateProvider> = Arc::new(HookedCircuits::down());
    let key_sets = authenticator.key_sets.into_iter().map(|mut key_set| {
        key_set.circuit_in(&store);
        key_set
    });
    let names = key_sets.map(|key_set| key_set.circuit.unwrap().name().to_string());
    let names: Vec<String> = names.collect();
    assert_eq!(names[..2], ["pip-login.example.com", "pip--2001-db8--1-"]);
    assert_eq!((names[2].len(), names[3].as_str()), (64, "issuer"));
}

#[tokio::test]
async fn a_refused_token_says_nothing_about_the_health_of_the_issuer() {
    let provider = Provider::start().await;
    let userinfo = provider.url("/userinfo");
    let authenticator = with_keys(key_set(&provider).userinfo(&userinfo).circuit(breaker()));
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
    let userinfo = provider.url("/userinfo");
    let key_set = key_set(&provider).userinfo(&userinfo).circuit(circuit.clone());
    let authenticator = with_keys(key_set);
    let caller = identify(&authenticator, &token_with("jti", json!("7"))).await.unwrap();
    provider.reply("/userinfo", Reply::Never);
    for _ in 0..2 {
        assert_eq!(circuit.record().await.state, CircuitState::Closed);
        let deadline = Deadline::within(Duration::from_millis(300));
        let error = deadline.scope(caller.userinfo()).await.unwrap_err();
        assert!(causes(&error).any(|cause| cause.is::<DeadlineExceeded>()), "{error:?}");
    }
    assert_eq!(circuit.record().await.state, CircuitState::Open);
}
