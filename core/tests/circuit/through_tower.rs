use std::task::{Context, Poll};

use funcify_core::circuit::{CallOutcome, CircuitError, CircuitLayer, CircuitState};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::support::{Store, fleet, succeed, touchy};

#[tokio::test(start_paused = true)]
async fn a_service_behind_the_layer_is_protected() {
    let store = Store::new();
    let circuit = fleet(&store, &touchy(), 1).remove(0);
    let by_result = |result: &Result<&str, &str>| CallOutcome::from(result);
    let mut service = CircuitLayer::new(circuit, by_result)
        .layer(service_fn(async |fails: bool| if fails { Err("refused") } else { Ok("done") }));
    assert_eq!(service.ready().await.unwrap().call(false).await.unwrap(), "done");
    let failed = service.ready().await.unwrap().call(true).await;
    assert!(matches!(failed, Err(CircuitError::Failed("refused"))));
    let refused = service.ready().await.unwrap().call(false).await;
    assert!(matches!(refused, Err(CircuitError::Open(_))));
}

#[tokio::test(start_paused = true)]
async fn the_layer_takes_a_classifier_and_runs_on_any_thread() {
    let store = Store::new();
    let circuit = fleet(&store, &touchy(), 1).remove(0);
    let by_status = |status: &Result<u16, &str>| match status {
        Ok(..500) => CallOutcome::Success,
        _ => CallOutcome::Failure,
    };
    let service = CircuitLayer::new(circuit, by_status)
        .layer(service_fn(async |status: u16| Ok::<_, &str>(status)));
    let answer = tokio::spawn(service.oneshot(503)).await.unwrap().unwrap();
    assert_eq!((answer, store.record().state), (503, CircuitState::Open));
}

#[tokio::test(start_paused = true)]
async fn a_protected_call_may_be_spawned() {
    let store = Store::new();
    let circuit = fleet(&store, &touchy(), 1).remove(0);
    tokio::spawn(async move { succeed(&circuit).await }).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_refusal_is_found_by_walking_the_sources() {
    use std::error::Error;
    let store = Store::new();
    let circuit = fleet(&store, &touchy(), 1).remove(0);
    let failing = async || Err::<(), _>(std::io::Error::other("reset"));
    circuit.call(failing).await.unwrap_err();
    let refused = circuit.call(failing).await.unwrap_err();
    assert!(refused.source().unwrap().is::<funcify_core::circuit::CircuitOpen>());
}

/// A service that is never ready (`None`), or that becomes ready with the given result.
#[derive(Clone)]
struct Readiness(Option<Result<(), &'static str>>);

impl Service<()> for Readiness {
    type Response = ();
    type Error = &'static str;
    type Future = std::future::Ready<Result<(), &'static str>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
        self.0.map_or(Poll::Pending, Poll::Ready)
    }

    fn call(&mut self, (): ()) -> Self::Future {
        std::future::ready(Ok(()))
    }
}

#[tokio::test(start_paused = true)]
async fn to_become_ready_is_part_of_the_protected_call() {
    for readiness in [None, Some(Err("no connection"))] {
        let store = Store::new();
        let circuit = fleet(&store, &touchy(), 1).remove(0);
        let by_result = |result: &Result<(), &str>| CallOutcome::from(result);
        let service = CircuitLayer::new(circuit, by_result).layer(Readiness(readiness));
        service.clone().oneshot(()).await.unwrap_err();
        assert_eq!(store.record().state, CircuitState::Open, "{readiness:?} was counted");
        let refused = service.oneshot(()).await;
        assert!(matches!(refused, Err(CircuitError::Open(_))), "and is not asked again");
    }
}
