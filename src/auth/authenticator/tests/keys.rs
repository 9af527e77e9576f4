//! When keys are fetched, and when they are not.

use std::{sync::Arc, time::Duration};

use funcify_core::{
    Deadline,
    engine::{Clock, ManualClock},
};
use funcify_test_support::{LogCapture, on_virtual_time};
use serde_json::json;
use tokio::time::timeout;

use crate::auth::authenticator::fetch::Fetch;
use crate::auth::authenticator::key_cache::{KeyCache, RefreshPolicy};
use crate::auth::authenticator::tests::provider::{KEYS, ROCA_MODULUS, Reply};
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

/// For how many hours a key is trusted while the issuer gives this reply instead of its key set. The function
/// is called every hour, for two days at most.
async fn trusted_hours(policy: RefreshPolicy, reply: Reply) -> u32 {
    let (provider, clock) = (Provider::start().await, clock());
    let keys = KeyCache::new(provider.url("/jwks").parse().unwrap(), policy);
    let fetch = fetch();
    let ask = async || verdict(&keys.keys(Some("rsa"), Algorithm::Rs256, &fetch, &*clock).await);
    assert_eq!(ask().await, "allowed");
    provider.reply("/jwks", reply);
    for hour in 1..48 {
        clock.advance(60 * MINUTE);
        keys.renew(&fetch, &*clock).await;
        if ask().await != "allowed" {
            provider.reply("/jwks", Reply::Json(KEYS.jwks()));
            clock.advance(MINUTE);
            assert_eq!(ask().await, "allowed", "a good set is trusted again");
            return hour;
        }
    }
    48
}

#[tokio::test]
async fn an_old_set_ends_a_day_after_the_last_good_fetch_whatever_the_issuer_answers() {
    let useless = [
        Reply::Status(404),
        Reply::Status(500),
        Reply::Text("<html>".to_owned()),
        Reply::Text(String::new()),
        Reply::Text("{\"keys\":null}".to_owned()),
        Reply::Text(format!("{{\"keys\":[],\"pad\":\"{}\"}}", "x".repeat(257 * 1024))),
        Reply::Redirect("/elsewhere".to_owned()),
        Reply::Cut(Duration::ZERO),
    ];
    for reply in useless {
        assert_eq!(trusted_hours(RefreshPolicy::DEFAULT, reply).await, 24);
    }
    assert_eq!(trusted_hours(RefreshPolicy::DEFAULT, Reply::Json(KEYS.jwks())).await, 48);
    // Mutant: without an end, a withdrawn key is trusted as long as the issuer is down.
    let mutant = RefreshPolicy { ends_after: Duration::MAX, ..RefreshPolicy::DEFAULT };
    assert_eq!(trusted_hours(mutant, Reply::Status(404)).await, 48);
}

#[tokio::test]
async fn a_set_without_usable_keys_withdraws_all_keys() {
    for set in [json!([]), json!([{}]), json!([{ "kty": "oct", "kid": "rsa", "k": "AAAA" }])] {
        let (provider, clock, authenticator) = started().await;
        assert_eq!(verdict_of(&authenticator, "rsa").await, "allowed");
        provider.reply("/jwks", Reply::Json(json!({ "keys": set })));
        clock.advance(10 * MINUTE);
        authenticator.renew_old_keys().await;
        assert_eq!(verdict_of(&authenticator, "rsa").await, "Key", "{set}");
        assert_eq!(provider.requests("/jwks").len(), 2, "the next fetch has to wait");
    }
}

#[tokio::test]
async fn a_key_is_skipped_with_its_reason_in_the_log() {
    let (log, _guard) = LogCapture::start();
    let (provider, _, authenticator) = started().await;
    let mut keys = KEYS.jwks();
    let roca = json!({ "kty": "RSA", "kid": "chip", "n": ROCA_MODULUS, "e": "AQAB" });
    keys["keys"].as_array_mut().unwrap().push(roca);
    provider.reply("/jwks", Reply::Json(keys));
    assert_eq!(verdict_of(&authenticator, "chip").await, "Key");
    assert_eq!(verdict_of(&authenticator, "rsa").await, "allowed");
    for (level, kid, reason) in [
        ("WARN", "chip", "the modulus has the fingerprint of ROCA, CVE-2017-15361"),
        ("WARN", "weak", "the modulus does not have 2,048 to 8,192 bits"),
        ("DEBUG", "for-encryption", "the key is not for verifying signatures"),
        ("DEBUG", "shared", "keys of this kind are not supported"),
    ] {
        assert!(log.has_line(&[level, &format!("{kid:?}"), reason]), "{kid}:\n{}", log.text());
    }
}

#[tokio::test]
async fn a_clock_that_is_set_back_does_not_prolong_the_life_of_a_set() {
    let (provider, clock, authenticator) = started().await;
    assert_eq!(verdict_of(&authenticator, "rsa").await, "allowed");
    provider.reply("/jwks", Reply::Status(500));
    clock.set(super::clock().now() - MINUTE);
    assert_eq!(verdict_of(&authenticator, "rsa").await, "Unavailable");
}

#[tokio::test]
async fn old_keys_stay_when_a_fetch_fails() {
    let (provider, clock, authenticator) = started().await;
    assert_eq!(verdict_of(&authenticator, "rsa").await, "allowed");
    let useless = [
        Reply::Status(500),
        Reply::Status(404),
        Reply::Text("<html>".to_owned()),
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
    for (asleep, requests) in [(9 * MINUTE, 1), (10 * MINUTE, 2), (25 * 60 * MINUTE, 2)] {
        let (provider, clock) = (Provider::start().await, clock());
        let keys = KeyCache::new(provider.url("/jwks").parse().unwrap(), RefreshPolicy::DEFAULT);
        let fetch = fetch();
        let ask =
            async || verdict(&keys.keys(Some("rsa"), Algorithm::Rs256, &fetch, &*clock).await);
        provider.reply("/jwks", Reply::Late(Duration::from_millis(100), KEYS.jwks()));
        assert!(timeout(Duration::from_millis(30), ask()).await.is_err());
        // The reply arrives, but nothing reads it.
        tokio::time::sleep(Duration::from_millis(200)).await;
        clock.advance(asleep);
        assert_eq!(ask().await, "allowed");
        assert_eq!(provider.requests("/jwks").len(), requests, "{asleep:?}");
    }
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
