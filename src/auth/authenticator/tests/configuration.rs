//! Every fault of a configuration is reported at once, and no secret is shown.

use serde_json::json;

use crate::auth::authenticator::tests::{
    Provider, authenticator_with_userinfo, clock, identify, key_set, token_with, verdict, with_keys,
};
use crate::auth::authenticator::{Algorithm, Authenticator, Identify, KeySet};

fn faults(authenticator: &Authenticator) -> Vec<String> {
    authenticator.faults().iter().map(ToString::to_string).collect()
}

#[test]
fn issuer_and_audience_are_required() {
    assert_eq!(
        faults(&Authenticator::new().keys(KeySet::new("https://login.example.com/jwks"))),
        [
            "the key set \"https://login.example.com/jwks\" needs an audience: `.audience(…)`",
            "the key set \"https://login.example.com/jwks\" needs an issuer: `.issuer(…)`",
        ]
    );
    let empty = KeySet::new("https://login.example.com/jwks").issuer("").audience("");
    assert_eq!(Authenticator::new().keys(empty).faults().len(), 2);
}

#[test]
fn every_fault_is_reported_at_once() {
    let at = |url: &str, issuer: &str| KeySet::new(url).issuer(issuer).audience("orders");
    let authenticator = Authenticator::new()
        .keys(at("https://a.example.com/jwks", "https://a.example.com/"))
        .keys(at("http://b.example.com/jwks", "https://a.example.com/"))
        .keys(at("not an address", "c").algorithms([]))
        .keys(
            at("https://me:hunter2@d.example.com/jwks?key=hunter2", "d")
                .userinfo("https://me:hunter2@["),
        );
    let found = faults(&authenticator);
    let https = "expected an https URL (plain http only to a loopback host), \
                 without user name and password,";
    assert_eq!(
        found,
        [
            format!("{https} as the key set, got \"http://b.example.com/jwks\""),
            "the issuer \"https://a.example.com/\" has two key sets: remove one `.keys(…)`"
                .to_owned(),
            format!("{https} as the key set, got \"…\""),
            "the key set \"…\" allows no algorithm: `.algorithms(…)`".to_owned(),
            format!("{https} as the userinfo endpoint, got \"…\""),
            format!("{https} as the key set, got \"https://d.example.com/jwks\""),
        ]
    );
    assert!(!format!("{authenticator:?} {found:?}").contains("hunter2"));
}

#[test]
fn a_mistyped_url_and_one_with_a_password_are_shown_nowhere() {
    for url in [
        "me:hunter2@login.example.com",
        "https//me:hunter2@login.example.com/jwks",
        "https://me:hunter2/login.example.com",
        "https://me:1234/hunter2@login.example.com/jwks",
        "https://me:hunter2@login.example.com/jwks",
        "hunter2",
    ] {
        let keys = KeySet::new(url).issuer(url).audience("orders").userinfo(url);
        let authenticator = Authenticator::new().keys(keys.clone()).keys(keys);
        let found = faults(&authenticator);
        assert!(!found.is_empty(), "{url}");
        let shown = format!("{authenticator:?} {found:?} {:?}", authenticator.faults());
        assert!(!shown.contains("hunter2"), "{url}: {shown}");
    }
}

#[test]
fn plain_http_is_allowed_to_a_loopback_host_only() {
    let at = |url: &str| KeySet::new(url).issuer("a").audience("orders");
    let faults = |key_set| Authenticator::new().keys(key_set).faults();
    for loopback in ["http://127.0.0.1:80/jwks", "http://localhost/jwks", "http://[::1]:8080/jwks"]
    {
        assert_eq!(faults(at(loopback).userinfo(loopback)), [], "{loopback}");
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
        assert_eq!(faults(at(url)).len(), 1, "{url}");
    }
}

#[test]
fn malformed_root_certificates_are_a_fault_in_any_order() {
    let broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let keys = || KeySet::new("https://login.example.com/jwks").issuer("a").audience("orders");
    for authenticator in [
        Authenticator::new().root_certificates(broken).keys(keys()),
        Authenticator::new().keys(keys()).root_certificates(broken),
    ] {
        let found = faults(&authenticator);
        let expected = "`root_certificates`: a root certificate was refused: ";
        assert!(found.len() == 1 && found[0].starts_with(expected), "{found:?}");
    }
    assert_eq!(Authenticator::new().keys(keys()).root_certificates(b"").faults(), []);
}

#[tokio::test]
async fn a_faulty_url_is_not_fetched_even_if_nobody_reads_the_faults() {
    let provider = Provider::start().await;
    let at = |url: &str| KeySet::new(url).issuer("https://login.example.com/").audience("orders");
    let with_password = provider.url("/jwks").replace("http://", "http://me:hunter2@");
    let authenticator = Authenticator::new().keys(at(&with_password)).clock(clock());
    assert_eq!(
        verdict(&identify(&authenticator, &token_with("jti", json!("4"))).await),
        "Unavailable"
    );
    assert_eq!(provider.requests("/jwks").len(), 0);
    let not_a_url = with_keys(at("not an address"));
    let refused = identify(&not_a_url, &token_with("jti", json!("4"))).await;
    assert_eq!(verdict(&refused), "Unavailable");
    let nowhere = with_keys(key_set(&provider)).keys(KeySet::new("https://x.example.com/"));
    assert_eq!(verdict(&identify(&nowhere, &token_with("aud", json!(""))).await), "Audience");
}

#[tokio::test]
async fn other_algorithms_can_be_allowed_instead_of_the_default() {
    let provider = Provider::start().await;
    let authenticator = with_keys(key_set(&provider).algorithms([Algorithm::Es384]));
    assert_eq!(
        verdict(&identify(&authenticator, &token_with("jti", json!("5"))).await),
        "Algorithm"
    );
    for never in ["none", "HS256", "HS384", "HS512", "hs256", ""] {
        assert_eq!(Algorithm::named(never), None, "{never}");
    }
}

#[tokio::test]
async fn no_debug_output_and_no_error_contains_the_token() {
    let provider = Provider::start().await;
    let authenticator = authenticator_with_userinfo(&provider);
    let token = token_with("email", json!("alice@example.com"));
    let authorization = format!("Bearer {token}");
    let caller = authenticator.identify(Some(&authorization), None, None).await.unwrap();
    let refused = authenticator.identify(Some(&authorization[..80]), None, None).await.unwrap_err();
    let down = caller.userinfo().await.unwrap_err();
    let shown = format!("{authenticator:?} {caller:?} {refused:?} {refused} {down:?} {down}");
    for part in token.split('.') {
        assert!(!shown.contains(part), "{shown}");
    }
    assert!(!shown.contains("alice@example.com"), "{shown}");
    assert!(shown.contains("alice"), "the log must show the subject");
}

#[test]
fn a_caller_can_be_identified_from_any_task() {
    fn sendable<T: Send + Sync + Clone + std::fmt::Debug + 'static>(_: &T) {}
    fn movable(_: impl Send) {}
    let authenticator = Authenticator::new().keys(KeySet::new("https://login.example.com/jwks"));
    sendable(&authenticator);
    movable(authenticator.identify(None, None, None));
}
