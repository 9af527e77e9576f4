use std::sync::{Arc, Mutex, atomic::Ordering};

use funcify_core::{
    Deadline,
    circuit::{
        CallOutcome, Cause, CircuitBreaker, CircuitError, CircuitEvent, CircuitState, StoreDown,
    },
};
use tokio::time::{Instant, sleep};

use crate::support::{
    Mode, Store, by_quorum, fail, five_a_minute, fleet, is_refused, millis, seconds, succeed,
    touchy, with_probes, with_rule, with_store_down,
};

#[tokio::test(start_paused = true)]
async fn f06_one_caller_pays_one_timeout_and_later_tries_run_concurrently() {
    let store = Store::new();
    let circuit = fleet(&store, &five_a_minute(), 1).remove(0);
    succeed(&circuit).await.unwrap();
    store.set_mode(Mode::Hung);
    sleep(seconds(5)).await;
    let mut paid = Vec::new();
    let began = Instant::now();
    while began.elapsed() < seconds(60) {
        let call = Instant::now();
        circuit
            .call(async || {
                sleep(millis(300)).await;
                Ok::<_, &str>(())
            })
            .await
            .unwrap();
        if call.elapsed() > millis(310) {
            paid.push(call.elapsed() - millis(300));
        }
    }
    assert_eq!(paid, [millis(500)], "the first pays the timeout, and no call pays again");
    let tries = store.reads.load(Ordering::SeqCst) - 2;
    assert!((14..=30).contains(&tries), "1 to 4 s apart: {tries}");
}

/// Returns a breaker whose store has been down for a while, so that the next call tries the store again.
async fn due_to_try(store: &Arc<Store>) -> CircuitBreaker {
    let circuit = fleet(store, &touchy(), 1).remove(0);
    succeed(&circuit).await.unwrap();
    store.set_mode(Mode::Down);
    sleep(seconds(5)).await;
    succeed(&circuit).await.unwrap();
    sleep(seconds(2)).await;
    circuit
}

#[tokio::test(start_paused = true)]
async fn f06_a_concurrent_try_costs_no_call_anything() {
    let store = Store::with_latency(millis(100));
    let circuit = due_to_try(&store).await;
    store.set_mode(Mode::Up);
    let (began, reads) = (Instant::now(), store.reads.load(Ordering::SeqCst));
    let call = async || {
        sleep(millis(300)).await;
        Ok::<_, &str>(())
    };
    circuit.call(call).await.unwrap();
    assert_eq!(store.reads.load(Ordering::SeqCst), reads + 1);
    assert_eq!(began.elapsed(), millis(300));

    let circuit = due_to_try(&store).await;
    store.set_mode(Mode::Hung);
    let began = Instant::now();
    succeed(&circuit).await.unwrap();
    assert_eq!(began.elapsed(), millis(0));
}

/// The store is far away and was down. Each instance uses it again, although no call takes as long as an
/// answer of the store.
#[tokio::test(start_paused = true)]
async fn f06_a_far_store_that_is_back_is_found_within_seconds_and_no_call_waits_for_it() {
    let store = Store::with_latency(millis(300));
    let found = Arc::new(Mutex::new(Vec::new()));
    let circuits: Vec<_> = fleet(&store, &touchy(), 40)
        .into_iter()
        .map(|circuit| {
            let found = Arc::clone(&found);
            circuit.with_listener(move |_, event| {
                if matches!(event, CircuitEvent::StoreBack) {
                    found.lock().unwrap().push(Instant::now());
                }
            })
        })
        .collect();
    for circuit in &circuits {
        succeed(circuit).await.unwrap();
    }
    store.set_mode(Mode::Hung);
    sleep(seconds(6)).await;
    // Each instance waits for one timeout.
    for circuit in &circuits {
        succeed(circuit).await.unwrap();
    }
    let call_all = async |lasting| {
        let (began, mut longest) = (Instant::now(), millis(0));
        while began.elapsed() < lasting {
            sleep(millis(100)).await;
            for circuit in &circuits {
                let call = Instant::now();
                succeed(circuit).await.unwrap();
                longest = longest.max(call.elapsed());
            }
        }
        longest
    };
    assert_eq!(call_all(seconds(60)).await, millis(0));
    store.set_mode(Mode::Up);
    let back = Instant::now();
    assert_eq!(call_all(seconds(4)).await, millis(0));
    call_all(seconds(1)).await;
    let found = found.lock().unwrap();
    assert_eq!(found.len(), 40);
    assert!(found.iter().all(|at| *at - back <= seconds(5)), "{found:?}");
}

#[tokio::test(start_paused = true)]
async fn a_guard_tries_the_store_as_a_call_does() {
    let store = Store::new();
    let circuit = due_to_try(&store).await;
    store.set_mode(Mode::Up);
    let reads = store.reads.load(Ordering::SeqCst);
    circuit.acquire().await.unwrap().record(CallOutcome::Success).await;
    sleep(millis(10)).await;
    assert_eq!(store.reads.load(Ordering::SeqCst), reads + 1);
    fail(&circuit).await.unwrap_err();
    assert_eq!(store.record().state, CircuitState::Open, "the fleet's record counts again");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_back_is_found_during_a_call_and_its_record_counts() {
    let store = Store::new();
    let fleet = fleet(&store, &touchy(), 2);
    let circuit = &fleet[0];
    succeed(circuit).await.unwrap();
    store.set_mode(Mode::Down);
    sleep(seconds(5)).await;
    succeed(circuit).await.unwrap();
    // The circuit opens for this instance by its private record.
    fail(circuit).await.unwrap_err();
    assert!(is_refused(&succeed(circuit).await));
    assert_eq!(store.record().state, CircuitState::Closed);
    store.set_mode(Mode::Up);
    let back = Instant::now();
    while is_refused(&succeed(circuit).await) {
        sleep(millis(100)).await;
    }
    assert!(back.elapsed() <= seconds(5), "{:?}", back.elapsed());
    // The private record is dropped, so reports count on the record of the fleet.
    fail(circuit).await.unwrap_err();
    assert_eq!((store.record().state, store.record().epoch), (CircuitState::Open, 1));
}

#[tokio::test(start_paused = true)]
async fn a_permit_of_the_outage_does_not_count_on_the_fleets_record() {
    let store = Store::new();
    let circuit = fleet(&store, &touchy(), 1).remove(0);
    store.set_mode(Mode::Down);
    let private = circuit.acquire().await.unwrap();
    store.set_mode(Mode::Up);
    sleep(seconds(2)).await;
    succeed(&circuit).await.unwrap();
    sleep(millis(10)).await;
    private.record(CallOutcome::Failure).await;
    assert_eq!(store.writes.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_cannot_be_reported_counts_privately() {
    let store = Store::new();
    let circuit = fleet(&store, &touchy(), 1).remove(0);
    succeed(&circuit).await.unwrap();
    store.set_mode(Mode::Hung);
    let began = Instant::now();
    fail(&circuit).await.unwrap_err();
    assert!(began.elapsed() <= millis(500));
    assert!(is_refused(&succeed(&circuit).await));
    assert!(began.elapsed() <= millis(500), "no call pays again");
}

#[tokio::test(start_paused = true)]
async fn f06_of_many_failures_one_pays_for_a_store_that_hangs() {
    let store = Store::new();
    let circuit = fleet(&store, &five_a_minute(), 1).remove(0);
    let mut calls = Vec::new();
    for _ in 0..5 {
        calls.push(circuit.acquire().await.unwrap());
    }
    store.set_mode(Mode::Hung);
    let began = Instant::now();
    for call in calls {
        call.record(CallOutcome::Failure).await;
    }
    assert_eq!(began.elapsed(), millis(500));
    assert!(is_refused(&succeed(&circuit).await), "all five were counted");
}

#[tokio::test(start_paused = true)]
async fn without_a_store_an_instance_is_a_quorum_of_its_own() {
    let store = Store::new();
    let circuit = fleet(&store, &with_rule(five_a_minute(), by_quorum(5, 3)), 1).remove(0);
    store.set_mode(Mode::Down);
    for _ in 0..5 {
        assert!(!is_refused(&fail(&circuit).await));
    }
    assert!(is_refused(&succeed(&circuit).await));
}

#[tokio::test(start_paused = true)]
async fn the_store_is_not_to_blame_for_a_deadline() {
    let store = Store::with_latency(millis(120));
    let events = Arc::new(Mutex::new(Vec::new()));
    let listener = Arc::clone(&events);
    let circuit = fleet(&store, &touchy(), 1).remove(0).with_listener(move |_, event| {
        listener.lock().unwrap().push(event.clone());
    });
    let hurried = async || {
        sleep(millis(29_900)).await;
        let result = succeed(&circuit).await;
        assert!(matches!(result, Err(CircuitError::TimedOut { .. })), "{result:?}");
    };
    Deadline::within(seconds(30)).scope(hurried()).await;
    assert!(events.lock().unwrap().is_empty(), "{events:?}");

    // Without any time left, no lease is taken either.
    fail(&circuit).await.unwrap_err();
    sleep(seconds(10)).await;
    events.lock().unwrap().clear();
    assert!(Deadline::within(millis(0)).scope(circuit.acquire()).await.is_err());
    assert!(events.lock().unwrap().is_empty(), "{events:?}");
    assert_eq!(store.record().state, CircuitState::Open);
}

#[tokio::test(start_paused = true)]
async fn a_private_open_duration_ends_at_another_moment_on_each_instance() {
    let store = Store::new();
    let fleet = fleet(&store, &touchy(), 50);
    store.set_mode(Mode::Down);
    let mut ends = Vec::new();
    for circuit in &fleet {
        fail(circuit).await.unwrap_err();
        let record = circuit.record().await;
        ends.push(record.open_until.since(record.changed_at).as_secs());
    }
    let (first, last) = (ends.iter().min().unwrap(), ends.iter().max().unwrap());
    assert!(*first >= 9 && *last < 20 && last - first > 7, "{ends:?}");
    // Private probes close the circuit again.
    sleep(seconds(20)).await;
    for circuit in &fleet {
        succeed(circuit).await.unwrap();
        succeed(circuit).await.unwrap();
        assert_eq!(circuit.record().await.state, CircuitState::Closed);
    }
}

#[tokio::test(start_paused = true)]
async fn with_store_down_admit_every_call_is_admitted() {
    let store = Store::new();
    let circuit = fleet(&store, &with_store_down(touchy(), StoreDown::Admit), 1).remove(0);
    store.set_mode(Mode::Down);
    for _ in 0..20 {
        assert!(!is_refused(&fail(&circuit).await));
    }
}

#[tokio::test(start_paused = true)]
async fn with_store_down_refuse_calls_are_refused_until_the_store_is_back() {
    let store = Store::new();
    let circuit = fleet(&store, &with_store_down(touchy(), StoreDown::Refuse), 1).remove(0);
    store.set_mode(Mode::Down);
    let Err(CircuitError::Open(open)) = succeed(&circuit).await else { panic!("admitted") };
    assert_eq!(open.cause, Cause::StoreDown);
    let before = store.operations();
    for _ in 0..50 {
        assert!(is_refused(&succeed(&circuit).await));
    }
    assert_eq!(store.operations(), before);
    store.set_mode(Mode::Up);
    sleep(seconds(2)).await;
    assert!(
        is_refused(&succeed(&circuit).await),
        "this call finds the store, and does not wait for it"
    );
    sleep(millis(10)).await;
    succeed(&circuit).await.unwrap();

    // A parked lease must not admit a call either.
    fail(&circuit).await.unwrap_err();
    sleep(seconds(10)).await;
    drop(circuit.acquire().await.unwrap());
    store.set_mode(Mode::Down);
    assert_eq!(circuit.acquire().await.unwrap_err().cause, Cause::StoreDown);
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_never_saw_the_store_admits() {
    let store = Store::new();
    store.set_mode(Mode::Hung);
    let circuit = fleet(&store, &touchy(), 1).remove(0);
    let began = Instant::now();
    succeed(&circuit).await.unwrap();
    assert_eq!(began.elapsed(), seconds(2), "the first operation may also connect");
}

#[tokio::test(start_paused = true)]
async fn every_event_is_emitted_once() {
    let store = Store::new();
    let events = Arc::new(Mutex::new(Vec::new()));
    let listener = Arc::clone(&events);
    let circuit = fleet(&store, &with_probes(touchy(), 1, 1), 1).remove(0).with_listener(
        move |circuit, event| {
            assert_eq!(circuit.as_ref(), "auth0");
            listener.lock().unwrap().push(event.to_string().split(' ').next().unwrap().to_owned());
            assert!(!matches!(event, CircuitEvent::Override(_)));
        },
    );
    fail(&circuit).await.unwrap_err();
    sleep(seconds(10)).await;
    succeed(&circuit).await.unwrap();
    sleep(seconds(5)).await;
    store.set_mode(Mode::Down);
    succeed(&circuit).await.unwrap();
    store.set_mode(Mode::Up);
    sleep(seconds(2)).await;
    succeed(&circuit).await.unwrap();
    sleep(millis(10)).await;
    let events = events.lock().unwrap().join(" ");
    assert_eq!(events, "opened half-opened: probes closed: is is");
}
