//! The store fails, processes die, callers are cancelled.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use funcify::token::{ClientSecret, TokenError, TokenGetter, TokenPolicy, TokenSource};
use funcify_core::{
    Deadline, Timestamp,
    conformance::Fault,
    engine::{Chance, ManualClock},
    register::{Body, Register, RetryingRegister, WriteId},
};
use funcify_test_support::FailureMode;
use tokio::time::{Instant, sleep, sleep_until};

use super::fleet::{Fleet, LATENCY, at_once, credentials, key, with_a_late_first_answer};

#[tokio::test(start_paused = true)]
async fn f01_a_lost_reply_costs_no_second_grant() {
    let fleet = Fleet::new();
    // The read succeeds. The lease is written, but the reply is lost. After that, everything succeeds.
    fleet.wire.script([Fault::Pass, Fault::LoseReply]);
    assert_eq!(fleet.getter().token().await.unwrap().source(), TokenSource::Minted);
    assert_eq!(fleet.getter().token().await.unwrap().source(), TokenSource::Store);
    assert_eq!(fleet.provider.grants(), 1);
}

#[tokio::test(start_paused = true)]
async fn f05_a_valid_token_is_served_while_the_store_throttles() {
    let fleet = Fleet::new();
    // This seed gives the process a late refresh slot.
    let builder = fleet.builder(credentials(ClientSecret::from("secret")), Duration::ZERO);
    let getter = builder.chance(Chance::seeded(1)).build().unwrap();
    getter.token().await.unwrap();
    sleep(Duration::from_secs(2_710)).await;
    fleet.wire.always(Fault::Throttle);
    let before = fleet.operations();
    for _ in 0..500 {
        assert_eq!(getter.token().await.unwrap().expose(), "token-1");
        sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(fleet.provider.grants(), 1);
    let operations = fleet.operations() - before;
    assert!(operations <= 50, "{operations} requests to the store for 500 calls");
}

#[tokio::test(start_paused = true)]
async fn f05_a_throttling_store_is_retried_and_used_within_two_seconds_of_its_recovery() {
    let fleet = Fleet::new();
    let getters = fleet.getters(50);
    fleet.wire.always(Fault::Throttle);
    let wire = fleet.wire.clone();
    let healed = Instant::now() + Duration::from_secs(5);
    tokio::spawn(async move {
        sleep_until(healed).await;
        wire.heal();
    });
    let served = at_once(&getters, async |getter| {
        Deadline::within(Duration::from_secs(30)).scope(getter.token()).await.unwrap();
        Instant::now()
    })
    .await;
    let last = served.into_iter().max().unwrap();
    assert!(last < healed + Duration::from_millis(2_100), "{:?} later", last - healed);
    assert_eq!(fleet.provider.grants(), 1);
    assert!(getters.iter().all(|getter| getter.metrics().without_store == 0));
}

#[tokio::test(start_paused = true)]
async fn f06_one_caller_waits_for_a_store_that_hangs_and_all_are_served() {
    let fleet = Fleet::new();
    // Before the process asks without the store, it makes four reads that fail, and nothing else.
    let getter = fleet.getter();
    getter.token().await.unwrap();
    sleep(Duration::from_secs(2_701)).await;
    fleet.wire.always(Fault::Hang);
    let mut waited = Vec::new();
    for _ in 0..880 {
        let callers = vec![getter.clone(); 5];
        waited.extend(
            at_once(&callers, async |getter| {
                let begun = Instant::now();
                getter.token().await.unwrap();
                begun.elapsed()
            })
            .await,
        );
        sleep(Duration::from_secs(1)).await;
    }
    waited.retain(|waited| !waited.is_zero());
    assert_eq!((waited.len(), fleet.provider.grants()), (4, 2), "{waited:?}");
    assert!(waited.iter().all(|waited| *waited <= Duration::from_secs(2) + LATENCY), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn f06_a_lost_operation_sends_no_process_with_a_token_to_the_provider() {
    let fleet = Fleet::new();
    // Each process has its own connection, so that one process does not learn of another's lost operations.
    let process = |number| {
        let store = Arc::new(RetryingRegister::new(fleet.wire.clone()));
        TokenGetter::builder(credentials(ClientSecret::from("secret")), store)
            .grant(fleet.provider.clone())
            .clock(fleet.clock())
            .chance(Chance::seeded(crate::support::env::seed().wrapping_add(number)))
            .build()
            .unwrap()
    };
    let getters: Vec<_> = (0..50).map(process).collect();
    at_once(&getters, async |getter| getter.token().await.unwrap()).await;
    sleep(Duration::from_secs(2_690)).await;
    for _ in 0..180 {
        sleep(Duration::from_secs(5)).await;
        for getter in &getters {
            // The first operation of each process is lost.
            if getter.metrics().store_errors == 0 {
                fleet.wire.always(Fault::Hang);
            }
            getter.token().await.unwrap();
            fleet.wire.heal();
        }
    }
    assert!(getters.iter().all(|getter| getter.metrics().store_errors > 0));
    assert!(getters.iter().all(|getter| getter.metrics().without_store == 0));
    assert_eq!(fleet.provider.grants(), 2, "one for the renewal");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_slow_at_publication_costs_no_second_grant() {
    let fleet = Fleet::new();
    let (minting, waiting) = (fleet.getter(), fleet.getter());
    // The read and the write of the lease succeed. Then everything is throttled for 2.5 s.
    fleet.wire.script([Fault::Pass, Fault::Pass]);
    fleet.wire.always(Fault::Throttle);
    let wire = fleet.wire.clone();
    tokio::spawn(async move {
        sleep(Duration::from_millis(2_500)).await;
        wire.heal();
    });
    let minting = tokio::spawn(async move { minting.token().await.unwrap() });
    sleep(Duration::from_millis(50)).await;
    let served = waiting.token().await.unwrap();
    assert_eq!((served.expose(), served.source()), ("token-1", TokenSource::Store));
    assert_eq!(minting.await.unwrap().source(), TokenSource::Minted);
    assert_eq!(fleet.provider.grants(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_cold_fleet_that_overloads_its_store_does_not_overload_the_provider() {
    let fleet = Fleet::new();
    fleet.wire.always(Fault::Throttle);
    let wire = fleet.wire.clone();
    tokio::spawn(async move {
        sleep(Duration::from_millis(2_500)).await;
        wire.heal();
    });
    let getters = fleet.getters(100);
    at_once(&getters, async |getter| getter.token().await.unwrap()).await;
    assert_eq!(fleet.provider.grants(), 1);
}

#[tokio::test(start_paused = true)]
async fn f07_a_store_that_hangs_delays_a_cold_caller_and_leaves_it_time_for_the_provider() {
    let fleet = Fleet::new();
    fleet.wire.always(Fault::Hang);
    let begun = Instant::now();
    assert_eq!(fleet.getter().token().await.unwrap().source(), TokenSource::Minted);
    // The process draws the moment at which it asks evenly from its 18 s, of which 3 s are kept for the
    // request.
    let asked = *fleet.provider.requests().last().unwrap() - begun;
    assert!(asked <= Duration::from_secs(15), "{asked:?}");
    assert!(begun.elapsed() <= Duration::from_secs(18), "{:?}", begun.elapsed());
    let begun = Instant::now();
    let deadline = Deadline::of_invocation(Duration::from_secs(3), Deadline::WORK_MARGIN);
    deadline.scope(fleet.getter().token()).await.unwrap();
    assert!(begun.elapsed() < Duration::from_millis(2_700), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn f06_without_a_store_each_process_has_a_token_of_its_own() {
    let fleet = Fleet::new();
    fleet.wire.always(Fault::Refuse);
    let getters = fleet.getters(10);
    let tokens = at_once(&getters, async |getter| getter.token().await.unwrap()).await;
    assert!(tokens.iter().all(|token| token.source() == TokenSource::Minted));
    assert_eq!(fleet.provider.grants(), 10);
    at_once(&getters, async |getter| getter.token().await.unwrap()).await;
    assert_eq!(fleet.provider.grants(), 10);
}

#[tokio::test(start_paused = true)]
async fn f06_without_a_store_refreshes_are_spread_over_the_window() {
    let fleet = Fleet::new();
    let getters = fleet.getters(150);
    at_once(&getters, async |getter| getter.token().await.unwrap()).await;
    sleep(Duration::from_secs(2_600)).await;
    fleet.wire.always(Fault::Refuse);
    at_once(&getters, async |getter| {
        for _ in 0..1_100 {
            getter.token().await.unwrap();
            sleep(Duration::from_secs(1)).await;
        }
    })
    .await;
    let mut asked = fleet.provider.requests();
    asked.sort();
    assert!((151..=158).contains(&asked.len()), "{} requests", asked.len());
    let busiest = asked.iter().map(|from| {
        asked.iter().filter(|at| (*from..*from + Duration::from_secs(1)).contains(*at)).count()
    });
    assert!(busiest.max().unwrap() <= 6, "in the busiest second");
}

#[tokio::test(start_paused = true)]
async fn f06_without_a_store_a_rejected_token_is_replaced_once_in_thirty_seconds() {
    let fleet = Fleet::new();
    fleet.wire.always(Fault::Refuse);
    let getter = fleet.getter();
    let first = getter.token().await.unwrap();
    let operations = fleet.operations();
    let second = getter.rejected(&first).await.unwrap();
    assert_eq!(fleet.operations(), operations, "a store that has just failed is not called");
    let error = getter.rejected(&second).await.unwrap_err();
    assert!(matches!(error, TokenError::RejectedTooOften { .. }), "{error}");
    sleep(TokenPolicy::FORCED_INTERVAL).await;
    assert_eq!(getter.rejected(&second).await.unwrap().expose(), "token-3");
}

#[tokio::test(start_paused = true)]
async fn a_stored_token_that_expires_sooner_does_not_replace_the_one_in_memory() {
    let fleet = Fleet::new();
    fleet.getter().token().await.unwrap();
    sleep(Duration::from_secs(30)).await;
    fleet.wire.always(Fault::Refuse);
    let getter = fleet.getter();
    assert_eq!(getter.token().await.unwrap().expose(), "token-2", "its own");
    fleet.wire.heal();
    fleet.provider.fail(FailureMode::Unavailable);
    // Nearly every call now tries to refresh, and reads the token in the store, which expires in ten seconds.
    sleep(Duration::from_secs(3_560)).await;
    for _ in 0..20 {
        sleep(Duration::from_secs(1)).await;
        assert_eq!(getter.token().await.unwrap().expose(), "token-2");
    }
    assert!(getter.metrics().failures > 0, "it did try");
}

/// A process that learns with this delay that its lease of 4 s was written. Its wall clock does not move.
fn slow_to_its_lease(fleet: &Fleet, by: Duration) -> TokenGetter {
    let store = with_a_late_first_answer(&fleet.store, by);
    let builder = TokenGetter::builder(credentials(ClientSecret::from("secret")), Arc::new(store));
    let clock = ManualClock::at(Timestamp::from_millis(1_700_000_000_000));
    builder.grant(fleet.provider.clone()).clock(Arc::new(clock)).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_request_ends_with_its_lease_and_does_not_start_at_the_end_of_it() {
    let fleet = Fleet::new();
    let begun = Instant::now();
    let late = slow_to_its_lease(&fleet, Duration::from_millis(3_850));
    assert_eq!(late.token().await.unwrap().source(), TokenSource::Minted);
    let asked = fleet.provider.requests();
    assert_eq!(asked.len(), 1);
    assert!(asked[0] >= begun + Duration::from_secs(4), "under another lease: {asked:?}");

    let fleet = Fleet::new();
    fleet.provider.fail(FailureMode::Hangs);
    let begun = Instant::now();
    slow_to_its_lease(&fleet, Duration::from_secs(2)).token().await.unwrap_err();
    let waited = begun.elapsed().as_millis();
    assert!((4_000..4_020).contains(&waited), "{waited} ms");
}

#[tokio::test(start_paused = true)]
async fn f26_a_caller_that_is_cancelled_while_its_token_is_published_loses_no_token() {
    let fleet = Fleet::new();
    let getter = fleet.getter();
    fleet.wire.script([Fault::Pass, Fault::Pass]);
    fleet.wire.always(Fault::Hang);
    let leaving = getter.clone();
    let leaving = tokio::spawn(async move { leaving.token().await.map(drop) });
    sleep(LATENCY + Duration::from_millis(100)).await;
    assert_eq!(fleet.provider.grants(), 1);
    leaving.abort();
    assert!(leaving.await.unwrap_err().is_cancelled());
    let token = getter.token().await.unwrap();
    assert_eq!((token.expose(), token.source()), ("token-1", TokenSource::Memory));
}

#[tokio::test(start_paused = true)]
async fn a_token_that_cannot_be_published_is_still_used() {
    for fault in [Fault::Deny, Fault::Refuse, Fault::LoseRequest] {
        let fleet = Fleet::new();
        let getter = fleet.getter();
        fleet.wire.script([Fault::Pass, Fault::Pass]);
        fleet.wire.always(fault);
        assert_eq!(getter.token().await.unwrap().source(), TokenSource::Minted, "{fault:?}");
        assert_eq!(getter.token().await.unwrap().source(), TokenSource::Memory, "{fault:?}");
        assert_eq!(getter.metrics().store_errors, 1, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn f24_a_corrupt_record_is_replaced_once() {
    let fleet = Fleet::new();
    let key = key();
    for corruption in
        [r#"{"token":7}"#, r#"{"minted_at":"soon"}"#, r#"{"lease":{"holder":"x","until":1}}"#]
    {
        let current = fleet.wire.read(&key).await.unwrap().map(|current| current.version);
        let body = corruption.parse::<Body>().unwrap();
        let keep = Duration::from_secs(60);
        fleet.wire.swap(&key, current, WriteId::random(), &body, keep).await.unwrap();
        let before = fleet.provider.grants();
        let getters = fleet.getters(20);
        at_once(&getters, async |getter| getter.token().await.unwrap()).await;
        assert_eq!(fleet.provider.grants(), before + 1, "{corruption}");
        assert!(getters.iter().any(|getter| getter.metrics().corrupt > 0), "{corruption}");
    }
}

#[tokio::test(start_paused = true)]
async fn f25_members_of_a_newer_version_survive_a_refresh() {
    let fleet = Fleet::new();
    let key = key();
    let newer = r#"{"minted_at":0,"from_the_future":{"a":[1]}}"#.parse::<Body>().unwrap();
    fleet.wire.swap(&key, None, WriteId::random(), &newer, Duration::ZERO).await.unwrap();
    let getters = fleet.getters(2);
    at_once(&getters, async |getter| getter.token().await.unwrap()).await;
    let stored = fleet.wire.read(&key).await.unwrap().unwrap().value;
    assert_eq!(stored.as_ref()["from_the_future"], serde_json::json!({"a": [1]}));
    assert_eq!(fleet.provider.grants(), 1);
}

#[tokio::test(start_paused = true)]
async fn f26_a_caller_that_is_cancelled_at_any_await_leaves_nothing_half_done() {
    let mut stops = 0;
    loop {
        let fleet = Fleet::new();
        let (getter, other) = (fleet.getter(), fleet.getter());
        let mut leaving = Box::pin(getter.token());
        let mut has_ended = false;
        for _ in 0..stops {
            if poll_once(leaving.as_mut()).await.is_ready() {
                has_ended = true;
                break;
            }
        }
        drop(leaving);

        let begun = Instant::now();
        getter.token().await.unwrap();
        assert!(begun.elapsed() < Duration::from_secs(1), "its own lease, after {stops} polls");
        other.token().await.unwrap();
        assert!(fleet.provider.grants() <= 2, "after {stops} polls");
        if has_ended {
            break;
        }
        stops += 1;
    }
    assert!(stops > 2, "there was something to leave");
}

#[tokio::test(start_paused = true)]
async fn a_fleet_behind_a_store_that_fails_at_random_is_always_served() {
    let fleet = Fleet::new();
    fleet.wire.random(crate::support::env::seed(), 0.2);
    let getters = fleet.getters(50);
    for _ in 0..20 {
        at_once(&getters, async |getter| getter.token().await.unwrap()).await;
        sleep(Duration::from_secs(600)).await;
    }
}

/// Polls a future once. If the future waits for a timer, lets the time pass.
pub(super) async fn poll_once<F: Future>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    let polled = poll_fn(|_| {
        let mut context = Context::from_waker(Waker::noop());
        Poll::Ready(future.as_mut().poll(&mut context))
    })
    .await;
    if polled.is_pending() {
        sleep(Duration::from_millis(100)).await;
    }
    polled
}
