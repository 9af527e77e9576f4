//! The rate rule in the breaker, with a fleet on one store.

use std::sync::atomic::Ordering;

use funcify_core::{
    circuit::{Cause, CircuitBreaker, CircuitPolicy, CircuitState, RateRule},
    engine::circuit::Bucket,
};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::support::{START, Store, fail, fleet, is_refused, millis, record, seconds, succeed};

/// Makes a hundred calls a second for `lasting` seconds, spread over the fleet.
async fn calls(fleet: &[CircuitBreaker], lasting: usize, fails: impl Fn(usize) -> bool) {
    let mut under_way = JoinSet::new();
    for call in 0..lasting * 100 {
        let (circuit, fails) = (fleet[call * 7 % fleet.len()].clone(), fails(call));
        under_way.spawn(async move {
            let result = if fails { fail(&circuit).await } else { succeed(&circuit).await };
            is_refused(&result)
        });
        sleep(millis(9)).await;
        while under_way.try_join_next().is_some() {}
    }
    while under_way.join_next().await.is_some() {}
}

#[tokio::test(start_paused = true)]
async fn a_fleet_writes_twice_a_second_while_well_and_opens_within_three_in_an_outage() {
    let store = Store::new();
    let policy = CircuitPolicy::new(RateRule::new(0.2, seconds(60), 20));
    let fleet = fleet(&store, &policy, 50);
    // The record is empty at first, so every call is reported. After 30 s the weights are settled.
    calls(&fleet, 30, |call| call % 100 == 0).await;
    let writes = store.writes.load(Ordering::SeqCst);
    calls(&fleet, 60, |call| call % 100 == 0).await;
    let writes = store.writes.load(Ordering::SeqCst) - writes;
    assert!((30..=132).contains(&writes), "{writes} in a minute");
    assert_eq!(store.record().state, CircuitState::Closed);

    let (writes, down) = (store.writes.load(Ordering::SeqCst), Instant::now());
    let outage = calls(&fleet, 6, |_| true);
    let opened = async {
        while store.record().state != CircuitState::Open {
            sleep(millis(10)).await;
        }
        down.elapsed()
    };
    let ((), opened) = tokio::join!(outage, opened);
    assert!(opened <= seconds(3), "{opened:?}");
    assert_eq!(store.record().cause, Some(Cause::FailureRate));
    let writes = store.writes.load(Ordering::SeqCst) - writes;
    assert!(writes <= 130, "{writes} in the storm");
}

#[tokio::test(start_paused = true)]
async fn a_thousand_cold_instances_do_not_overload_the_store() {
    let store = Store::new();
    let fleet = fleet(&store, &CircuitPolicy::default(), 1_000);
    calls(&fleet, 10, |_| false).await;
    // Each instance refreshes its snapshot once, and samples its reports again by the record that it reads.
    let reads = store.reads.load(Ordering::SeqCst);
    let writes = store.writes.load(Ordering::SeqCst);
    assert!(reads <= 2_500 && writes <= 100, "{reads} reads, {writes} writes");
}

#[tokio::test(start_paused = true)]
async fn what_was_drawn_by_an_empty_record_is_drawn_again_by_what_the_report_finds() {
    const ROUNDS: usize = 20;
    let (mut writes, mut counted) = (0, 0);
    for _ in 0..ROUNDS {
        let store = Store::new();
        let fleet = fleet(&store, &CircuitPolicy::default(), 500);
        for circuit in &fleet {
            assert!(circuit.record().await.buckets.is_empty());
        }
        // Each instance now has a snapshot by which every call is reported.
        for circuit in fleet {
            succeed(&circuit).await.unwrap();
        }
        writes += store.writes.load(Ordering::SeqCst);
        counted += store.record().buckets.iter().map(|bucket| bucket.calls).sum::<u32>();
    }
    assert!(writes <= 60 * ROUNDS, "{writes} writes");
    // A few reports represent the burst. The sample is not precise, but right on average.
    let share = f64::from(counted) / (500.0 * ROUNDS as f64);
    assert!((0.4..=2.5).contains(&share), "{share} of the calls were counted");
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_is_not_reported_still_makes_the_snapshot_refresh_sooner() {
    let store = Store::new();
    let at = START - seconds(10);
    let busy = Bucket { at, calls: 10_000_000, reports: 1_000, ..Bucket::default() };
    store.inject(record(|record| record.buckets = vec![busy]));
    let circuit = fleet(&store, &CircuitPolicy::default(), 1).remove(0);
    fail(&circuit).await.unwrap_err();
    assert_eq!(store.operations(), 1, "the first refresh, and no report");
    sleep(seconds(1)).await;
    succeed(&circuit).await.unwrap();
    assert_eq!(store.operations(), 2);
}

#[tokio::test(start_paused = true)]
async fn calls_that_take_too_long_open_it() {
    let store = Store::new();
    let policy =
        CircuitPolicy::new(RateRule::new(0.5, seconds(60), 20).with_slow_calls(0.5, millis(500)));
    let circuit = fleet(&store, &policy, 1).remove(0);
    let slow = async || {
        sleep(millis(600)).await;
        Ok::<_, &str>(())
    };
    let began = Instant::now();
    while !is_refused(&circuit.call(slow).await) {
        assert!(began.elapsed() < seconds(120), "every call is slow");
        sleep(seconds(1)).await;
    }
    assert_eq!(store.record().cause, Some(Cause::SlowCalls));
    // A slow probe opens the circuit again.
    sleep(seconds(30)).await;
    circuit.call(slow).await.unwrap();
    assert_eq!(
        (store.record().state, store.record().cause),
        (CircuitState::Open, Some(Cause::ProbeFailed))
    );
}

#[tokio::test(start_paused = true)]
async fn one_broken_instance_of_two_hundred_does_not_open_the_fleets_circuit() {
    let store = Store::new();
    let policy = CircuitPolicy::new(RateRule::new(0.2, seconds(60), 20));
    let fleet = fleet(&store, &policy, 200);
    let broken = |call: usize| (call * 7).is_multiple_of(200);
    calls(&fleet, 90, broken).await;
    assert_eq!(store.record().epoch, 0);
}
