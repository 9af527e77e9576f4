//! The end of an invocation: a call that hangs is reported to the fleet before Lambda ends the function.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{Router, extract::State, routing::get};
use funcify::{
    pipeline::{IntoProblem, Pipeline, Problem},
    token::TokenGetter,
};
use funcify_backend_memory::MemoryBackend;
use funcify_core::{
    Timestamp,
    circuit::{CircuitBreaker, CircuitPolicy, CircuitState, CountRule},
    engine::ManualClock,
    register::RetryingRegister,
};
use funcify_test_support::FailureMode;
use tokio::time::Instant;

use crate::{support::events, token::fleet::Fleet};

const LAMBDA: Duration = Duration::from_secs(3);

#[derive(Clone)]
struct App {
    circuit: CircuitBreaker,
    hangs: Arc<AtomicBool>,
}

/// Calls a dependency that may hang.
async fn call(State(app): State<App>) -> Result<&'static str, Problem> {
    let hangs = app.hangs.load(Ordering::SeqCst);
    let call = app.circuit.call(async || {
        if hangs {
            pending::<()>().await;
        }
        Ok::<_, std::io::Error>("stock")
    });
    call.await.map_err(IntoProblem::into_problem)
}

#[tokio::test(start_paused = true)]
async fn f12_a_pipeline_of_three_seconds_opens_on_a_hang_and_closes_again() {
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_800_000_000_000)));
    let policy = CircuitPolicy::new(CountRule::new(3, Duration::from_secs(60)));
    let store = Arc::new(RetryingRegister::new(MemoryBackend::default()));
    let circuit = CircuitBreaker::new("warehouse", policy, store).unwrap();
    let circuit = circuit.with_clock(clock.clone());
    let hangs = Arc::new(AtomicBool::new(true));
    let app = App { circuit: circuit.clone(), hangs: Arc::clone(&hangs) };
    let pipeline =
        Pipeline::builder(app).http(Router::new().route("/", get(call))).build().unwrap();

    for _ in 0..3 {
        assert_eq!(circuit.record().await.state, CircuitState::Closed);
        let started = Instant::now();
        let processed = events::process_within(&events::rest_get("/"), &pipeline, LAMBDA).await;
        assert!(processed.status.unwrap().is_server_error());
        assert!(started.elapsed() <= Duration::from_millis(2_901), "{:?}", started.elapsed());
    }
    assert_eq!(circuit.record().await.state, CircuitState::Open);

    hangs.store(false, Ordering::SeqCst);
    clock.advance(Duration::from_secs(30));
    for _ in 0..2 {
        let processed = events::process_within(&events::rest_get("/"), &pipeline, LAMBDA).await;
        assert_eq!(processed.status.unwrap(), 200);
    }
    assert_eq!(circuit.record().await.state, CircuitState::Closed);
}

async fn ask(State(getter): State<TokenGetter>) -> Result<(), Problem> {
    getter.token().await?;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn f12_a_pipeline_that_is_cut_off_gives_the_lease_of_the_token_back() {
    let fleet = Fleet::far_from_its_store();
    fleet.provider.fail(FailureMode::Hangs);
    let (impatient, next) = (fleet.getter(), fleet.getter());
    let pipeline =
        Pipeline::builder(impatient).http(Router::new().route("/", get(ask))).build().unwrap();
    let processed =
        events::process_within(&events::rest_get("/"), &pipeline, Duration::from_secs(1)).await;
    assert_eq!(processed.status.unwrap(), 503);
    assert!(fleet.stored().await.lease.is_none());

    fleet.provider.recover();
    next.token().await.unwrap();
    assert_eq!(fleet.provider.grants(), 1);
}
