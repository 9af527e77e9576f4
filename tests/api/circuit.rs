//! How the circuit counts each answer of a service.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    http::{StatusCode, header},
    routing::{any, get},
};
use funcify::api::{Api, ApiError};
use funcify_backend_memory::MemoryBackend;
use funcify_core::{
    Deadline, DeadlineExceeded,
    circuit::{CircuitBreaker, CircuitOpen, CircuitPolicy, CircuitState, CountRule},
    register::RetryingRegister,
};
use http::Request;

use super::{breaker, is_caused_by};
use crate::support::http::serve;

#[tokio::test]
async fn a_service_that_fails_opens_its_circuit_and_one_that_refuses_does_not() {
    let asked = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&asked);
    let answer = move |status: axum::extract::Path<u16>| async move {
        count.fetch_add(1, Ordering::SeqCst);
        StatusCode::from_u16(*status).unwrap()
    };
    let base = serve(Router::new().route("/{status}", any(answer))).await;
    let circuit = breaker();
    let api = Api::new("warehouse", &base).unwrap().circuit(circuit.clone());
    for path in ["/404", "/400", "/401", "/403", "/409", "/422"] {
        api.get::<()>(path).await.unwrap_err();
    }
    assert_eq!(circuit.record().await.state, CircuitState::Closed);
    let deleted = api.send(Request::delete("/204").body("").unwrap()).await.unwrap();
    assert_eq!((deleted.status(), deleted.body().len()), (StatusCode::NO_CONTENT, 0));
    api.get::<()>("/204").await.unwrap();
    for path in ["/500", "/503", "/429"] {
        api.get::<()>(path).await.unwrap_err();
    }
    let sent = asked.load(Ordering::SeqCst);
    let error = api.get::<()>("/204").await.unwrap_err();
    assert!(is_caused_by::<CircuitOpen>(&error), "{error:?}");
    assert!(matches!(error, ApiError::Open(_)));
    assert_eq!(asked.load(Ordering::SeqCst), sent, "nothing was sent");
}

#[tokio::test]
async fn retry_after_lengthens_the_open_duration_up_to_the_cap() {
    for (status, asked, shortest, longest) in [
        (StatusCode::TOO_MANY_REQUESTS, "90", 90, 90),
        (StatusCode::SERVICE_UNAVAILABLE, "90", 90, 90),
        (StatusCode::SERVICE_UNAVAILABLE, "86400", 120, 120),
        // These have no valid `Retry-After`, or a status with which it does not count.
        (StatusCode::SERVICE_UNAVAILABLE, "soon", 9, 10),
        (StatusCode::INTERNAL_SERVER_ERROR, "90", 9, 10),
    ] {
        let answer = move || async move { (status, [(header::RETRY_AFTER, asked)]) };
        let base = serve(Router::new().fallback(any(answer))).await;
        let mut policy = CircuitPolicy::new(CountRule::new(1, Duration::from_secs(60)));
        policy.open_duration = Duration::from_secs(10);
        policy.max_open_duration = Duration::from_secs(120);
        let store = Arc::new(RetryingRegister::new(MemoryBackend::default()));
        let circuit = CircuitBreaker::new("warehouse", policy, store).unwrap();
        let api = Api::new("warehouse", &base).unwrap().circuit(circuit.clone());
        assert!(matches!(api.get::<()>("/").await, Err(ApiError::Status(_))));
        let record = circuit.record().await;
        let open = record.open_until.since(record.changed_at);
        let expected = Duration::from_secs(shortest)..=Duration::from_secs(longest);
        assert!(expected.contains(&open), "{status} {asked}: {open:?}");
    }
}

#[tokio::test]
async fn f12_a_service_that_hangs_to_the_end_of_the_invocation_opens_its_circuit() {
    let hanging = get(|| async { tokio::time::sleep(Duration::from_secs(60)).await });
    let base = serve(Router::new().route("/", hanging)).await;
    let circuit = breaker();
    let api = Api::new("warehouse", &base).unwrap().circuit(circuit.clone());
    for _ in 0..3 {
        assert_eq!(circuit.record().await.state, CircuitState::Closed);
        let left = Duration::from_millis(900);
        let deadline = Deadline::of_invocation(left, Deadline::WORK_MARGIN);
        let error = deadline.scope(api.get::<()>("/")).await.unwrap_err();
        assert!(is_caused_by::<DeadlineExceeded>(&error), "{error:?}");
    }
    assert_eq!(circuit.record().await.state, CircuitState::Open);
}
