use std::sync::atomic::Ordering;

use funcify_core::circuit::{CircuitPolicy, CircuitState, CountRule};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::support::{
    Mode, Store, fail, five_a_minute, fleet, is_refused, millis, seconds, succeed, touchy,
    with_open_duration,
};

#[tokio::test(start_paused = true)]
async fn no_failure_of_fifteen_at_once_is_lost() {
    for round in 0..20 {
        let store = Store::new();
        let policy = CircuitPolicy::new(CountRule::new(16, seconds(60)));
        let mut calls: JoinSet<_> = fleet(&store, &policy, 15)
            .into_iter()
            .map(|circuit| async move { fail(&circuit).await.unwrap_err() })
            .collect();
        while calls.join_next().await.is_some() {}
        assert_eq!(store.record().failures.len(), 15, "round {round}");
    }
}

#[tokio::test(start_paused = true)]
async fn twenty_failures_at_once_open_a_circuit_of_sixteen() {
    let store = Store::new();
    let policy = CircuitPolicy::new(CountRule::new(16, seconds(60)));
    let mut calls: JoinSet<_> = fleet(&store, &policy, 20)
        .into_iter()
        .map(|circuit| async move { fail(&circuit).await.unwrap_err() })
        .collect();
    while calls.join_next().await.is_some() {}
    assert_eq!((store.record().state, store.record().epoch), (CircuitState::Open, 1));
}

#[tokio::test(start_paused = true)]
async fn five_hundred_failures_at_once_cost_800_operations_and_open_within_a_third_of_a_second() {
    // Each round has other random waits.
    for _ in 0..20 {
        five_hundred_failures().await;
    }
}

async fn five_hundred_failures() {
    let store = Store::new();
    let fleet = fleet(&store, &five_a_minute(), 500);
    for circuit in &fleet {
        succeed(circuit).await.unwrap();
        // Each instance has a fresh snapshot without failures.
        assert!(circuit.record().await.failures.is_empty());
    }
    let before = store.operations();
    let began = Instant::now();
    let mut calls: JoinSet<_> =
        fleet.into_iter().map(|circuit| async move { fail(&circuit).await.is_err() }).collect();
    while store.record().state != CircuitState::Open {
        sleep(millis(1)).await;
    }
    assert!(began.elapsed() <= millis(300), "{:?}", began.elapsed());
    while calls.join_next().await.is_some() {}
    let cost = store.operations() - before;
    assert!(cost <= 800, "{cost}");
}

#[tokio::test(start_paused = true)]
async fn a_report_ends_as_soon_as_the_epoch_changed() {
    // The store is so slow that some instances read before the first one has written, whatever they draw.
    let store = Store::with_latency(millis(25));
    let fleet = fleet(&store, &touchy(), 50);
    for circuit in &fleet {
        succeed(circuit).await.unwrap();
    }
    let before = store.reads.load(Ordering::SeqCst);
    let mut calls: JoinSet<_> =
        fleet.into_iter().map(|circuit| async move { fail(&circuit).await.is_err() }).collect();
    while calls.join_next().await.is_some() {}
    assert!(store.conflicts.load(Ordering::SeqCst) > 0, "too late for a swap, some of them");
    assert_eq!(store.reads.load(Ordering::SeqCst) - before, 50, "none reads again");
    assert_eq!((store.record().state, store.record().epoch), (CircuitState::Open, 1));
}

#[tokio::test(start_paused = true)]
async fn of_many_calls_with_a_stale_snapshot_one_refreshes_it() {
    let store = Store::new();
    let circuit = fleet(&store, &touchy(), 1).remove(0);
    let mut calls: JoinSet<_> = (0..100)
        .map(|_| {
            let circuit = circuit.clone();
            async move { succeed(&circuit).await.unwrap() }
        })
        .collect();
    while calls.join_next().await.is_some() {}
    assert_eq!(store.reads.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn failures_on_one_instance_share_one_report() {
    let store = Store::new();
    let policy = CircuitPolicy::new(CountRule::new(16, seconds(60)));
    let circuit = fleet(&store, &policy, 1).remove(0);
    succeed(&circuit).await.unwrap();
    let mut calls: JoinSet<_> = (0..10)
        .map(|_| {
            let circuit = circuit.clone();
            async move { fail(&circuit).await.unwrap_err() }
        })
        .collect();
    while calls.join_next().await.is_some() {}
    assert_eq!(store.record().failures.len(), 10);
    assert!(store.writes.load(Ordering::SeqCst) <= 2);
}

#[tokio::test(start_paused = true)]
async fn f26_failures_of_a_dropped_batch_are_taken_over_by_the_next_report() {
    let store = Store::new();
    let policy = CircuitPolicy::new(CountRule::new(16, seconds(60)));
    let circuit = fleet(&store, &policy, 1).remove(0);
    succeed(&circuit).await.unwrap();
    store.set_mode(Mode::Hung);
    let dropped = circuit.clone();
    let dropped = tokio::spawn(async move { fail(&dropped).await });
    sleep(millis(1)).await;
    for _ in 0..2 {
        fail(&circuit).await.unwrap_err();
    }
    dropped.abort();
    assert!(dropped.await.unwrap_err().is_cancelled());
    store.set_mode(Mode::Up);
    fail(&circuit).await.unwrap_err();
    assert_eq!(store.record().failures.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn fleets_of_50_500_and_1000_instances_recover_equally_fast() {
    for size in [50, 500, 1_000] {
        let store = Store::new();
        let policy = with_open_duration(touchy(), seconds(30), seconds(300));
        let fleet = fleet(&store, &policy, size);
        fail(&fleet[0]).await.unwrap_err();
        let opened = Instant::now();
        let mut refused = 0;
        // Make ten calls a second in all, spread over the instances.
        for call in 0.. {
            refused += usize::from(is_refused(&succeed(&fleet[call * 7 % size]).await));
            if store.record().state == CircuitState::Closed {
                break;
            }
            sleep(millis(95)).await;
        }
        assert!(opened.elapsed() <= seconds(33), "{size}: {:?}", opened.elapsed());
        assert!(refused <= 350, "{size}: {refused}");
    }
}

#[tokio::test(start_paused = true)]
async fn f19_a_stale_read_costs_a_conflict_and_loses_nothing() {
    let store = Store::new();
    store.set_mode(Mode::Stale);
    let fleet = fleet(&store, &five_a_minute(), 5);
    for circuit in &fleet[..4] {
        fail(circuit).await.unwrap_err();
    }
    assert_eq!(store.record().failures.len(), 4);
    assert!(store.conflicts.load(Ordering::SeqCst) <= 4);
    fail(&fleet[4]).await.unwrap_err();
    assert_eq!(store.record().state, CircuitState::Open);
    // Stale reads do not keep the circuit from closing either.
    let mut seconds_to_close = 0;
    while store.record().state != CircuitState::Closed {
        let _ = succeed(&fleet[0]).await;
        sleep(seconds(1)).await;
        seconds_to_close += 1;
        assert!(seconds_to_close < 20);
    }
}
