//! Reports in batches: failures that the report of another call writes too.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use funcify_core::{
    StoreError, StoreErrorKind,
    circuit::{CallOutcome, CircuitBreaker, CircuitPolicy, CircuitState, CountRule},
};
use funcify_test_support::HookedCircuits;
use tokio::time::{sleep, timeout};

use crate::support::{
    Mode, START, Store, VirtualClock, fail, fleet, millis, seconds, succeed, touchy, with_probes,
};

/// Returns how many of four failures are in the record. The first one is the leader of a batch and is
/// dropped, two wait for it, and the last one comes after `later`.
async fn counted(later: Duration) -> usize {
    let store = Store::new();
    let policy = CircuitPolicy::new(CountRule::new(16, seconds(60)));
    let circuit = fleet(&store, &policy, 1).remove(0);
    succeed(&circuit).await.unwrap();
    let coalesced = async {
        sleep(millis(1)).await;
        for _ in 0..2 {
            fail(&circuit).await.unwrap_err();
        }
    };
    let (leader, ()) = tokio::join!(timeout(millis(2), fail(&circuit)), coalesced);
    assert!(leader.is_err(), "it was to be dropped");
    assert!(store.record().failures.is_empty(), "nothing has been written yet");
    sleep(later).await;
    fail(&circuit).await.unwrap_err();
    store.record().failures.len()
}

#[tokio::test(start_paused = true)]
async fn f26_failures_of_a_dropped_batch_go_with_the_next_report() {
    assert_eq!(counted(seconds(1)).await, 4);
    // Reports this old are dropped. A queue that loses the reports of a dropped leader would count the same.
    assert_eq!(counted(seconds(11)).await, 1);
}

#[tokio::test(start_paused = true)]
async fn f26_a_failure_that_may_have_been_counted_is_not_counted_again() {
    let store = Store::new();
    // The first write is applied, and its answer arrives a minute later.
    let is_late = Arc::new(AtomicBool::new(true));
    let late = HookedCircuits::over(Arc::clone(&store)).on_write(move |write| {
        let is_late = is_late.swap(false, Ordering::SeqCst);
        async move {
            let swap = write.send().await;
            if is_late {
                sleep(seconds(60)).await;
            }
            swap
        }
    });
    let policy = CircuitPolicy::new(CountRule::new(16, seconds(60)));
    let circuit = CircuitBreaker::new("auth0", policy, Arc::new(late))
        .unwrap()
        .with_clock(VirtualClock::new());
    succeed(&circuit).await.unwrap();
    assert!(timeout(millis(200), fail(&circuit)).await.is_err(), "dropped in the write");
    assert_eq!(store.record().failures.len(), 1);
    fail(&circuit).await.unwrap_err();
    assert_eq!(store.record().failures.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_was_decided_without_the_store_is_never_written_to_it() {
    let store = Store::new();
    let circuit = fleet(&store, &with_probes(touchy(), 2, 2), 1).remove(0);
    fail(&circuit).await.unwrap_err();
    sleep(seconds(10)).await;
    let shared = circuit.acquire().await.unwrap();
    assert_eq!(store.record().state, CircuitState::HalfOpen);
    store.set_mode(Mode::Down);
    circuit.acquire().await.unwrap().record(CallOutcome::Success).await;
    assert_eq!(circuit.record().await.round_successes, 1, "privately");
    store.set_mode(Mode::Up);
    shared.record(CallOutcome::Success).await;
    let record = store.record();
    assert_eq!((record.state, record.round_successes), (CircuitState::HalfOpen, 0));
}

/// A store that answers one write with an ambiguous error on request. The write is applied or not.
fn ambiguous_once(
    store: &Arc<Store>,
    applies: bool,
    is_ambiguous: &Arc<AtomicBool>,
) -> HookedCircuits {
    let is_ambiguous = Arc::clone(is_ambiguous);
    HookedCircuits::over(Arc::clone(store)).on_write(move |write| {
        let is_ambiguous = is_ambiguous.swap(false, Ordering::SeqCst);
        async move {
            if is_ambiguous && applies {
                write.send().await?;
            }
            if is_ambiguous {
                return Err(StoreError::new("test", StoreErrorKind::Ambiguous, "no answer"));
            }
            write.send().await
        }
    })
}

#[tokio::test(start_paused = true)]
async fn f04_the_result_of_a_probe_counts_once_whether_its_unclear_write_was_applied_or_not() {
    for applies in [false, true] {
        let store = Store::new();
        let policy = with_probes(touchy(), 1, 3);
        fail(&fleet(&store, &policy, 1).remove(0)).await.unwrap_err();
        sleep(seconds(10)).await;
        let is_ambiguous = Arc::new(AtomicBool::new(false));
        let provider = ambiguous_once(&store, applies, &is_ambiguous);
        let circuit = CircuitBreaker::new("auth0", policy, Arc::new(provider)).unwrap();
        let circuit = circuit.with_clock(VirtualClock::at(START + seconds(20)));
        let probe = circuit.acquire().await.unwrap();
        is_ambiguous.store(true, Ordering::SeqCst);
        probe.record(CallOutcome::Success).await;
        assert_eq!(store.record().round_successes, 1, "applied: {applies}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_guard_returns_when_the_fleet_knows_of_its_failure_also_if_another_takes_it_along() {
    let store = Store::new();
    let policy = CircuitPolicy::new(CountRule::new(16, seconds(60)));
    let circuit = fleet(&store, &policy, 1).remove(0);
    let guards = [(); 3];
    let mut records = tokio::task::JoinSet::new();
    for () in guards {
        let (circuit, store) = (circuit.clone(), Arc::clone(&store));
        records.spawn(async move {
            circuit.acquire().await.unwrap().record(CallOutcome::Failure).await;
            store.record().failures.len()
        });
    }
    while let Some(known) = records.join_next().await {
        assert_eq!(known.unwrap(), 3, "one batch, and each returned after it");
    }
}

#[tokio::test(start_paused = true)]
async fn f06_a_guard_waits_half_a_second_at_most_for_the_report_that_it_joined() {
    let store = Store::new();
    let policy = CircuitPolicy::new(CountRule::new(16, seconds(60)));
    let circuit = fleet(&store, &policy, 1).remove(0);
    succeed(&circuit).await.unwrap();
    store.set_mode(Mode::Hung);
    let began = tokio::time::Instant::now();
    // The first report is the leader, and its caller is dropped.
    let leads = timeout(millis(10), async {
        circuit.acquire().await.unwrap().record(CallOutcome::Failure).await;
    });
    let joins = async {
        sleep(millis(5)).await;
        circuit.acquire().await.unwrap().record(CallOutcome::Failure).await;
    };
    let (led, ()) = tokio::join!(leads, joins);
    assert!(led.is_err());
    assert_eq!(began.elapsed(), millis(505));
    // With `call` the second caller does not wait, so a store that hangs delays only one caller.
    let leader = circuit.clone();
    let leads = tokio::spawn(async move { fail(&leader).await });
    sleep(millis(1)).await;
    let began = tokio::time::Instant::now();
    fail(&circuit).await.unwrap_err();
    assert_eq!(began.elapsed(), millis(0));
    leads.await.unwrap().unwrap_err();
}
