//! A process that Lambda freezes in the middle of a look, and thaws ten minutes later.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use funcify_core::{
    Clock, StoreError, Timestamp,
    circuit::{CircuitBreaker, CircuitName, CircuitRecord, CircuitState, CircuitStateProvider},
    register::{Swap, Version, Versioned, WriteId},
};

use crate::support::{START, Store, fail, five_a_minute, is_refused, seconds, succeed};

/// A wall clock that is set by hand.
#[derive(Debug)]
struct WallClock(Mutex<Timestamp>);

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

/// The process is frozen between the store's answer and its arrival; meanwhile the fleet opens.
#[derive(Debug)]
struct Frozen {
    store: Arc<Store>,
    clock: Arc<WallClock>,
    freezes: AtomicBool,
    /// Whether the clock goes on in the freeze, as a wall clock does.
    clock_goes_on: bool,
}

#[async_trait]
impl CircuitStateProvider for Frozen {
    async fn circuit_state(
        &self,
        circuit: &CircuitName,
    ) -> Result<Option<Versioned<CircuitRecord>>, StoreError> {
        let found = self.store.circuit_state(circuit).await;
        if self.freezes.swap(false, Ordering::SeqCst) {
            let thawed = START + seconds(600);
            self.store.plant(CircuitRecord {
                state: CircuitState::Open,
                epoch: 1,
                changed_at: START + seconds(590),
                open_until: START + seconds(600),
                openings: 1,
                ..CircuitRecord::default()
            });
            if self.clock_goes_on {
                *self.clock.0.lock().unwrap() = thawed - seconds(1);
            }
        }
        found
    }

    async fn update_state(
        &self,
        circuit: &CircuitName,
        expected: Option<Version>,
        id: WriteId,
        next: &CircuitRecord,
    ) -> Result<Swap<CircuitRecord>, StoreError> {
        self.store.update_state(circuit, expected, id, next).await
    }
}

/// Whether a call is refused that was frozen while it looked.
async fn refuses_after_the_thaw(clock_goes_on: bool) -> bool {
    let store = Store::new();
    let clock = Arc::new(WallClock(Mutex::new(START)));
    let frozen = Frozen {
        store: Arc::clone(&store),
        clock: Arc::clone(&clock),
        freezes: AtomicBool::new(true),
        clock_goes_on,
    };
    let circuit =
        CircuitBreaker::new("auth0", five_a_minute(), Arc::new(frozen)).unwrap().with_clock(clock);
    is_refused(&succeed(&circuit).await)
}

#[tokio::test(start_paused = true)]
async fn f10_what_was_read_before_a_freeze_admits_nobody_after_it() {
    assert!(refuses_after_the_thaw(true).await);
    // The twin: a clock that is frozen too shows nothing of the freeze.
    assert!(!refuses_after_the_thaw(false).await);
}

#[tokio::test(start_paused = true)]
async fn f10_a_snapshot_of_before_the_freeze_is_read_anew() {
    let store = Store::new();
    let clock = Arc::new(WallClock(Mutex::new(START)));
    let circuit = CircuitBreaker::new("auth0", five_a_minute(), Arc::clone(&store) as _)
        .unwrap()
        .with_clock(Arc::clone(&clock) as _);
    succeed(&circuit).await.unwrap();
    let other = CircuitBreaker::new("auth0", five_a_minute(), Arc::clone(&store) as _)
        .unwrap()
        .with_clock(Arc::clone(&clock) as _);
    *clock.0.lock().unwrap() = START + seconds(600);
    for _ in 0..5 {
        fail(&other).await.unwrap_err();
    }
    assert_eq!(store.record().state, CircuitState::Open);
    assert!(is_refused(&succeed(&circuit).await));
}

#[tokio::test(start_paused = true)]
async fn f14_a_clock_that_steps_back_keeps_no_circuit_open() {
    let store = Store::new();
    let clock = Arc::new(WallClock(Mutex::new(START)));
    let circuit = CircuitBreaker::new("auth0", five_a_minute(), Arc::clone(&store) as _)
        .unwrap()
        .with_clock(Arc::clone(&clock) as _);
    for _ in 0..5 {
        fail(&circuit).await.unwrap_err();
    }
    assert_eq!(store.record().state, CircuitState::Open);
    let back = START - seconds(300);
    *clock.0.lock().unwrap() = back;
    assert!(is_refused(&succeed(&circuit).await));
    // No longer than the longest stand-down of the policy, whatever the record says.
    *clock.0.lock().unwrap() = back + seconds(40);
    for _ in 0..2 {
        succeed(&circuit).await.unwrap();
    }
    assert_eq!(store.record().state, CircuitState::Closed);
}
