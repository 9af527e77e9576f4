//! A fleet that seals its token.

use std::{sync::Arc, time::Duration};

use funcify::{
    Stores,
    token::{ClientSecret, TokenGetter, TokenSource},
};
use funcify_backend_memory::MemoryBackend;
use funcify_core::{
    register::{RecordName, Swap, Versioned, WriteId},
    token::{AccessToken, TokenPersistenceProvider, TokenRecord},
};

use funcify_test_support::LogCapture;
use tokio::time::sleep;

use super::fleet::{Fleet, at_once, credentials};

const ONE: &str = "one:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const OTHER: &str = "other:HxwdHhkaGxgVFhcUERITEA0ODwwJCgsIBQYHBAECAwA=";

fn sealing(fleet: &Fleet, keys: &str) -> Arc<dyn TokenPersistenceProvider> {
    let mut stores = Stores::new(MemoryBackend::default());
    stores.tokens = fleet.store.clone();
    stores.sealed(keys).unwrap().tokens
}

fn getter(fleet: &Fleet, keys: &str) -> TokenGetter {
    let credentials = credentials(ClientSecret::from("secret"));
    TokenGetter::builder(credentials, sealing(fleet, keys))
        .grant(fleet.provider.clone())
        .clock(fleet.clock())
        .build()
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_sealed_token_is_shared_and_never_stored_in_plain_text() {
    let fleet = Fleet::new();
    let getters: Vec<_> = (0..50).map(|_| getter(&fleet, ONE)).collect();
    let tokens = at_once(&getters, async |getter| getter.token().await.unwrap()).await;
    assert!(tokens.iter().all(|token| token.expose() == "token-1"));
    assert_eq!(fleet.provider.grants(), 1);
    assert!(fleet.stored().await.token.unwrap().expose().starts_with("sealed:v1:one:"));
}

#[tokio::test(start_paused = true)]
async fn f24_a_token_sealed_with_another_key_is_not_served_and_is_replaced_once_by_each() {
    let fleet = Fleet::new();
    getter(&fleet, ONE).token().await.unwrap();
    let stranger = getter(&fleet, OTHER);
    let token = stranger.token().await.unwrap();
    assert_eq!((token.expose(), token.source()), ("token-2", TokenSource::Minted));
    assert!(stranger.metrics().corrupt > 0);

    let keyless = fleet.getter();
    assert_eq!(keyless.token().await.unwrap().expose(), "token-3");
    for _ in 0..100 {
        stranger.token().await.unwrap();
        keyless.token().await.unwrap();
    }
    assert_eq!(fleet.provider.grants(), 3, "no ping-pong");
}

/// The rollout in the section *Sealing*: first `none` is the first entry, then the last one, then it is
/// removed. At any time, processes of two neighbouring steps run.
#[tokio::test(start_paused = true)]
async fn a_fleet_that_runs_without_seals_gets_them_without_a_grant_more() {
    let (log, _capturing) = LogCapture::start();
    let fleet = Fleet::new();
    let (none_first, none_last) = (format!("none,{ONE}"), format!("{ONE},none"));
    let steps = [
        fleet.getter(),
        getter(&fleet, &none_first),
        getter(&fleet, &none_last),
        getter(&fleet, ONE),
    ];
    for (step, pair) in steps.windows(2).enumerate() {
        for writer in pair {
            // The token has expired: `writer` fetches the next one, and both use it.
            let before = fleet.provider.grants();
            let token = writer.token().await.unwrap();
            for getter in pair {
                assert_eq!(getter.token().await.unwrap().expose(), token.expose(), "step {step}");
            }
            assert_eq!(fleet.provider.grants(), before + 1, "step {step}");
            sleep(Duration::from_secs(3_600)).await;
        }
    }
    let warned = log.text().matches("a token is stored without a seal").count();
    assert_eq!(
        warned,
        1,
        "by the process that seals and still reads what is not sealed: {}",
        log.text()
    );
}

#[tokio::test(start_paused = true)]
async fn a_token_without_a_seal_beside_sealed_ones_is_logged_once_by_either_side() {
    let (log, _capturing) = LogCapture::start();
    let fleet = Fleet::new();
    let (sealed, plain) = (getter(&fleet, ONE), fleet.getter());
    for _ in 0..3 {
        sealed.token().await.unwrap();
        plain.token().await.unwrap();
        sealed.token().await.unwrap();
        sleep(Duration::from_secs(3_600)).await;
    }
    plain.token().await.unwrap();
    sealed.token().await.unwrap();
    for warning in ["a token is stored without a seal", "this process has no seal keys"] {
        assert_eq!(log.text().matches(warning).count(), 1, "{warning}: {}", log.text());
    }
    assert!(log.has_line(&["WARN", "seal"]));
}

#[tokio::test(start_paused = true)]
async fn f24_a_token_moved_from_another_record_is_not_served() {
    let fleet = Fleet::new();
    getter(&fleet, ONE).token().await.unwrap();
    let moved = fleet.stored().await;
    let key = RecordName::try_from("ANOTHER").unwrap();
    let store = Arc::clone(&fleet.store);
    TokenPersistenceProvider::write(&*store, &key, None, WriteId::random(), &moved).await.unwrap();

    let read = sealing(&fleet, ONE).read(&key).await.unwrap().unwrap();
    assert_eq!(read.value.token, None);
    assert!(read.corruption.is_some());

    let credentials = credentials(ClientSecret::from("secret"));
    let builder = TokenGetter::builder(credentials, sealing(&fleet, ONE));
    let other = builder.key(key).grant(fleet.provider.clone()).build().unwrap();
    assert_eq!(other.token().await.unwrap().source(), TokenSource::Minted);
}

#[tokio::test(start_paused = true)]
async fn f24_a_token_that_was_planted_is_served_from_an_unsealed_store_only() {
    let fleet = Fleet::new();
    fleet.getter().token().await.unwrap();
    let (key, store) = (RecordName::try_from("BEARER_TOKEN").unwrap(), Arc::clone(&fleet.store));
    let read = TokenPersistenceProvider::read(&*store, &key).await.unwrap();
    let Versioned { value, version, .. }: Versioned<TokenRecord> = read.unwrap();
    let planted = TokenRecord { token: Some(AccessToken::from("planted")), ..value };
    let swap = store.write(&key, Some(version), WriteId::random(), &planted).await.unwrap();
    assert!(matches!(swap, Swap::Applied(_)), "{swap:?}");

    let unsealed = fleet.getter();
    assert_eq!(unsealed.token().await.unwrap().expose(), "planted", "what the seal is for");
    let token = getter(&fleet, ONE).token().await.unwrap();
    assert_eq!((token.expose(), token.source()), ("token-2", TokenSource::Minted));
}
