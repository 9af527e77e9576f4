//! No process has a token yet.

use std::{sync::Arc, time::Duration};

use funcify::token::{ClientSecret, TokenError, TokenGetter, TokenSource};
use funcify_core::{
    Deadline, StoreError, StoreErrorKind, engine::Chance, register::PollPolicy,
    token::TokenPersistenceProvider,
};
use funcify_test_support::{FailureMode, HookedTokens};
use tokio::time::{Instant, sleep};

use super::fleet::{Fleet, LATENCY, at_once, credentials};

#[tokio::test(start_paused = true)]
async fn f22_500_cold_processes_need_one_grant() {
    let fleet = Fleet::far_from_its_store();
    let getters = fleet.getters(500);
    let begun = Instant::now();

    let tokens = at_once(&getters, async |getter| getter.token().await.unwrap()).await;

    assert_eq!(fleet.provider.grants(), 1);
    assert!(tokens.iter().all(|token| token.expose() == "token-1"));
    assert!(begun.elapsed() < Duration::from_millis(1_200), "{:?}", begun.elapsed());
    assert!(fleet.operations() <= 500 * 9 / 2, "{} store operations", fleet.operations());
}

#[tokio::test(start_paused = true)]
async fn a_cold_start_over_two_seconds_needs_few_store_operations() {
    let fleet = Fleet::far_from_its_store();
    let mut tasks = Vec::new();
    for getter in fleet.getters(1_000) {
        tasks.push(tokio::spawn(async move { getter.token().await.unwrap() }));
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(fleet.provider.grants(), 1);
    assert!(fleet.operations() <= 1_300, "{} store operations", fleet.operations());
}

#[tokio::test(start_paused = true)]
async fn callers_in_one_process_share_one_refresh() {
    let fleet = Fleet::new();
    let getter = fleet.getter();
    let callers = vec![getter.clone(); 200];

    let tokens = at_once(&callers, async |getter| getter.token().await.unwrap()).await;

    assert_eq!(fleet.provider.grants(), 1);
    assert_eq!(fleet.operations(), 3, "one read, one lease, one token");
    let minted = tokens.iter().filter(|token| token.source() == TokenSource::Minted).count();
    assert_eq!(minted, 1);
    assert_eq!(getter.metrics().grants, 1);
}

#[tokio::test(start_paused = true)]
async fn a_token_in_memory_needs_no_store() {
    let fleet = Fleet::new();
    let getter = fleet.getter();
    getter.token().await.unwrap();
    let before = fleet.operations();
    for _ in 0..1_000 {
        assert_eq!(getter.token().await.unwrap().source(), TokenSource::Memory);
    }
    assert_eq!(fleet.operations(), before);
}

#[tokio::test(start_paused = true)]
async fn a_second_process_takes_the_token_from_the_store() {
    let fleet = Fleet::new();
    fleet.getter().token().await.unwrap();
    let second = fleet.getter();
    let token = second.token().await.unwrap();
    assert_eq!(token.source(), TokenSource::Store);
    assert_eq!((second.metrics().accepted, second.metrics().grants), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn f12_a_caller_without_time_starts_nothing() {
    let fleet = Fleet::new();
    let getter = fleet.getter();
    for left in [0, 1, 299] {
        let deadline = Deadline::of_invocation(Duration::from_millis(left), Deadline::WORK_MARGIN);
        let error = deadline.scope(getter.token()).await.unwrap_err();
        assert!(matches!(error, TokenError::Deadline(_)), "{left} ms: {error}");
    }
    assert_eq!((fleet.operations(), fleet.provider.requests().len()), (0, 0));
    assert_eq!(getter.metrics().store_errors, 0, "it does not count against the store");
}

#[tokio::test(start_paused = true)]
async fn a_caller_waits_no_longer_than_its_deadline_and_leaves_no_lease() {
    let fleet = Fleet::new();
    fleet.provider.fail(FailureMode::Hangs);
    let (hurried, next) = (fleet.getter(), fleet.getter());
    let begun = Instant::now();
    let deadline = Deadline::of_invocation(Duration::from_secs(1), Deadline::WORK_MARGIN);

    let error = deadline.scope(hurried.token()).await.unwrap_err();

    assert!(matches!(error, TokenError::Deadline(_)), "{error}");
    assert!(begun.elapsed() <= Duration::from_millis(750), "{:?}", begun.elapsed());
    fleet.provider.recover();
    let begun = Instant::now();
    next.token().await.unwrap();
    assert!(begun.elapsed() < LATENCY * 2, "the lease was given back: {:?}", begun.elapsed());
}

/// SSM accepts 4 KB, and some tokens are longer.
#[tokio::test(start_paused = true)]
async fn a_token_that_the_store_cannot_hold_keeps_nobody_waiting() {
    let fleet = Fleet::far_from_its_store();
    let small = HookedTokens::over(Arc::clone(&fleet.store)).on_write(|write| async move {
        if write.next.token.is_some() {
            let limit = "expected a record of at most 4,096 bytes";
            return Err(StoreError::new("small", StoreErrorKind::Invalid, limit));
        }
        write.send().await
    });
    let small: Arc<dyn TokenPersistenceProvider> = Arc::new(small);
    let getters: Vec<_> = (0..6)
        .map(|seed| {
            let secret = ClientSecret::from("secret");
            TokenGetter::builder(credentials(secret), Arc::clone(&small))
                .grant(fleet.provider.clone())
                .clock(fleet.clock())
                .chance(Chance::seeded(seed))
                .build()
                .unwrap()
        })
        .collect();
    let begun = Instant::now();
    let tokens = at_once(&getters, async |getter| getter.token().await.unwrap()).await;
    assert_eq!(tokens.len(), 6);
    assert!(begun.elapsed() < Duration::from_millis(1_500), "{:?}", begun.elapsed());
    assert_eq!(fleet.provider.grants(), 6, "one for each process");

    let before = fleet.operations();
    at_once(&getters, async |getter| getter.token().await.unwrap()).await;
    assert_eq!((fleet.provider.grants(), fleet.operations()), (6, before), "each keeps its own");
    let stored = fleet.stored().await;
    assert!(stored.lease.is_none() && stored.token.is_none() && stored.unshared_until.is_some());
}

/// The processes are two versions of a function during a deployment that adds a scope, or two functions
/// that use one key by mistake.
#[tokio::test(start_paused = true)]
async fn two_tokens_at_one_key_are_each_shared_and_neither_is_overwritten() {
    let fleet = Fleet::new();
    let getters = |scope: &str| -> Vec<_> {
        let getter = |_| {
            let mut credentials = credentials(ClientSecret::from("secret"));
            credentials.scope = Some(scope.to_owned());
            fleet.builder(credentials, Duration::ZERO).build().unwrap()
        };
        (0..8).map(getter).collect()
    };
    let (old, new) = (getters("orders"), getters("orders stock"));
    let first = old[0].token().await.unwrap();

    for (old, new) in old.iter().zip(&new) {
        assert_eq!(old.token().await.unwrap().expose(), first.expose());
        assert_ne!(new.token().await.unwrap().expose(), first.expose());
    }

    assert_eq!(fleet.provider.grants(), 2, "one for each token");
    assert_eq!(fleet.stored().await.token.unwrap().expose(), first.expose());

    // No process asks for the old token any more, so the key is free when it expires.
    sleep(Duration::from_secs(3_600)).await;
    let last = getters("orders stock").remove(0).token().await.unwrap();
    assert_eq!(fleet.stored().await.token.unwrap().expose(), last.expose());
}

#[tokio::test(start_paused = true)]
async fn clients_with_a_key_each_have_a_token_each() {
    let fleet = Fleet::new();
    let client = |scope: &str| {
        let mut credentials = credentials(ClientSecret::from("secret"));
        credentials.scope = Some(scope.to_owned());
        let builder = fleet.builder(credentials, Duration::ZERO);
        builder.key(scope).build().unwrap()
    };
    let (orders, billing) = (client("orders"), client("billing"));
    let tokens = [orders.token().await.unwrap(), billing.token().await.unwrap()];
    assert_ne!(tokens[0].expose(), tokens[1].expose());
    assert_eq!(fleet.provider.grants(), 2);
    // Another process with both clients finds both tokens.
    for (scope, token) in ["orders", "billing"].iter().zip(&tokens) {
        let found = client(scope).token().await.unwrap();
        assert_eq!((found.expose(), found.source()), (token.expose(), TokenSource::Store));
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_call_spares_the_second_a_wait_and_may_fail() {
    let fleet = Fleet::new();
    let (warm, failing) = (fleet.getter(), fleet.getter());
    fleet.provider.fail(FailureMode::Unavailable);
    failing.token().await.unwrap_err();
    fleet.provider.recover();
    tokio::time::sleep(Duration::from_secs(2)).await;
    warm.token().await.unwrap();
    let begun = Instant::now();
    assert_eq!(warm.token().await.unwrap().source(), TokenSource::Memory);
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert_eq!(failing.token().await.unwrap().source(), TokenSource::Store);
}

/// How many writes a cold fleet of 200 makes on a store with this contention back-off.
async fn writes_of_a_cold_fleet(contention: Duration) -> u64 {
    let fleet = Fleet::far_from_its_store();
    let mut poll_policy = PollPolicy::default();
    poll_policy.contention = contention;
    let store = HookedTokens::over(Arc::clone(&fleet.store)).with_poll_policy(poll_policy);
    let store: Arc<dyn TokenPersistenceProvider> = Arc::new(store);
    let getter = |_| {
        let credentials = credentials(ClientSecret::from("secret"));
        let builder = TokenGetter::builder(credentials, Arc::clone(&store));
        builder.grant(fleet.provider.clone()).build().unwrap()
    };
    let getters: Vec<_> = (0..200).map(getter).collect();
    at_once(&getters, async |getter| getter.token().await.unwrap()).await;
    assert_eq!(fleet.provider.grants(), 1);
    fleet.wire.swaps()
}

#[tokio::test(start_paused = true)]
async fn contenders_back_off_and_read_again_if_the_store_asks_for_it() {
    let with_back_off = writes_of_a_cold_fleet(Duration::from_millis(500)).await;
    let without = writes_of_a_cold_fleet(Duration::ZERO).await;
    assert!(with_back_off <= 20, "{with_back_off} writes");
    assert!(without >= 200, "the mutant must be caught: {without} writes");
}
