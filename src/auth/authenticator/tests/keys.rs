//! When keys are fetched, and when not.

use std::{sync::Arc, time::Duration};

use funcify_core::{
    Deadline,
    engine::{Clock, ManualClock},
};
use funcify_test_support::on_virtual_time;
use serde_json::json;
use tokio::time::{Instant, timeout};

use crate::auth::authenticator::fetch::Fetch;
use crate::auth::authenticator::key_cache::{KeyCache, RefreshPolicy};
use crate::auth::authenticator::tests::provider::{KEYS, Reply};
use crate::auth::authenticator::tests::{
    Authenticator, Provider, authenticator, clock, identify, token_of, verdict,
};
use crate::auth::authenticator::{Algorithm, Identify};

const MINUTE: Duration = Duration::from_secs(60);

async fn started() -> (Provider, Arc<ManualClock>, Authenticator) {
    let (provider, clock) = (Provider::start().await, clock());
    let authenticator = authenticator(&provider).clock(clock.clone());
    (provider, clock, authenticator)
}

fn fetch() -> Fetch {
    Fetch { client: Some(crate::client::client().unwrap()), circuit: None }
}

async fn verdict_of(authenticator: &Authenticator, kid: &str) -> String {
    verdict(&identify(authenticator, &token_of(kid)).await)
}

/// How often keys are fetched when tokens name `names` unknown keys within two seconds.
async fn fetches_for_unknown_keys(policy: RefreshPolicy, names: usize) -> usize {
    let (provider, clock) = (Provider::start().await, clock());
    let keys = KeyCache::new(provider.url("/jwks").parse().unwrap(), policy);
    let fetch = fetch();
    for name in 0..names {
        clock.advance(Duration::from_secs(2) / u32::try_from(names).unwrap());
        let kid = format!("unknown-{name}");
        let found = keys.keys(Some(&kid), Algorithm::Rs256, &fetch, &*clock).await;
        assert_eq!(verdict(&found), "Key");
    }
    provider.requests("/jwks").len()
}

#[tokio::test]
async fn unknown_keys_cause_one_fetch_in_a_cool_down() {
    assert_eq!(fetches_for_unknown_keys(RefreshPolicy::DEFAULT, 50).await, 1);
    // Mutant: without the cool-down, anyone can overload the issuer.
    let mutant = RefreshPolicy { cool_down: Duration::ZERO, ..RefreshPolicy::DEFAULT };
    assert_eq!(fetches_for_unknown_keys(mutant, 50).await, 50);
}

#[tokio::test]
async fn a_new_key_is_found_by_one_more_fetch() {
    let (provider, clock, authenticator) = started().await;
    assert_eq!(verdict_of(&authenticator, "rsa").await, "allowed");
    provider.reply("/jwks", Reply::Json(json!({ "keys": [KEYS.public_rsa("new")] })));
    assert_eq!(verdict_of(&authenticator, "new").await, "Key", "the last fetch is only just over");
    clock.advance(Duration::from_secs(30));
    assert_eq!(verdict_of(&authenticator, "new").await, "allowed");
    assert_eq!(verdict_of(&authenticator, "rsa").await, "Key", "it was withdrawn");
    assert_eq!(provider.requests("/jwks").len(), 2);
}

#[tokio::test]
async fn a_known_key_never_waits_while_the_issuer_hangs() {
    let (provider, clock, authenticator) = started().await;
    assert_eq!(verdict_of(&authenticator, "rsa").await, "allowed");
    provider.reply("/jwks", Reply::Never);
    clock.advance(4 * MINUTE);
    let unknown = tokio::spawn({
        let authenticator = authenticator.clone();
        async move { verdict_of(&authenticator, "unknown").await }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    let (known, took) = on_virtual_time(verdict_of(&authenticator, "rsa")).await;
    assert_eq!((known.as_str(), took), ("allowed", Duration::ZERO));
    assert_eq!(unknown.await.unwrap(), "Unavailable");
}

#[tokio::test]
async fn old_keys_are_renewed_beside_the_calls() {
    let (provider, clock, authenticator) = started().await;
    assert_eq!(verdict_of(&authenticator, "rsa").await, "allowed");
    clock.advance(Duration::from_secs(299));
    authenticator.renew_old_keys().await;
    assert_eq!(provider.requests("/jwks").len(), 1, "they are not old yet");
    clock.advance(10 * MINUTE);
    authenticator.renew_old_keys().await;
    authenticator.renew_old_keys().await;
    assert_eq!(provider.requests("/jwks").len(), 2);
}

#[tokio::test]
async fn overdue_keys_cost_one_caller_a_short_wait_and_the_others_none() {
    let provider = Provider::start().await;
    let clock = clock();
    let policy = RefreshPolicy { longest_wait: Duration::from_secs(1), ..RefreshPolicy::DEFAULT };
    let keys = KeyCache::new(provider.url("/jwks").parse().unwrap(), policy);
    let fetch = fetch();
    let ask = async || {
        let begun = Instant::now();
        let found = keys.keys(Some("rsa"), Algorithm::Rs256, &fetch, &*clock).await;
        assert_eq!(verdict(&found), "allowed");
        begun.elapsed()
    };
    ask().await;
    provider.reply("/jwks", Reply::Never);
    clock.advance(25 * 60 * MINUTE);
    let ((one, another), _) = on_virtual_time(async { tokio::join!(ask(), ask()) }).await;
    assert!(one >= Duration::from_millis(990) && one < Duration::from_secs(2), "{one:?}");
    assert!(another < Duration::from_millis(500), "{another:?}");
    let (next, _) = on_virtual_time(ask()).await;
    assert!(next < Duration::from_millis(500), "a fetch is waited for once: {next:?}");
    assert_eq!(provider.requests("/jwks").len(), 2);
}

#[tokio::test]
async fn old_keys_stay_when_a_fetch_fails() {
    let (provider, clock, authenticator) = started().await;
    assert_eq!(verdict_of(&authenticator, "rsa").await, "allowed");
    let useless = [
        Reply::Status(500),
        Reply::Status(404),
        Reply::Text("<html>".to_owned()),
        Reply::Json(json!({ "keys": [] })),
        Reply::Json(json!({ "keys": [{ "kty": "oct", "k": "AAAA" }] })),
        Reply::Redirect(provider.url("/elsewhere")),
        Reply::Text(format!("{{\"keys\":[],\"pad\":\"{}\"}}", "x".repeat(257 * 1024))),
    ];
    provider.reply("/elsewhere", Reply::Json(json!({ "keys": [KEYS.public_rsa("elsewhere")] })));
    let asked = useless.len() + 1;
    for reply in useless {
        provider.reply("/jwks", reply);
        clock.advance(Duration::from_secs(31));
        assert_eq!(verdict_of(&authenticator, "elsewhere").await, "Unavailable");
        assert_eq!(verdict_of(&authenticator, "rsa").await, "allowed");
    }
    assert_eq!(provider.requests("/jwks").len(), asked);
    assert_eq!(provider.requests("/elsewhere").len(), 0, "no redirect is followed");
}

#[tokio::test]
async fn a_failed_first_fetch_is_repeated_after_a_short_pause() {
    let (provider, clock, authenticator) = started().await;
    provider.reply("/jwks", Reply::Status(503));
    assert_eq!(verdict_of(&authenticator, "rsa").await, "Unavailable");
    assert_eq!(verdict_of(&authenticator, "rsa").await, "Unavailable");
    assert_eq!(provider.requests("/jwks").len(), 1);
    clock.advance(Duration::from_secs(1));
    assert_eq!(verdict_of(&authenticator, "rsa").await, "Unavailable");
    clock.advance(Duration::from_secs(1));
    assert_eq!(verdict_of(&authenticator, "rsa").await, "Unavailable");
    assert_eq!(provider.requests("/jwks").len(), 2, "the second pause is twice the first");
    provider.reply("/jwks", Reply::Json(KEYS.jwks()));
    clock.advance(Duration::from_secs(1));
    assert_eq!(verdict_of(&authenticator, "rsa").await, "allowed");
}

#[tokio::test]
async fn a_cold_burst_fetches_once() {
    let (provider, _, authenticator) = started().await;
    provider.reply("/jwks", Reply::Late(Duration::from_millis(50), KEYS.jwks()));
    let mut burst = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let authenticator = authenticator.clone();
        burst.spawn(async move { verdict_of(&authenticator, "rsa").await });
    }
    assert!(burst.join_all().await.iter().all(|verdict| verdict == "allowed"));
    assert_eq!(provider.requests("/jwks").len(), 1);
}

#[tokio::test]
async fn a_fetch_whose_caller_was_dropped_is_continued_by_the_next() {
    let (provider, _, authenticator) = started().await;
    provider.reply("/jwks", Reply::Late(Duration::from_millis(100), KEYS.jwks()));
    let gone = timeout(Duration::from_millis(30), verdict_of(&authenticator, "rsa")).await;
    assert!(gone.is_err());
    assert_eq!(verdict_of(&authenticator, "rsa").await, "allowed");
    assert_eq!(provider.requests("/jwks").len(), 1);
}

#[tokio::test]
async fn a_fetch_that_died_unobserved_is_started_again() {
    let (provider, _, authenticator) = started().await;
    provider.reply("/jwks", Reply::Cut(Duration::from_millis(300)));
    let asked = async {
        while provider.requests("/jwks").is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        biased;
        () = asked => {}
        _ = verdict_of(&authenticator, "rsa") => panic!("the caller must be dropped first"),
    }
    tokio::time::sleep(Duration::from_millis(400)).await;
    provider.reply("/jwks", Reply::Json(KEYS.jwks()));
    assert_eq!(verdict_of(&authenticator, "rsa").await, "allowed");
    assert_eq!(provider.requests("/jwks").len(), 2);
}

#[tokio::test]
async fn a_reply_is_as_old_as_its_request() {
    let (provider, clock) = (Provider::start().await, clock());
    let keys = KeyCache::new(provider.url("/jwks").parse().unwrap(), RefreshPolicy::DEFAULT);
    let fetch = fetch();
    let ask = async || verdict(&keys.keys(Some("rsa"), Algorithm::Rs256, &fetch, &*clock).await);
    provider.reply("/jwks", Reply::Late(Duration::from_millis(100), KEYS.jwks()));
    assert!(timeout(Duration::from_millis(30), ask()).await.is_err());
    // The reply arrives, and nobody reads it for a day.
    tokio::time::sleep(Duration::from_millis(200)).await;
    clock.advance(25 * 60 * MINUTE);
    assert_eq!(ask().await, "allowed");
    assert_eq!(provider.requests("/jwks").len(), 1);
    clock.advance(Duration::from_secs(31));
    assert_eq!(ask().await, "allowed");
    assert_eq!(provider.requests("/jwks").len(), 2, "the keys are older than a day");
}

#[tokio::test]
async fn the_deadline_of_the_invocation_bounds_the_wait() {
    let (provider, _, authenticator) = started().await;
    provider.reply("/jwks", Reply::Never);
    let (verdict, took) = on_virtual_time(async {
        let work = verdict_of(&authenticator, "rsa");
        Deadline::within(Duration::from_millis(100)).scope(work).await
    })
    .await;
    assert_eq!(verdict, "Unavailable");
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[tokio::test]
async fn with_no_time_left_nothing_is_fetched() {
    let (provider, _, authenticator) = started().await;
    let verdict = Deadline::within(Duration::ZERO).scope(verdict_of(&authenticator, "rsa")).await;
    assert_eq!(verdict, "Unavailable");
    assert_eq!(provider.requests("/jwks").len(), 0);
}

#[tokio::test]
async fn a_clock_that_is_set_back_does_not_stop_fetches() {
    let (provider, clock, authenticator) = started().await;
    clock.advance(1_000_000 * MINUTE);
    provider.reply("/jwks", Reply::Status(500));
    assert_eq!(verdict_of(&authenticator, "rsa").await, "Unavailable");
    clock.set(super::clock().now());
    provider.reply("/jwks", Reply::Json(KEYS.jwks()));
    assert_eq!(verdict_of(&authenticator, "rsa").await, "allowed");
}
