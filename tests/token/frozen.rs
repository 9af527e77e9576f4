//! f09 on real stores: a process is frozen while it asks the provider, and thaws after its lease.

use std::sync::Arc;
use std::time::Duration;

use funcify::Stores;
use funcify::token::{ClientSecret, TokenGetter, TokenSource};
use funcify_test_support::FakeGrant;
use tokio::time::{Instant, timeout};

use super::fleet::{LATENCY, credentials};
use crate::sharing::fleet as shared;
use crate::support::attempt::unique;

/// The lease lasts for 4 s. A reader of a slow store notices its end a little later.
const SOON: Duration = Duration::from_secs(12);

async fn a_frozen_lease_holder_overwrites_nothing(url: &str) {
    let (provider, key) = (FakeGrant::new().with_latency(LATENCY), unique("frozen"));
    let getter = async || {
        let stores = Stores::from_url(url).await.unwrap();
        let credentials = credentials(ClientSecret::from("secret"));
        let getter = TokenGetter::builder(credentials, Arc::clone(&stores.tokens));
        (getter.key(key.as_str()).grant(provider.clone()).build().unwrap(), stores)
    };
    let ((frozen, _), (other, stores)) = (getter().await, getter().await);
    let mut freezing = Box::pin(frozen.token());
    while provider.requests().is_empty() {
        let polled = timeout(Duration::from_millis(5), freezing.as_mut()).await;
        assert!(polled.is_err(), "it is served before its request is noticed");
    }

    // Nobody polls `freezing` now.
    let begun = Instant::now();
    let served = other.token().await.unwrap();
    assert_eq!((served.expose(), served.source()), ("token-1", TokenSource::Minted));
    let waited = begun.elapsed();
    assert!(waited > Duration::from_secs(2), "the lease was respected: {waited:?}");
    assert!(waited < SOON, "the lease ended: {waited:?}");

    assert_eq!(freezing.await.unwrap().expose(), "token-2", "it is good enough for itself");
    let stored = stores.tokens.read(&key.parse().unwrap()).await.unwrap().unwrap().value;
    assert_eq!(stored.token.unwrap().expose(), "token-1", "but it is too late");
}

#[tokio::test]
async fn f09_a_frozen_lease_holder_overwrites_nothing_on_redis() {
    a_frozen_lease_holder_overwrites_nothing(&shared::redis().await).await;
}

#[tokio::test]
async fn f09_a_frozen_lease_holder_overwrites_nothing_on_dynamodb() {
    a_frozen_lease_holder_overwrites_nothing(&shared::dynamodb().await).await;
}

#[tokio::test]
async fn f09_a_frozen_lease_holder_overwrites_nothing_on_ssm() {
    a_frozen_lease_holder_overwrites_nothing(&shared::ssm().await).await;
}
