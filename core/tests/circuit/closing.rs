use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use funcify_core::{
    Timestamp,
    circuit::{CallOutcome, Cause, CircuitError, CircuitState, Override, OverrideMode},
    engine::circuit::Probe,
    register::WriteId,
};
use tokio::time::{Instant, sleep};

use crate::support::{
    START, Store, VirtualClock, breaker, fail, fleet, is_refused, millis, record, seconds, succeed,
    touchy, with_probes,
};

#[tokio::test(start_paused = true)]
async fn two_successful_probes_of_anyone_close_it() {
    let store = Store::new();
    let fleet = fleet(&store, &touchy(), 3);
    fail(&fleet[0]).await.unwrap_err();
    sleep(seconds(10)).await;
    succeed(&fleet[1]).await.unwrap();
    assert_eq!(store.record().state, CircuitState::HalfOpen);
    succeed(&fleet[2]).await.unwrap();
    let states: Vec<_> = store.states.lock().unwrap().clone();
    let way = [(CircuitState::Open, 1), (CircuitState::HalfOpen, 2), (CircuitState::Closed, 3)];
    assert_eq!(states, way);
}

#[tokio::test(start_paused = true)]
async fn one_failed_probe_opens_it_again_for_twice_as_long() {
    let store = Store::new();
    let fleet = fleet(&store, &touchy(), 1);
    let mut spans = Vec::new();
    for _ in 0..5 {
        fail(&fleet[0]).await.unwrap_err();
        let record = store.record();
        assert_eq!(record.state, CircuitState::Open);
        spans.push(record.open_until.since(record.changed_at).as_millis() / 9);
        sleep(seconds(40)).await;
    }
    // 10 s, 20 s and 40 s, then the longest duration, each times a draw from 0.9 to 1.
    for (span, most) in spans.iter().zip([10_000, 20_000, 40_000, 40_000, 40_000_u128]) {
        assert!((most / 10..=most / 9).contains(span), "{spans:?}");
    }
    assert_eq!(store.record().cause, Some(Cause::ProbeFailed));
}

#[tokio::test(start_paused = true)]
async fn the_result_of_a_probe_is_reported_at_once_and_without_a_read() {
    let store = Store::new();
    let circuit = fleet(&store, &with_probes(touchy(), 1, 1), 1).remove(0);
    fail(&circuit).await.unwrap_err();
    for state in [CircuitState::Open, CircuitState::Closed] {
        sleep(seconds(40)).await;
        let probe = circuit.acquire().await.unwrap();
        let (began, reads) = (Instant::now(), store.reads.load(Ordering::SeqCst));
        match state {
            CircuitState::Closed => probe.record(CallOutcome::Success).await,
            _ => probe.record(CallOutcome::Failure).await,
        }
        assert_eq!((store.record().state, began.elapsed()), (state, millis(5)), "one swap");
        assert_eq!(store.reads.load(Ordering::SeqCst), reads);
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_rest_resets_the_open_duration() {
    let store = Store::new();
    let fleet = fleet(&store, &touchy(), 1);
    for rest in [0, 79, 81] {
        sleep(seconds(rest)).await;
        fail(&fleet[0]).await.unwrap_err();
        let consecutive_opens = store.record().consecutive_opens;
        assert_eq!(consecutive_opens, if rest == 79 { 2 } else { 1 }, "after {rest} s");
        sleep(seconds(20)).await;
        succeed(&fleet[0]).await.unwrap();
        succeed(&fleet[0]).await.unwrap();
        assert_eq!(store.record().state, CircuitState::Closed);
    }
}

#[tokio::test(start_paused = true)]
async fn no_probe_before_the_open_duration_is_over() {
    let store = Store::new();
    let fleet = fleet(&store, &touchy(), 1);
    fail(&fleet[0]).await.unwrap_err();
    let left = store.record().open_until.since(store.record().changed_at);
    let opened = Instant::now();
    while is_refused(&succeed(&fleet[0]).await) {
        assert!(opened.elapsed() < left + millis(20));
        sleep(millis(10)).await;
    }
    assert!(opened.elapsed() >= left - millis(10));
}

#[tokio::test(start_paused = true)]
async fn a_herd_of_200_sends_one_probe() {
    let store = Store::new();
    let fleet = fleet(&store, &touchy(), 200);
    fail(&fleet[0]).await.unwrap_err();
    sleep(seconds(10)).await;
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let calls: Vec<_> = fleet
        .into_iter()
        .map(|circuit| {
            let (now, most) = (Arc::clone(&now), Arc::clone(&most));
            tokio::spawn(async move {
                let probing = async || {
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    sleep(millis(300)).await;
                    now.fetch_sub(1, Ordering::SeqCst);
                    Ok::<_, &str>(())
                };
                circuit.call(probing).await.is_ok()
            })
        })
        .collect();
    let mut passed = 0;
    for call in calls {
        passed += usize::from(call.await.unwrap());
    }
    assert_eq!((passed, most.load(Ordering::SeqCst)), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_leaked_lease_does_not_block_the_circuit() {
    let store = Store::new();
    let mut policy = touchy();
    policy.call_timeout = seconds(5);
    let fleet = fleet(&store, &policy, 2);
    fail(&fleet[0]).await.unwrap_err();
    sleep(seconds(10)).await;
    // The process of the probe is killed: its guard is never dropped, and its instance makes no more calls.
    let _killed = std::mem::ManuallyDrop::new(fleet[0].acquire().await.unwrap());
    let killed = Instant::now();
    while is_refused(&succeed(&fleet[1]).await) {
        sleep(millis(100)).await;
    }
    assert!(killed.elapsed() <= seconds(8), "{:?}", killed.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_dropped_probe_leaves_its_lease_to_the_next_call_of_its_instance() {
    let store = Store::new();
    let fleet = fleet(&store, &touchy(), 2);
    fail(&fleet[0]).await.unwrap_err();
    sleep(seconds(10)).await;
    let dropped = tokio::time::timeout(
        seconds(1),
        fleet[0].call(async || std::future::pending::<Result<(), &str>>().await),
    );
    assert!(dropped.await.is_err());
    assert_eq!(store.record().probes.len(), 1);
    assert!(is_refused(&succeed(&fleet[1]).await));
    succeed(&fleet[0]).await.unwrap();
    assert_eq!((store.record().probes.len(), store.record().round_successes), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_late_success_does_not_close() {
    let store = Store::new();
    let fleet = fleet(&store, &with_probes(touchy(), 1, 1), 2);
    let early = fleet[0].acquire().await.unwrap();
    fail(&fleet[1]).await.unwrap_err();
    early.record(CallOutcome::Success).await;
    assert_eq!(store.record().state, CircuitState::Open);
    sleep(seconds(10)).await;
    // A success of a probe whose lease is over does not close the circuit either.
    let probe = fleet[0].acquire().await.unwrap();
    sleep(seconds(13)).await;
    probe.record(CallOutcome::Success).await;
    assert_eq!((store.record().state, store.record().round_successes), (CircuitState::HalfOpen, 0));
}

#[tokio::test(start_paused = true)]
async fn a_late_failure_does_not_reopen() {
    let store = Store::new();
    let fleet = fleet(&store, &with_probes(touchy(), 1, 1), 2);
    let early = fleet[0].acquire().await.unwrap();
    let other = fleet[0].acquire().await.unwrap();
    fail(&fleet[1]).await.unwrap_err();
    let until = store.record().open_until;
    early.record(CallOutcome::Failure).await;
    assert_eq!((store.record().open_until, store.record().epoch), (until, 1));
    sleep(seconds(10)).await;
    succeed(&fleet[1]).await.unwrap();
    other.record(CallOutcome::Failure).await;
    assert_eq!((store.record().state, store.record().epoch), (CircuitState::Closed, 3));
}

#[tokio::test(start_paused = true)]
async fn a_flush_does_not_revive_an_old_epoch() {
    let store = Store::new();
    let fleet = fleet(&store, &with_probes(touchy(), 1, 1), 2);
    fail(&fleet[0]).await.unwrap_err();
    sleep(seconds(10)).await;
    let probe = fleet[0].acquire().await.unwrap();
    assert_eq!(store.record().epoch, 2);
    store.flush();
    sleep(seconds(6)).await;
    // After the flush, another round goes through the same epochs.
    fail(&fleet[1]).await.unwrap_err();
    sleep(seconds(10)).await;
    let other = fleet[1].acquire().await.unwrap();
    assert_eq!((store.record().state, store.record().epoch), (CircuitState::HalfOpen, 2));
    probe.record(CallOutcome::Success).await;
    assert_eq!(store.record().state, CircuitState::HalfOpen);
    other.record(CallOutcome::Success).await;
    assert_eq!(store.record().state, CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn calls_pass_again_within_a_week_whatever_times_a_record_holds() {
    let far = Timestamp::from_millis(i64::MAX);
    let records = [
        record(|record| (record.state, record.open_until) = (CircuitState::Open, far)),
        record(|record| {
            record.state = CircuitState::Open;
            (record.open_until, record.changed_at) = (far, far);
        }),
        record(|record| {
            record.state = CircuitState::HalfOpen;
            record.probes = vec![Probe { id: WriteId::from_bits(1), until: far }];
        }),
        record(|record| {
            record.overridden = Some(Override::new(OverrideMode::ForceOpen, far, "nobody"));
        }),
    ];
    for record in records {
        let store = Store::new();
        store.inject(record.clone());
        let fleet = fleet(&store, &touchy(), 1);
        let began = Instant::now();
        while is_refused(&succeed(&fleet[0]).await) {
            sleep(seconds(20)).await;
            assert!(began.elapsed() <= seconds(7 * 86_400 + 60), "{record:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_clock_five_minutes_ahead_or_behind_blocks_no_instance() {
    for skew in [-300_000, 300_000] {
        let store = Store::new();
        let skewed = VirtualClock::at(Timestamp::from_millis(START.as_millis() + skew));
        let odd = breaker(&store, touchy(), skewed);
        let even = breaker(&store, touchy(), VirtualClock::new());
        fail(&odd).await.unwrap_err();
        let opened = Instant::now();
        while is_refused(&succeed(&even).await) {
            sleep(millis(500)).await;
        }
        assert!(opened.elapsed() <= seconds(41), "{skew}: {:?}", opened.elapsed());
        while store.record().state != CircuitState::Closed {
            let _ = succeed(&even).await;
            sleep(millis(500)).await;
        }
        assert!(opened.elapsed() <= seconds(42), "{skew}: {:?}", opened.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn while_a_probe_is_under_way_the_others_get_its_cause() {
    let store = Store::new();
    let fleet = fleet(&store, &touchy(), 2);
    fail(&fleet[0]).await.unwrap_err();
    sleep(seconds(10)).await;
    let probe = fleet[0].acquire().await.unwrap();
    let Err(CircuitError::Open(open)) = succeed(&fleet[1]).await else { panic!("admitted") };
    assert_eq!((open.cause, open.retry_after), (Cause::Probing, seconds(1)));
    probe.record(CallOutcome::Success).await;
}

/// Returns how many reads the fleet makes while a probe takes `lasting` and 100 calls a second are refused.
async fn reads_during_a_probe(lasting: std::time::Duration) -> usize {
    let store = Store::new();
    let mut policy = touchy();
    policy.call_timeout = lasting;
    let fleet = fleet(&store, &policy, 20);
    fail(&fleet[0]).await.unwrap_err();
    sleep(seconds(10)).await;
    let probe = fleet[0].acquire().await.unwrap();
    for circuit in &fleet[1..] {
        assert!(is_refused(&succeed(circuit).await));
    }
    let before = store.reads.load(Ordering::SeqCst);
    let began = Instant::now();
    for circuit in fleet[1..].iter().cycle() {
        if began.elapsed() >= lasting - millis(500) {
            break;
        }
        assert!(is_refused(&succeed(circuit).await));
        sleep(millis(10)).await;
    }
    let reads = store.reads.load(Ordering::SeqCst) - before;
    probe.record(CallOutcome::Success).await;
    reads
}

/// The reads come once a second at first, then more and more rarely, and every five seconds in the end.
#[tokio::test(start_paused = true)]
async fn a_slow_probe_costs_a_read_each_five_seconds_and_a_few_more_in_the_first() {
    for (lasting, each) in [(3, 2), (10, 4), (60, 14)] {
        let reads = reads_during_a_probe(seconds(lasting)).await;
        assert!(reads <= 19 * each, "{reads} reads of 19 instances in {lasting} s");
        assert!(reads >= 19, "they look at all");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_dependency_asks_for_lengthens_the_open_duration_up_to_the_cap() {
    let rate = funcify_core::circuit::RateRule::new(1.0, seconds(60), 1);
    for policy in [touchy(), crate::support::with_rule(touchy(), rate)] {
        for (asked, shortest, longest) in
            [(0, 9_000, 10_000), (5, 9_000, 10_000), (25, 25_000, 25_000), (3_600, 40_000, 40_000)]
        {
            let store = Store::new();
            let fleet = fleet(&store, &policy, 2);
            let throttled = |_: &Result<(), &str>| CallOutcome::RetryAfter(seconds(asked));
            let _ = fleet[0].call_classified(throttled, async || Err::<(), _>("429")).await;
            let open = || {
                let record = store.record();
                assert_eq!(record.state, CircuitState::Open);
                record.open_until.since(record.changed_at).as_millis()
            };
            assert!((shortest..=longest).contains(&open()), "{asked} s: {} ms", open());
            // The probe fails with the same `Retry-After`.
            sleep(seconds(40)).await;
            fleet[1].acquire().await.unwrap().record(CallOutcome::RetryAfter(seconds(asked))).await;
            assert_eq!(store.record().cause, Some(Cause::ProbeFailed));
            assert!(
                open() >= shortest && open() <= longest.max(20_000),
                "{asked} s: {} ms",
                open()
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_is_open_for_itself_alone_waits_as_long_as_it_is_asked_to() {
    let store = Store::new();
    let policy = crate::support::with_rule(touchy(), crate::support::by_quorum(2, 2));
    let circuit = fleet(&store, &policy, 1).remove(0);
    for _ in 0..2 {
        circuit.acquire().await.unwrap().record(CallOutcome::RetryAfter(seconds(30))).await;
    }
    let open = circuit.acquire().await.unwrap_err();
    assert_eq!(open.cause, Cause::InstanceLocal);
    assert!(open.retry_after > seconds(29) && open.retry_after <= seconds(30), "{open:?}");
}
