use std::{future::pending, sync::atomic::Ordering};

use funcify_core::{
    Deadline,
    circuit::{CallOutcome, CircuitError, CircuitPolicy, CircuitState, CountRule},
};
use tokio::time::{Instant, sleep, timeout};

use crate::support::{
    Mode, Store, fail, fleet, is_refused, millis, seconds, succeed, touchy, with_probes,
};

async fn hang() -> Result<(), &'static str> {
    pending().await
}

#[tokio::test(start_paused = true)]
async fn a_dependency_that_hangs_opens_the_circuit() {
    let store = Store::new();
    let circuit = fleet(&store, &touchy(), 1).remove(0);
    let result = circuit.call(hang).await;
    assert!(matches!(result, Err(CircuitError::TimedOut { after }) if after == seconds(10)));
    assert_eq!(store.record().state, CircuitState::Open);
}

#[tokio::test(start_paused = true)]
async fn f12_a_function_of_three_seconds_opens_on_a_hang_and_closes_again() {
    let store = Store::new();
    let policy = CircuitPolicy::new(CountRule::new(3, seconds(60)));
    let circuit = fleet(&store, &policy, 1).remove(0);
    let invocation = || Deadline::of_invocation(seconds(3), Deadline::WORK_MARGIN);
    for _ in 0..3 {
        invocation()
            .scope(async {
                let began = Instant::now();
                // The task has other work first.
                sleep(millis(200)).await;
                let result = circuit.call(hang).await;
                assert!(matches!(result, Err(CircuitError::TimedOut { .. })), "{result:?}");
                assert!(began.elapsed() <= millis(2_900));
            })
            .await;
    }
    assert_eq!(store.record().state, CircuitState::Open);
    sleep(seconds(30)).await;
    for _ in 0..2 {
        invocation()
            .scope(async {
                sleep(millis(200)).await;
                succeed(&circuit).await.unwrap();
            })
            .await;
    }
    assert_eq!(store.record().state, CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_call_cut_off_early_is_neutral() {
    let store = Store::new();
    let circuit = fleet(&store, &touchy(), 1).remove(0);
    // There is time left to report, so the circuit does not stay closed for lack of time.
    let invocation = || Deadline::of_invocation(millis(30_300), Deadline::WORK_MARGIN);
    let late = async || {
        sleep(seconds(26)).await;
        let result = circuit.call(hang).await;
        assert!(matches!(result, Err(CircuitError::TimedOut { after }) if after <= seconds(4)));
    };
    invocation().scope(late()).await;
    assert_eq!(store.record().state, CircuitState::Closed);

    let in_time = async || {
        sleep(seconds(24)).await;
        let result = circuit.call(hang).await;
        assert!(matches!(result, Err(CircuitError::TimedOut { after }) if after >= seconds(5)));
    };
    invocation().scope(in_time()).await;
    assert_eq!(store.record().state, CircuitState::Open);
}

#[tokio::test(start_paused = true)]
async fn f12_a_call_that_hangs_until_the_work_is_ended_is_reported_before_lambda_ends_the_function()
{
    let store = Store::new();
    let circuit = fleet(&store, &touchy(), 1).remove(0);
    let began = Instant::now();
    let invocation = Deadline::of_invocation(seconds(3), Deadline::WORK_MARGIN);
    let _ = invocation.enforce(circuit.call(hang)).await;
    assert_eq!(store.record().state, CircuitState::Open);
    assert!(began.elapsed() <= millis(2_900), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn f12_a_report_that_is_under_way_when_the_work_is_ended_arrives() {
    let store = Store::with_latency(millis(60));
    let circuit = fleet(&store, &touchy(), 1).remove(0);
    let work = async {
        let call = circuit.acquire().await.unwrap();
        sleep(millis(2_600)).await;
        call.record(CallOutcome::Failure).await;
    };
    let began = Instant::now();
    let invocation = Deadline::of_invocation(seconds(3), Deadline::WORK_MARGIN);
    let _ = invocation.enforce(work).await;
    assert!(began.elapsed() > millis(2_700), "{:?}", began.elapsed());
    assert_eq!(store.record().state, CircuitState::Open);
}

#[tokio::test(start_paused = true)]
async fn near_the_deadline_a_report_does_not_wait_for_others() {
    for _ in 0..20 {
        let store = Store::new();
        let circuit = fleet(&store, &touchy(), 1).remove(0);
        succeed(&circuit).await.unwrap();
        let hurried = async || {
            let began = Instant::now();
            fail(&circuit).await.unwrap_err();
            // The report takes a wait, a read and a swap.
            assert!(began.elapsed() <= millis(35), "{:?}", began.elapsed());
        };
        Deadline::within(millis(400)).scope(hurried()).await;
        assert_eq!(store.record().state, CircuitState::Open);
    }
}

#[tokio::test(start_paused = true)]
async fn f12_with_no_time_left_nothing_is_started() {
    for left in [0, 1, 299] {
        let store = Store::new();
        let circuit = fleet(&store, &touchy(), 1).remove(0);
        Deadline::of_invocation(millis(left), Deadline::WORK_MARGIN)
            .scope(async {
                let result = circuit.call(async || -> Result<(), &str> { panic!("started") }).await;
                assert!(matches!(result, Err(CircuitError::TimedOut { after }) if after.is_zero()));
            })
            .await;
        assert_eq!(store.operations(), 0, "{left} ms left");
    }
}

#[tokio::test(start_paused = true)]
async fn no_probe_without_the_time_to_prove_anything() {
    let store = Store::new();
    let circuit = fleet(&store, &touchy(), 1).remove(0);
    fail(&circuit).await.unwrap_err();
    sleep(seconds(10)).await;
    Deadline::within(seconds(30))
        .scope(async {
            sleep(seconds(26)).await;
            assert!(is_refused(&succeed(&circuit).await));
        })
        .await;
    assert_eq!(store.record().state, CircuitState::Open);
    succeed(&circuit).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_call_dropped_by_its_caller_is_neutral() {
    let store = Store::new();
    let circuit = fleet(&store, &touchy(), 1).remove(0);
    for after in 0..30 {
        assert!(timeout(millis(after), circuit.call(hang)).await.is_err());
    }
    assert_eq!((store.record().state, circuit.record().await.epoch), (CircuitState::Closed, 0));
    fail(&circuit).await.unwrap_err();
    assert_eq!(store.record().state, CircuitState::Open);
}

#[tokio::test(start_paused = true)]
async fn f26_a_call_dropped_at_any_moment_blocks_no_later_call() {
    for after in 0..150 {
        let store = Store::new();
        let circuit = fleet(&store, &with_probes(touchy(), 1, 1), 1).remove(0);
        // The call is dropped during its read, the wait of its report, or the read or swap of its report.
        let _ = timeout(millis(after), fail(&circuit)).await;
        let _ = fail(&circuit).await;
        assert_eq!(store.record().state, CircuitState::Open, "{after} ms");
        sleep(seconds(10)).await;
        // The probe is dropped during its read, the write of its lease, its call, or its report.
        let probe = async || {
            sleep(millis(50)).await;
            Ok::<_, &str>(())
        };
        let _ = timeout(millis(after), circuit.call(probe)).await;
        let _ = succeed(&circuit).await;
        assert_eq!(store.record().state, CircuitState::Closed, "{after} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn a_report_adds_half_a_second_at_most_and_ends_before_lambda_does() {
    let store = Store::new();
    let circuit = fleet(&store, &touchy(), 1).remove(0);
    succeed(&circuit).await.unwrap();
    store.set_mode(Mode::Hung);
    let began = Instant::now();
    fail(&circuit).await.unwrap_err();
    assert_eq!(began.elapsed(), millis(500));

    let store = Store::new();
    let circuit = fleet(&store, &touchy(), 1).remove(0);
    succeed(&circuit).await.unwrap();
    store.set_mode(Mode::Hung);
    Deadline::of_invocation(millis(700), Deadline::WORK_MARGIN)
        .scope(async {
            let began = Instant::now();
            sleep(millis(350)).await;
            fail(&circuit).await.unwrap_err();
            assert_eq!(began.elapsed(), millis(600));
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_ready_at_once_needs_no_timer() {
    let store = Store::new();
    let circuit = fleet(&store, &touchy(), 1).remove(0);
    let began = Instant::now();
    succeed(&circuit).await.unwrap();
    assert_eq!(began.elapsed(), millis(5), "one read");
    succeed(&circuit).await.unwrap();
    assert_eq!(began.elapsed(), millis(5), "nothing");
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_for_a_refresh_no_longer_than_its_deadline() {
    let store = Store::new();
    store.set_mode(Mode::Hung);
    let circuit = fleet(&store, &touchy(), 1).remove(0);
    let refreshing = circuit.clone();
    let refreshing = tokio::spawn(async move { succeed(&refreshing).await });
    tokio::task::yield_now().await;
    let began = Instant::now();
    let result = Deadline::within(millis(100)).scope(succeed(&circuit)).await;
    assert!(matches!(result, Err(CircuitError::TimedOut { .. })), "{result:?}");
    assert_eq!(began.elapsed(), millis(100));
    refreshing.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_call_with_little_time_leaves_the_lease_of_a_dropped_probe_to_the_next() {
    let store = Store::new();
    let circuit = fleet(&store, &touchy(), 1).remove(0);
    fail(&circuit).await.unwrap_err();
    sleep(seconds(10)).await;
    drop(circuit.acquire().await.unwrap());
    let writes = store.writes.load(Ordering::SeqCst);
    let hurried = async || {
        sleep(seconds(6)).await;
        assert!(is_refused(&succeed(&circuit).await));
    };
    Deadline::within(seconds(10)).scope(hurried()).await;
    let probe = circuit.acquire().await.unwrap();
    assert_eq!(store.writes.load(Ordering::SeqCst), writes, "no other lease");
    probe.record(CallOutcome::Success).await;
    assert_eq!(store.record().round_successes, 1);
}

#[tokio::test(start_paused = true)]
async fn the_lease_of_a_dropped_probe_goes_to_one_call_and_to_none_that_it_would_not_outlast() {
    let store = Store::new();
    let circuit = fleet(&store, &touchy(), 1).remove(0);
    fail(&circuit).await.unwrap_err();
    sleep(seconds(10)).await;
    drop(circuit.acquire().await.unwrap());
    let heir = circuit.acquire().await.unwrap();
    assert!(circuit.acquire().await.is_err(), "one lease, one probe");
    drop(heir);
    // The lease lasts for twelve seconds. The four that are left are too few for a call of ten.
    sleep(seconds(8)).await;
    assert!(circuit.acquire().await.is_err());
    sleep(seconds(4)).await;
    circuit.acquire().await.unwrap().record(CallOutcome::Success).await;
    assert_eq!(store.record().round_successes, 1);
}
