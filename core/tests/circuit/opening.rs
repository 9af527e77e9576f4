use std::sync::atomic::Ordering;

use funcify_core::circuit::{
    Cause, CircuitError, CircuitPolicy, CircuitState, CountRule, RateRule,
};

use crate::support::{
    Store, breaker, by_quorum, fail, five_a_minute, fleet, is_refused, millis, seconds, succeed,
    touchy, with_open_duration, with_probes, with_rule,
};

#[tokio::test(start_paused = true)]
async fn the_fifth_failure_of_the_fleet_opens_it() {
    let store = Store::new();
    let fleet = fleet(&store, &five_a_minute(), 5);
    for circuit in &fleet[..4] {
        assert!(matches!(fail(circuit).await, Err(CircuitError::Failed(_))));
    }
    assert_eq!(store.record().state, CircuitState::Closed);
    fail(&fleet[4]).await.unwrap_err();
    assert_eq!((store.record().state, store.record().epoch), (CircuitState::Open, 1));
    assert_eq!(store.record().cause, Some(Cause::Failures));
}

#[tokio::test(start_paused = true)]
async fn the_policy_for_a_token_endpoint_opens_at_the_third_failure_for_five_minutes() {
    let store = Store::new();
    let fleet = fleet(&store, &CircuitPolicy::for_token_endpoint(), 1);
    for _ in 0..3 {
        assert!(!is_refused(&fail(&fleet[0]).await));
    }
    let Err(CircuitError::Open(open)) = succeed(&fleet[0]).await else { panic!("admitted") };
    assert!(open.retry_after > seconds(269) && open.retry_after <= seconds(300), "{open:?}");
    assert_eq!(open.circuit.as_ref(), "auth0");
}

#[tokio::test(start_paused = true)]
async fn an_open_circuit_refuses_without_a_store_operation() {
    let store = Store::new();
    let policy = with_open_duration(touchy(), seconds(25), seconds(25));
    let fleet = fleet(&store, &policy, 1);
    fail(&fleet[0]).await.unwrap_err();
    let before = store.operations();
    for _ in 0..1_000 {
        assert!(is_refused(&succeed(&fleet[0]).await));
        tokio::time::sleep(millis(4)).await;
    }
    assert_eq!(store.operations(), before);
}

#[tokio::test(start_paused = true)]
async fn an_open_circuit_is_refreshed_every_five_seconds_or_with_every_snapshot() {
    let policy = with_rule(CircuitPolicy::for_token_endpoint(), CountRule::new(1, seconds(60)));
    for (ttl, expected) in [(1, 47..=48), (5, 47..=48), (30, 7..=8)] {
        let store = Store::new();
        let mut policy = policy.clone();
        policy.snapshot_ttl = seconds(ttl);
        let fleet = fleet(&store, &policy, 1);
        fail(&fleet[0]).await.unwrap_err();
        let before = store.operations();
        for _ in 0..240 {
            assert!(is_refused(&succeed(&fleet[0]).await));
            tokio::time::sleep(seconds(1)).await;
        }
        let reads = store.operations() - before;
        assert!(expected.contains(&reads), "{reads} reads in 240 s at {ttl} s");
    }
}

#[tokio::test(start_paused = true)]
async fn healthy_calls_read_every_five_seconds_and_never_write() {
    let store = Store::new();
    let fleet = fleet(&store, &five_a_minute(), 1);
    for _ in 0..1_000 {
        succeed(&fleet[0]).await.unwrap();
        tokio::time::sleep(millis(100)).await;
    }
    assert_eq!(store.writes.load(Ordering::SeqCst), 0);
    assert!((19..=21).contains(&store.reads.load(Ordering::SeqCst)), "{store:?}");
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_reason_to_refresh_every_second() {
    let store = Store::new();
    let fleet = fleet(&store, &five_a_minute(), 2);
    succeed(&fleet[1]).await.unwrap();
    fail(&fleet[0]).await.unwrap_err();
    tokio::time::sleep(seconds(5)).await;
    let before = store.operations();
    for _ in 0..100 {
        succeed(&fleet[1]).await.unwrap();
        tokio::time::sleep(millis(100)).await;
    }
    assert!((9..=11).contains(&(store.operations() - before)));
}

#[tokio::test(start_paused = true)]
async fn other_instances_refuse_within_one_snapshot_age() {
    let store = Store::new();
    let fleet = fleet(&store, &five_a_minute(), 2);
    succeed(&fleet[1]).await.unwrap();
    for _ in 0..5 {
        fail(&fleet[0]).await.unwrap_err();
    }
    assert!(succeed(&fleet[1]).await.is_ok());
    tokio::time::sleep(seconds(5)).await;
    assert!(is_refused(&succeed(&fleet[1]).await));
}

#[tokio::test(start_paused = true)]
async fn the_window_slides_over_10_000_failures() {
    let store = Store::new();
    let fleet = fleet(&store, &five_a_minute(), 1);
    // Ten thousand failures at four a minute: there are never five within one minute.
    for _ in 0..10_000 {
        assert!(!is_refused(&fail(&fleet[0]).await));
        tokio::time::sleep(seconds(15)).await;
    }
    assert_eq!(store.record().epoch, 0);
    for _ in 0..5 {
        fail(&fleet[0]).await.unwrap_err();
    }
    assert!(is_refused(&succeed(&fleet[0]).await));
}

#[tokio::test(start_paused = true)]
async fn one_poisoned_instance_opens_the_circuit_for_itself_only() {
    let store = Store::new();
    let fleet = fleet(&store, &with_rule(five_a_minute(), by_quorum(5, 3)), 3);
    for _ in 0..3 {
        assert!(!is_refused(&fail(&fleet[0]).await));
    }
    fail(&fleet[0]).await.unwrap_err();
    let Err(CircuitError::Open(open)) = succeed(&fleet[0]).await else { panic!("admitted") };
    assert_eq!(open.cause, Cause::InstanceLocal);
    assert_eq!(store.record().state, CircuitState::Closed);
    // The dependency fails for other instances too, so the circuit opens for the fleet.
    for circuit in &fleet[1..] {
        assert!(!is_refused(&fail(circuit).await));
    }
    assert_eq!(store.record().state, CircuitState::Open);
}

#[tokio::test(start_paused = true)]
async fn poisoned_instances_come_back_one_after_the_other() {
    let store = Store::new();
    let policy = with_rule(five_a_minute(), by_quorum(8, 5));
    let fleet = fleet(&store, &policy, 4);
    let mut ends = Vec::new();
    for circuit in &fleet {
        while !is_refused(&fail(circuit).await) {}
        let open = circuit.acquire().await.unwrap_err();
        ends.push((open.cause, open.retry_after));
    }
    assert!(ends.iter().all(|(cause, _)| *cause == Cause::InstanceLocal), "{ends:?}");
    ends.sort_by_key(|(_, after)| *after);
    ends.dedup();
    assert!(ends.len() > 1, "all at the same moment: {ends:?}");
}

#[tokio::test(start_paused = true)]
async fn with_a_rate_rule_too_one_poisoned_instance_opens_the_circuit_for_itself_only() {
    let store = Store::new();
    let mut rule = RateRule::new(0.5, seconds(60), 4);
    rule.quorum = 2;
    let fleet = fleet(&store, &CircuitPolicy::new(rule), 2);
    for _ in 0..5 {
        assert!(!is_refused(&fail(&fleet[0]).await));
        tokio::time::sleep(seconds(2)).await;
    }
    let Err(CircuitError::Open(open)) = succeed(&fleet[0]).await else { panic!("admitted") };
    assert_eq!(open.cause, Cause::InstanceLocal);
    assert_eq!(store.record().state, CircuitState::Closed);
    // The dependency fails for the other instance too, so the circuit opens for the fleet.
    assert!(!is_refused(&fail(&fleet[1]).await));
    assert_eq!(store.record().state, CircuitState::Open);
}

#[tokio::test(start_paused = true)]
async fn a_neutral_outcome_changes_nothing() {
    use funcify_core::circuit::CallOutcome;
    let store = Store::new();
    let fleet = fleet(&store, &touchy(), 1);
    for _ in 0..10 {
        let result = fleet[0]
            .call_classified(|_| CallOutcome::Neutral, async || Err::<(), _>("a bad secret"))
            .await;
        assert!(matches!(result, Err(CircuitError::Failed("a bad secret"))));
    }
    assert_eq!(store.writes.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn a_result_may_be_fine_for_the_caller_and_a_failure_for_the_circuit() {
    use funcify_core::circuit::CallOutcome;
    let store = Store::new();
    let fleet = fleet(&store, &touchy(), 1);
    let by_status = |result: &Result<u16, &str>| match result {
        Ok(500..) | Err(_) => CallOutcome::Failure,
        Ok(400..500) => CallOutcome::Neutral,
        Ok(_) => CallOutcome::Success,
    };
    assert_eq!(fleet[0].call_classified(by_status, async || Ok(503)).await.unwrap(), 503);
    assert_eq!(store.record().state, CircuitState::Open);
}

#[tokio::test(start_paused = true)]
async fn everything_that_is_wrong_is_reported_at_once() {
    use funcify_core::circuit::CircuitBreaker;
    let policy = with_probes(CircuitPolicy::new(CountRule::new(17, seconds(0))), 5, 0);
    let policy = with_open_duration(policy, seconds(60), seconds(30));
    let error = CircuitBreaker::new("not a name", policy, Store::new()).unwrap_err();
    let error = error.to_string();
    assert!(error.contains("as the name of a record, got \"not a name\""), "{error}");
    assert_eq!(error.matches("` must be ").count(), 5, "{error}");
    assert!(error.contains("`rule.count.failures` must be 1 to 16, got 17"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn clones_are_one_breaker() {
    let store = Store::new();
    let clock = crate::support::VirtualClock::new();
    let one = breaker(&store, touchy(), clock);
    let other = one.clone();
    fail(&one).await.unwrap_err();
    assert!(is_refused(&succeed(&other).await));
}
