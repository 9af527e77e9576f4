//! A process is frozen while it holds the lease, and thaws after the lease has ended. On virtual time, and
//! on real stores.

use std::sync::Arc;
use std::time::Duration;

use funcify::Stores;
use funcify::token::{ClientSecret, TokenGetter, TokenPolicy, TokenSource};
use funcify_core::Deadline;
use funcify_core::conformance::Fault;
use funcify_core::register::{Body, Register, WriteId};
use funcify_test_support::{FailureMode, FakeGrant};
use tokio::time::{Instant, sleep, timeout};

use super::faults::poll_once;
use super::fleet::{Fleet, LATENCY, credentials, key, with_late_answers};
use crate::sharing::fleet as shared;
use crate::support::attempt::{stored, unique};

/// The lease lasts for 4 s. A reader of a slow store notices its end a little later.
const SOON: Duration = Duration::from_secs(12);

async fn a_frozen_lease_holder_of_a_real_store_overwrites_nothing(url: &str) {
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

    // From here on nothing polls `freezing`: its process is frozen.
    let begun = Instant::now();
    let served = other.token().await.unwrap();
    assert_eq!((served.expose(), served.source()), ("token-1", TokenSource::Minted));
    let waited = begun.elapsed();
    assert!(waited > Duration::from_secs(2), "the lease was respected: {waited:?}");
    assert!(waited < SOON, "the lease ended: {waited:?}");

    assert_eq!(freezing.await.unwrap().expose(), "token-2", "it is good enough for itself");
    let name = key.parse().unwrap();
    let stored = stored(async || stores.tokens.read(&name).await).await.unwrap().value;
    assert_eq!(stored.token.unwrap().expose(), "token-1", "but it is too late");
}

#[tokio::test]
async fn f09_a_frozen_lease_holder_overwrites_nothing_on_redis() {
    a_frozen_lease_holder_of_a_real_store_overwrites_nothing(&shared::redis().await).await;
}

#[tokio::test]
async fn f09_a_frozen_lease_holder_overwrites_nothing_on_dynamodb() {
    a_frozen_lease_holder_of_a_real_store_overwrites_nothing(&shared::dynamodb().await).await;
}

#[tokio::test]
async fn f09_a_frozen_lease_holder_overwrites_nothing_on_ssm() {
    a_frozen_lease_holder_of_a_real_store_overwrites_nothing(&shared::ssm().await).await;
}

/// A process is stopped while it asks the provider, and its request has timed out when it goes on.
/// Meanwhile another process has fetched the token. The callers of the first process get that token at
/// once.
async fn a_stopped_process_serves_the_fleets_token_on(url: &str) {
    let (provider, key) = (FakeGrant::new().with_latency(LATENCY), unique("stopped"));
    let getter = async || {
        let tokens = Stores::from_url(url).await.unwrap().tokens;
        let getter = TokenGetter::builder(credentials(ClientSecret::from("secret")), tokens);
        getter.key(key.as_str()).grant(provider.clone()).build().unwrap()
    };
    let (stopped, other) = (getter().await, getter().await);
    provider.fail(FailureMode::Hangs);
    let mut stopping = Box::pin(stopped.token());
    while provider.requests().is_empty() {
        let polled = timeout(Duration::from_millis(5), stopping.as_mut()).await;
        assert!(polled.is_err(), "it is served before its request is noticed");
    }

    // From here on nothing polls `stopping`: its process is stopped.
    provider.recover();
    other.token().await.unwrap();

    let begun = Instant::now();
    let served = stopping.await.unwrap();
    let again = stopped.token().await.unwrap();
    println!("{url}: served {:?} after it went on", begun.elapsed());
    assert_eq!((served.expose(), served.source()), ("token-1", TokenSource::Store));
    assert_eq!((again.expose(), provider.grants()), ("token-1", 1));
}

#[tokio::test]
async fn f09_a_stopped_process_serves_the_fleets_token_on_redis() {
    a_stopped_process_serves_the_fleets_token_on(&shared::redis().await).await;
}

#[tokio::test]
async fn f09_a_stopped_process_serves_the_fleets_token_on_dynamodb() {
    a_stopped_process_serves_the_fleets_token_on(&shared::dynamodb().await).await;
}

#[tokio::test]
async fn f09_a_stopped_process_serves_the_fleets_token_on_ssm() {
    a_stopped_process_serves_the_fleets_token_on(&shared::ssm().await).await;
}

/// How often the provider is asked when a process is frozen for ten minutes between its lease and
/// its request, while another one goes on.
async fn asked_around_a_freeze(policy: TokenPolicy) -> usize {
    let fleet = Fleet::new();
    let store = Arc::new(with_late_answers(&fleet.store));
    let builder = TokenGetter::builder(credentials(ClientSecret::from("secret")), store);
    let builder = builder.grant(fleet.provider.clone()).clock(fleet.clock()).policy(policy);
    let frozen = builder.build().unwrap();
    let an_hour = Deadline::within(Duration::from_secs(3_600));
    let mut freezing = Box::pin(an_hour.scope(frozen.token()));
    while fleet.wire.swaps() == 0 {
        assert!(poll_once(freezing.as_mut()).await.is_pending());
    }
    assert!(fleet.stored().await.lease.is_some(), "it has the lease");
    assert!(fleet.provider.requests().is_empty(), "and has not asked yet");
    sleep(Duration::from_secs(600)).await;
    fleet.getter().token().await.unwrap();
    freezing.await.unwrap();
    fleet.provider.requests().len()
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_thaws_before_its_request_checks_its_lease_once_more() {
    assert_eq!(asked_around_a_freeze(TokenPolicy::default()).await, 1);
    // The mutant: with an endless lease, the second check changes nothing.
    let mut endless = TokenPolicy::default();
    endless.lease = Duration::from_secs(86_400);
    assert_eq!(asked_around_a_freeze(endless).await, 2, "the mutant must be caught");
}

/// A process that is stopped while it asks the provider, and whose request has timed out when it goes on.
/// Meanwhile another process has fetched the token.
#[tokio::test(start_paused = true)]
async fn f09_a_process_that_was_stopped_while_it_asked_serves_the_fleets_token() {
    for renewed in [false, true] {
        let fleet = Fleet::new();
        let (stopped, other) = (fleet.getter(), fleet.getter());
        fleet.provider.fail(FailureMode::Hangs);
        let mut stopping = Box::pin(stopped.token());
        while fleet.provider.requests().is_empty() {
            assert!(poll_once(stopping.as_mut()).await.is_pending());
        }
        fleet.provider.recover();
        sleep(Duration::from_secs(10)).await;
        other.token().await.unwrap();
        if renewed {
            sleep(Duration::from_secs(60)).await;
        }
        let served = stopping.await.unwrap();
        assert_eq!((served.expose(), served.source()), ("token-1", TokenSource::Store));
        let begun = Instant::now();
        assert_eq!(stopped.token().await.unwrap().expose(), "token-1");
        assert_eq!((begun.elapsed(), fleet.provider.grants()), (Duration::ZERO, 1));
    }
}

/// The process could not store its failure. It has to read the store to find out whether the fleet has a
/// token by now.
#[tokio::test(start_paused = true)]
async fn a_failure_that_was_not_stored_does_not_hide_the_fleets_token() {
    let fleet = Fleet::new();
    let (failing, other) = (fleet.getter(), fleet.getter());
    fleet.provider.fail(FailureMode::Unavailable);
    // The read and the write of the lease succeed. The write of the failure is refused until the process
    // gives up.
    fleet.wire.script([Fault::Pass, Fault::Pass, Fault::Deny]);
    failing.token().await.unwrap_err();
    fleet.provider.recover();
    let key = key();
    let current = fleet.wire.read(&key).await.unwrap().map(|found| found.version);
    let (id, body) = (WriteId::random(), Body::default());
    fleet.wire.swap(&key, current, id, &body, Duration::ZERO).await.unwrap();
    other.token().await.unwrap();

    let begun = Instant::now();
    assert_eq!(failing.token().await.unwrap().source(), TokenSource::Store);
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_was_not_stored_costs_one_read() {
    let fleet = Fleet::new();
    let failing = fleet.getter();
    fleet.provider.fail(FailureMode::RetryAfter(5));
    fleet.wire.script([Fault::Pass, Fault::Pass, Fault::Deny]);
    failing.token().await.unwrap_err();
    let before = fleet.operations();
    for _ in 0..40 {
        failing.token().await.unwrap_err();
        sleep(Duration::from_millis(100)).await;
    }
    assert_eq!((fleet.operations(), fleet.provider.requests().len()), (before + 1, 1));
}

#[tokio::test(start_paused = true)]
async fn f09_a_frozen_lease_holder_overwrites_nothing() {
    let fleet = Fleet::new();
    let (frozen, other) = (fleet.getter(), fleet.getter());
    let mut freezing = Box::pin(frozen.token());
    while fleet.provider.requests().is_empty() {
        assert!(poll_once(freezing.as_mut()).await.is_pending());
    }
    let begun = Instant::now();
    let served = other.token().await.unwrap();
    assert_eq!((served.expose(), served.source()), ("token-1", TokenSource::Minted));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    sleep(Duration::from_secs(600)).await;

    let thawed = freezing.await.unwrap();

    assert_eq!(thawed.expose(), "token-2", "it is good enough for itself");
    assert_eq!(fleet.stored().await.token.unwrap().expose(), "token-1", "but it is too late");
}
