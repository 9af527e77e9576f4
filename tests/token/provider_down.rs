//! The identity provider fails, refuses, or is slow.

use std::{sync::Arc, time::Duration};

use funcify::token::{GrantError, TokenError, TokenGetter, TokenPolicy, TokenSource};
use funcify_core::{
    Deadline,
    circuit::{CircuitBreaker, CircuitOpen, CircuitPolicy, CircuitState, CountRule},
    conformance::Fault,
    engine::causes,
    register::{Body, Register, WriteId},
};
use funcify_test_support::FailureMode;
use tokio::time::{Instant, sleep, sleep_until};

use super::fleet::{Fleet, Vault, at_once, credentials, key, with_a_late_first_answer};

#[tokio::test(start_paused = true)]
async fn a_valid_token_is_served_until_it_expires_while_the_provider_is_down() {
    let fleet = Fleet::new();
    let getter = fleet.getter();
    getter.token().await.unwrap();
    fleet.provider.fail(FailureMode::Unavailable);
    sleep(Duration::from_secs(3_598)).await;
    // Even so late, one draw in a hundred does not try to refresh.
    let overdue = async || loop {
        let token = getter.token().await.unwrap();
        if token.source() == TokenSource::Overdue {
            break token;
        }
    };
    assert_eq!(overdue().await.expose(), "token-1");
    assert!(getter.metrics().overdue_served > 0);
    sleep(Duration::from_secs(3)).await;
    getter.token().await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn a_fleet_backs_off_together_and_comes_back_soon() {
    let fleet = Fleet::far_from_its_store();
    let getters = fleet.getters(100);
    fleet.provider.fail(FailureMode::Unavailable);
    let begun = Instant::now();
    let provider = fleet.provider.clone();
    tokio::spawn(async move {
        sleep(Duration::from_secs(30)).await;
        provider.recover();
    });
    let served = at_once(&getters, move |getter| async move {
        while getter.token().await.is_err() {
            sleep(Duration::from_millis(200)).await;
        }
        begun.elapsed()
    })
    .await;
    assert!(fleet.provider.requests().len() <= 12, "{} requests", fleet.provider.requests().len());
    let last = served.into_iter().max().unwrap();
    assert!(last < Duration::from_secs(36), "{last:?}");
    assert_eq!(fleet.provider.grants(), 1);
}

#[tokio::test(start_paused = true)]
async fn f23_retry_after_binds_the_whole_fleet() {
    let fleet = Fleet::new();
    fleet.provider.fail(FailureMode::RetryAfter(20));
    let (one, other) = (fleet.getter(), fleet.getter());
    let error = one.token().await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(20)));
    let error = other.token().await.unwrap_err();
    assert!(matches!(error, TokenError::Remembered { .. }), "{error}");
    assert!(error.retry_after() > Some(Duration::from_secs(19)));
    sleep(Duration::from_secs(19)).await;
    one.token().await.unwrap_err();
    assert_eq!(fleet.provider.requests().len(), 1);
    fleet.provider.recover();
    sleep(Duration::from_secs(2)).await;
    other.token().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_request_to_a_provider_that_hangs_ends_at_the_timeout() {
    let fleet = Fleet::new();
    fleet.provider.fail(FailureMode::Hangs);
    let begun = Instant::now();
    let error = fleet.getter().token().await.unwrap_err();
    let TokenError::Grant(cause) = error else { panic!("{error}") };
    assert!(matches!(*cause, GrantError::TimedOut));
    assert_eq!(begun.elapsed().as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_function_with_an_old_secret_does_not_stop_the_others() {
    let fleet = Fleet::new();
    fleet.provider.accept_only("new");
    let (old, also_old) = (fleet.getter_with("old"), fleet.getter_with("old"));
    let new = fleet.getter_with("new");

    let error = old.token().await.unwrap_err();
    assert!(matches!(error, TokenError::Grant(_)), "{error}");
    let error = also_old.token().await.unwrap_err();
    assert!(matches!(error, TokenError::Remembered { .. }), "{error}");
    assert_eq!(fleet.provider.requests().len(), 1, "the same secret is not tried twice");

    assert_eq!(new.token().await.unwrap().source(), TokenSource::Minted);
    sleep(Duration::from_secs(1)).await;
    for old in [old, also_old] {
        assert_eq!(old.token().await.unwrap().source(), TokenSource::Store, "the fleet's token");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_secret_is_not_tried_for_a_minute_whatever_happens_to_the_record() {
    for is_down in [false, true] {
        let fleet = Fleet::new();
        fleet.provider.accept_only("new");
        if is_down {
            fleet.wire.always(Fault::Refuse);
        }
        let old = fleet.getter_with("old");
        old.token().await.unwrap_err();
        // The first operation on a store may take 2 s, so the minute begins after it.
        let begun = Instant::now();
        if !is_down {
            // An operator, or the store itself, removes the remembered failure.
            let key = key();
            let current = fleet.wire.read(&key).await.unwrap().map(|found| found.version);
            let (id, body) = (WriteId::random(), Body::default());
            fleet.wire.swap(&key, current, id, &body, Duration::ZERO).await.unwrap();
        }
        while begun.elapsed() < Duration::from_secs(57) {
            sleep(Duration::from_secs(2)).await;
            old.token().await.unwrap_err();
        }
        assert_eq!(fleet.provider.requests().len(), 1, "store down: {is_down}");
        sleep_until(begun + Duration::from_secs(62)).await;
        old.token().await.unwrap_err();
        assert_eq!(fleet.provider.requests().len(), 2, "store down: {is_down}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_remembered_failure_needs_no_store() {
    let fleet = Fleet::new();
    fleet.provider.fail(FailureMode::RetryAfter(5));
    let (getter, other) = (fleet.getter(), fleet.getter());
    getter.token().await.unwrap_err();
    other.token().await.unwrap_err();
    let operations = fleet.operations();
    for _ in 0..40 {
        sleep(Duration::from_millis(100)).await;
        getter.token().await.unwrap_err();
        other.token().await.unwrap_err();
    }
    assert_eq!((fleet.operations(), fleet.provider.requests().len()), (operations, 1));
}

#[tokio::test(start_paused = true)]
async fn a_caller_without_a_deadline_gives_up_after_eighteen_seconds() {
    let fleet = Fleet::new();
    fleet.provider.fail(FailureMode::Hangs);
    let mut policy = TokenPolicy::default();
    policy.lease = Duration::from_secs(60);
    policy.request_timeout = Duration::from_secs(50);
    let slow = || {
        let builder = fleet.builder(credentials(Vault::with("secret")), Duration::ZERO);
        builder.policy(policy.clone()).build().unwrap()
    };
    let (holder, waiting) = (slow(), slow());
    let an_age = Deadline::within(Duration::from_secs(3_600));
    tokio::spawn(async move { an_age.scope(holder.token()).await.map(drop) });
    sleep(Duration::from_secs(1)).await;
    let begun = Instant::now();
    let error = waiting.token().await.unwrap_err();
    assert!(matches!(error, TokenError::Deadline(_)), "{error}");
    assert_eq!(begun.elapsed().as_secs(), 18);
}

#[tokio::test(start_paused = true)]
async fn a_refused_secret_is_read_again_once() {
    let fleet = Fleet::new();
    fleet.provider.accept_only("first");
    let vault = Vault::with("first");
    let getter = fleet.builder(credentials(vault.clone()), Duration::ZERO).build().unwrap();
    getter.token().await.unwrap();
    fleet.provider.accept_only("second");
    vault.rotate("second");
    sleep(Duration::from_secs(3_600)).await;
    assert_eq!(getter.token().await.unwrap().source(), TokenSource::Minted);
    assert_eq!(vault.reads(), 2);

    fleet.provider.accept_only("third");
    sleep(Duration::from_secs(3_600)).await;
    getter.token().await.unwrap_err();
    getter.token().await.unwrap_err();
    assert_eq!(vault.reads(), 3, "an unchanged secret is not tried twice");
}

#[tokio::test(start_paused = true)]
async fn failures_of_the_provider_open_its_circuit_and_a_wrong_secret_does_not() {
    let fleet = Fleet::new();
    let policy = CircuitPolicy::for_token_endpoint;
    let circuit = CircuitBreaker::new("provider", policy(), Arc::clone(&fleet.store) as _).unwrap();
    let vault = Vault::with("wrong");
    let wrong = fleet.builder(credentials(vault), Duration::ZERO).circuit(circuit.clone());
    let wrong = wrong.build().unwrap();
    fleet.provider.accept_only("right");
    for _ in 0..10 {
        wrong.token().await.unwrap_err();
        sleep(Duration::from_secs(61)).await;
    }
    assert_eq!(circuit.record().await.state, CircuitState::Closed);

    fleet.provider.fail(FailureMode::Unavailable);
    let getter = fleet.builder(credentials(Vault::with("right")), Duration::ZERO);
    let getter = getter.circuit(circuit).build().unwrap();
    let asked = fleet.provider.requests().len();
    let error = loop {
        match getter.token().await.unwrap_err() {
            error @ TokenError::Open(_) => break error,
            _ => sleep(Duration::from_millis(500)).await,
        }
    };
    assert!(error.retry_after().is_some());
    assert_eq!(
        fleet.provider.requests().len() - asked,
        3,
        "three, as the policy for token endpoints says"
    );
    let is_open = causes(&error).any(|cause| cause.is::<CircuitOpen>());
    assert!(is_open, "the open circuit is among the sources");
}

#[tokio::test(start_paused = true)]
async fn f12_a_provider_that_hangs_opens_its_circuit_for_functions_of_three_seconds() {
    let fleet = Fleet::new();
    fleet.provider.fail(FailureMode::Hangs);
    let circuit = CircuitBreaker::new(
        "provider",
        CircuitPolicy::for_token_endpoint(),
        Arc::clone(&fleet.store) as _,
    );
    let circuit = circuit.unwrap();
    let getter = fleet.builder(credentials(Vault::with("secret")), Duration::ZERO);
    let getter = getter.circuit(circuit.clone()).build().unwrap();
    for _ in 0..3 {
        assert_eq!(circuit.record().await.state, CircuitState::Closed);
        let deadline = Deadline::of_invocation(Duration::from_secs(3), Deadline::WORK_MARGIN);
        let error = deadline.scope(getter.token()).await.unwrap_err();
        assert!(matches!(error, TokenError::Deadline(_)), "{error}");
        let error = fleet.getter().token().await.unwrap_err();
        assert!(matches!(error, TokenError::Remembered { .. }), "{error}");
        sleep(Duration::from_secs(10)).await;
    }
    assert_eq!(circuit.record().await.state, CircuitState::Open);
    assert_eq!(fleet.provider.requests().len(), 3);
}

/// A circuit that opens at one failure, for five minutes.
fn one_in_five_minutes() -> CircuitPolicy {
    let five_minutes = Duration::from_secs(300);
    let mut policy = CircuitPolicy::new(CountRule::new(1, five_minutes));
    policy.open_duration = five_minutes;
    policy.max_open_duration = five_minutes;
    policy
}

#[tokio::test(start_paused = true)]
async fn a_request_cut_short_by_the_deadline_does_not_count_against_the_circuit() {
    let fleet = Fleet::new();
    fleet.provider.fail(FailureMode::Hangs);
    let policy = one_in_five_minutes();
    let circuit = CircuitBreaker::new("provider", policy, Arc::clone(&fleet.store) as _).unwrap();
    let getter = fleet.builder(credentials(Vault::with("secret")), Duration::ZERO);
    let getter = getter.circuit(circuit.clone()).build().unwrap();
    let late = async || {
        sleep(Duration::from_millis(2_000)).await;
        getter.token().await.unwrap_err()
    };
    let deadline = Deadline::of_invocation(Duration::from_secs(3), Deadline::WORK_MARGIN);
    let error = deadline.scope(late()).await;
    assert!(matches!(error, TokenError::Deadline(_)), "{error}");
    assert_eq!(circuit.record().await.state, CircuitState::Closed);
    fleet.provider.recover();
    getter.token().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_request_cut_short_by_a_late_lease_does_not_count_against_the_circuit() {
    // A caller without a deadline gives up after 18 seconds. A request may take three.
    for (late, state) in [(17_200, CircuitState::Closed), (16_000, CircuitState::Open)] {
        let fleet = Fleet::new();
        fleet.provider.fail(FailureMode::Hangs);
        let policy = one_in_five_minutes();
        let circuit = CircuitBreaker::new("provider", policy, Arc::clone(&fleet.store) as _);
        let circuit = circuit.unwrap();
        let mut lease_of_20_s = TokenPolicy::default();
        lease_of_20_s.lease = Duration::from_secs(20);
        let store = with_a_late_first_answer(&fleet.store, Duration::from_millis(late));
        let getter = TokenGetter::builder(credentials(Vault::with("secret")), Arc::new(store))
            .grant(fleet.provider.clone())
            .clock(fleet.clock())
            .policy(lease_of_20_s)
            .circuit(circuit.clone());
        let error = getter.build().unwrap().token().await.unwrap_err();
        assert!(matches!(error, TokenError::Deadline(_)), "{error}");
        assert_eq!(circuit.record().await.state, state, "{late} ms");
    }
}
