//! Wrong clocks, and records that somebody tampered with. Each call is that of a process that has just
//! started.

use std::sync::Arc;

use funcify_core::{
    Timestamp,
    circuit::{CircuitRecord, CircuitState, OverrideMode},
    engine::circuit::Probe,
    register::WriteId,
};
use tokio::time::{Instant, sleep};

use crate::support::{
    START, Store, VirtualClock, breaker, fail, five_a_minute, is_refused, millis, seconds, succeed,
    touchy,
};

const AHEAD: [i64; 4] = [30, 300, 3_600, 86_400];

/// Starts a process every half second. Returns how long it takes until the call of one is admitted.
async fn first_call(store: &Arc<Store>, clock: &Arc<VirtualClock>) -> std::time::Duration {
    let begun = Instant::now();
    while is_refused(&succeed(&breaker(store, five_a_minute(), clock.off_by(0))).await) {
        sleep(millis(500)).await;
        assert!(begun.elapsed() < seconds(200_000), "no call at all");
    }
    begun.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_circuit_that_a_fast_clock_opened_refuses_cold_processes_for_its_longest_duration_at_most()
 {
    for ahead in AHEAD {
        let (store, clock) = (Store::new(), VirtualClock::new());
        fail(&breaker(&store, touchy(), clock.off_by(ahead * 1_000))).await.unwrap_err();
        assert_eq!(store.record().state, CircuitState::Open);
        let waited = first_call(&store, &clock).await;
        assert!(waited <= five_a_minute().max_open_duration + seconds(1), "{ahead} s: {waited:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_of_a_fast_clock_that_died_keeps_cold_processes_for_one_lease_at_most() {
    for ahead in AHEAD {
        let (store, clock) = (Store::new(), VirtualClock::new());
        let fast = breaker(&store, touchy(), clock.off_by(ahead * 1_000));
        fail(&fast).await.unwrap_err();
        sleep(seconds(20)).await;
        // The process takes the lease of a probe and dies.
        let _died = std::mem::ManuallyDrop::new(fast.acquire().await.unwrap());
        assert_eq!(store.record().state, CircuitState::HalfOpen);
        let waited = first_call(&store, &clock).await;
        assert!(waited <= five_a_minute().call_timeout + seconds(3), "{ahead} s: {waited:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_planted_record_refuses_cold_processes_for_longer_than_an_honest_one() {
    for far in [START + seconds(62), START + seconds(86_400), Timestamp::from_millis(i64::MAX)] {
        for state in [CircuitState::Open, CircuitState::HalfOpen] {
            for changed_at in [far, START] {
                let (store, clock) = (Store::new(), VirtualClock::new());
                let mut planted = CircuitRecord::default();
                (planted.state, planted.changed_at, planted.open_until) = (state, changed_at, far);
                planted.probes = vec![Probe { id: WriteId::random(), until: far }];
                store.inject(planted);
                let waited = first_call(&store, &clock).await;
                assert!(waited <= five_a_minute().max_open_duration + seconds(1), "{waited:?}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_override_that_ends_later_than_any_may_is_not_believed() {
    let (store, clock) = (Store::new(), VirtualClock::new());
    breaker(&store, touchy(), clock.off_by(30 * 86_400_000))
        .set_override(OverrideMode::ForceOpen, START + seconds(36 * 86_400), "ann")
        .await
        .unwrap();
    assert_eq!(first_call(&store, &clock).await.as_millis() / 100, 0);
}
