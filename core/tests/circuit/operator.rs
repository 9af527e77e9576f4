use std::sync::atomic::Ordering;

use funcify_core::{
    StoreErrorKind, Timestamp,
    circuit::{CallOutcome, Cause, CircuitError, CircuitState, OverrideMode, StoreDown},
    engine::error_chain,
};
use tokio::time::{Instant, sleep};

use crate::support::{
    Mode, START, Store, by_quorum, fail, five_a_minute, fleet, is_refused, millis, seconds,
    succeed, touchy, with_open_duration, with_rule, with_store_down,
};

#[tokio::test(start_paused = true)]
async fn a_forced_open_circuit_refuses_the_fleet_until_the_override_ends() {
    let store = Store::new();
    let fleet = fleet(&store, &touchy(), 2);
    succeed(&fleet[1]).await.unwrap();
    fleet[0]
        .set_override(OverrideMode::ForceOpen, START + seconds(600), "ann@example.org")
        .await
        .unwrap();
    sleep(seconds(5)).await;
    let Err(CircuitError::Open(open)) = succeed(&fleet[1]).await else { panic!("admitted") };
    assert_eq!(open.cause, Cause::Override);
    assert_eq!(store.record().state, CircuitState::Closed, "the state below stays");
    assert_eq!(store.record().overridden.unwrap().by, "ann@example.org");
    sleep(seconds(600)).await;
    succeed(&fleet[1]).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_disabled_circuit_admits_every_call_and_counts_nothing() {
    let store = Store::new();
    let fleet = fleet(&store, &touchy(), 2);
    fail(&fleet[0]).await.unwrap_err();
    fleet[1].set_override(OverrideMode::Disabled, START + seconds(3_600), "ann").await.unwrap();
    sleep(seconds(30)).await;
    let before = store.operations();
    for _ in 0..100 {
        assert!(!is_refused(&fail(&fleet[0]).await));
    }
    assert!(store.operations() - before <= 1, "a refresh, and no report");
    assert_eq!((store.record().state, store.record().epoch), (CircuitState::Open, 1));
}

#[tokio::test(start_paused = true)]
async fn two_overrides_at_once_are_both_written() {
    let store = Store::new();
    let fleet = fleet(&store, &touchy(), 2);
    let until = START + seconds(600);
    let (opened, disabled) = tokio::join!(
        fleet[0].set_override(OverrideMode::ForceOpen, until, "ann"),
        fleet[1].set_override(OverrideMode::Disabled, until, "bob")
    );
    opened.unwrap();
    disabled.unwrap();
    let [writes, conflicts] = [&store.writes, &store.conflicts].map(|n| n.load(Ordering::SeqCst));
    assert!(writes == 2 && conflicts >= 1, "{writes} written, {conflicts} conflicts");
}

#[tokio::test(start_paused = true)]
async fn an_override_ends_on_time_for_an_instance_that_refreshed_just_before() {
    let store = Store::new();
    let fleet = fleet(&store, &with_open_duration(touchy(), seconds(30), seconds(30)), 2);
    fail(&fleet[0]).await.unwrap_err();
    fleet[1].set_override(OverrideMode::Disabled, START + seconds(3), "ann").await.unwrap();
    sleep(millis(2_500)).await;
    succeed(&fleet[1]).await.unwrap();
    sleep(millis(500)).await;
    assert_eq!(fleet[1].acquire().await.unwrap_err().cause, Cause::Failures);
}

#[tokio::test(start_paused = true)]
async fn an_override_ends_within_the_next_week_or_is_refused_and_a_long_name_is_cut() {
    let store = Store::new();
    let circuit = fleet(&store, &touchy(), 1).remove(0);
    let week = START + seconds(7 * 86_400);
    for until in [START - seconds(1), START, week + millis(1), Timestamp::from_millis(i64::MAX)] {
        let refused =
            circuit.set_override(OverrideMode::ForceOpen, until, "ann").await.unwrap_err();
        assert_eq!(refused.kind(), StoreErrorKind::Invalid, "{until}");
        assert!(error_chain(&refused).contains("within the next seven days"));
    }
    assert_eq!(store.operations(), 0, "nothing was written");

    circuit.set_override(OverrideMode::ForceOpen, week, &"é".repeat(60)).await.unwrap();
    assert_eq!(store.record().overridden.unwrap().by, "é".repeat(32));
    assert!(is_refused(&succeed(&circuit).await));
    sleep(seconds(7 * 86_400)).await;
    succeed(&circuit).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_override_that_was_not_written_is_an_error() {
    let store = Store::new();
    let circuit = fleet(&store, &touchy(), 1).remove(0);
    store.set_mode(Mode::Down);
    circuit.set_override(OverrideMode::ForceOpen, START + seconds(60), "ann").await.unwrap_err();
    store.set_mode(Mode::Up);
    sleep(seconds(1)).await;
    succeed(&circuit).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_forced_open_circuit_refuses_a_parked_lease() {
    let store = Store::new();
    let fleet = fleet(&store, &touchy(), 2);
    fail(&fleet[0]).await.unwrap_err();
    sleep(seconds(10)).await;
    drop(fleet[0].acquire().await.unwrap());
    fleet[1].set_override(OverrideMode::ForceOpen, START + seconds(600), "ann").await.unwrap();
    assert_eq!(fleet[0].acquire().await.unwrap_err().cause, Cause::Override);
}

#[tokio::test(start_paused = true)]
async fn a_parked_lease_makes_a_disabled_circuit_read_no_more_often() {
    let store = Store::new();
    let fleet = fleet(&store, &touchy(), 2);
    fail(&fleet[0]).await.unwrap_err();
    sleep(seconds(10)).await;
    drop(fleet[0].acquire().await.unwrap());
    fleet[1].set_override(OverrideMode::Disabled, START + seconds(600), "ann").await.unwrap();
    succeed(&fleet[0]).await.unwrap();
    let before = store.operations();
    for _ in 0..100 {
        succeed(&fleet[0]).await.unwrap();
    }
    assert_eq!(store.operations(), before);
}

#[tokio::test(start_paused = true)]
async fn an_override_dominates_what_an_instance_decides_by_itself() {
    // An override stays in force while the store is down, whatever `store_down` the policy has.
    for policy in [StoreDown::Admit, StoreDown::Refuse, StoreDown::Local] {
        for is_forced in [true, false] {
            let store = Store::new();
            let circuit = fleet(&store, &with_store_down(touchy(), policy), 1).remove(0);
            let until = START + seconds(600);
            match is_forced {
                true => circuit.set_override(OverrideMode::ForceOpen, until, "ann").await.unwrap(),
                false => circuit.set_override(OverrideMode::Disabled, until, "ann").await.unwrap(),
            }
            store.set_mode(Mode::Down);
            sleep(seconds(31)).await;
            for _ in 0..3 {
                let is_refused = is_refused(&fail(&circuit).await);
                assert_eq!(is_refused, is_forced, "{policy:?}");
            }
        }
    }
    // It stays in force while the circuit is open for one instance alone.
    let store = Store::new();
    let fleet = fleet(&store, &with_rule(touchy(), by_quorum(2, 2)), 2);
    for _ in 0..2 {
        fail(&fleet[0]).await.unwrap_err();
    }
    assert_eq!(fleet[0].acquire().await.unwrap_err().cause, Cause::InstanceLocal);
    fleet[0].set_override(OverrideMode::Disabled, START + seconds(600), "ann").await.unwrap();
    succeed(&fleet[0]).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_close_ends_the_override_and_the_open_state_in_one_write() {
    let store = Store::new();
    let fleet = fleet(&store, &touchy(), 2);
    let until = START + seconds(600);
    // The circuit is closed under the override. Only the override ends, and what was counted stays.
    fleet[0].set_override(OverrideMode::ForceOpen, until, "ann").await.unwrap();
    fleet[1].close().await.unwrap();
    assert_eq!((store.record().state, store.record().epoch), (CircuitState::Closed, 0));
    assert_eq!(store.record().overridden, None);

    // The circuit is open or half-open, with or without an override. It closes in a new epoch.
    for mode in [None, Some(OverrideMode::ForceOpen), Some(OverrideMode::Disabled)] {
        for half_opens in [false, true] {
            fleet[0].close().await.unwrap();
            fail(&fleet[0]).await.unwrap_err();
            assert_eq!(store.record().state, CircuitState::Open);
            if half_opens {
                sleep(seconds(41)).await;
                drop(fleet[0].acquire().await.unwrap());
            }
            if let Some(mode) = mode {
                let until = START + seconds(86_400);
                fleet[0].set_override(mode, until, "ann").await.unwrap();
            }
            let (epoch, writes) = (store.record().epoch, store.writes.load(Ordering::SeqCst));
            fleet[1].close().await.unwrap();
            let record = store.record();
            assert_eq!((record.state, record.epoch), (CircuitState::Closed, epoch + 1));
            assert_eq!((record.overridden, record.cause), (None, None));
            assert_eq!(store.writes.load(Ordering::SeqCst), writes + 1);
            succeed(&fleet[1]).await.unwrap();
            sleep(seconds(5)).await;
            succeed(&fleet[0]).await.unwrap();
        }
    }
    // There is nothing to end, so nothing is written.
    let writes = store.writes.load(Ordering::SeqCst);
    fleet[0].close().await.unwrap();
    assert_eq!(store.writes.load(Ordering::SeqCst), writes);
}

#[tokio::test(start_paused = true)]
async fn a_result_from_before_a_close_does_not_count_after_it() {
    let store = Store::new();
    let fleet = fleet(&store, &touchy(), 3);
    let early = fleet[2].acquire().await.unwrap();
    fail(&fleet[0]).await.unwrap_err();
    fleet[1].close().await.unwrap();
    early.record(CallOutcome::Failure).await;
    assert_eq!(store.record().state, CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_close_that_was_not_written_is_an_error() {
    let store = Store::new();
    let circuit = fleet(&store, &touchy(), 1).remove(0);
    fail(&circuit).await.unwrap_err();
    store.set_mode(Mode::Down);
    circuit.close().await.unwrap_err();
    assert_eq!(store.record().state, CircuitState::Open);
}

/// Each instance follows an override and its end within five seconds, with at most one read in that time.
#[tokio::test(start_paused = true)]
async fn a_fleet_follows_an_operator_within_five_seconds_at_one_read_each() {
    let store = Store::new();
    let fleet = fleet(&store, &five_a_minute(), 20);
    for circuit in &fleet {
        succeed(circuit).await.unwrap();
    }
    let until = START + seconds(3_600);
    let five = |start: Instant| start.elapsed() < seconds(5);
    for _ in 0..3 {
        fleet[0].set_override(OverrideMode::ForceOpen, until, "ann").await.unwrap();
        let set = Instant::now();
        while five(set) {
            let _ = succeed(&fleet[7]).await;
            sleep(millis(10)).await;
        }
        for circuit in &fleet {
            assert!(is_refused(&succeed(circuit).await));
        }
        let before = store.reads.load(Ordering::SeqCst);
        for _ in 0..600 {
            for circuit in &fleet {
                assert!(is_refused(&succeed(circuit).await));
            }
            sleep(millis(100)).await;
        }
        let reads = store.reads.load(Ordering::SeqCst) - before;
        assert!(reads <= 20 * 12, "{reads} reads of 20 instances in a minute");

        fleet[0].close().await.unwrap();
        sleep(seconds(5)).await;
        for circuit in &fleet {
            succeed(circuit).await.unwrap();
        }
    }
}
