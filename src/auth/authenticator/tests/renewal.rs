//! A pipeline renews old keys while its handlers wait for other things, so that no caller waits for a
//! renewal.

use std::{sync::Arc, time::Duration};

use axum::{Router, routing::get};
use funcify_core::engine::ManualClock;
use funcify_test_support::on_virtual_time;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::auth::authenticator::tests::provider::Reply;
use crate::auth::authenticator::tests::{
    Authenticator, NOW, Provider, authenticator, clock, token_with,
};
use crate::pipeline::{Invocation, Pipeline};
use crate::problem::Problem;
use crate::testing::TestEvent;

const MINUTE: Duration = Duration::from_secs(60);

/// A pipeline whose keys were fetched eleven minutes ago.
async fn with_old_keys(renews: bool) -> (Provider, Arc<ManualClock>, Pipeline) {
    let (provider, clock) = (Provider::start().await, clock());
    let authenticator = authenticator(&provider).clock(clock.clone());
    let authenticator = if renews { authenticator } else { not_renewed(authenticator) };
    let router = Router::new()
        .route("/at-once", get(async |invocation: Invocation| who(&invocation).await))
        .route(
            "/later",
            get(async |invocation: Invocation| {
                sleep(Duration::from_millis(200)).await;
                who(&invocation).await
            }),
        );
    let pipeline = Pipeline::builder(()).authenticator(authenticator).http(router).build().unwrap();
    call(&pipeline, "/at-once").await;
    clock.advance(11 * MINUTE);
    (provider, clock, pipeline)
}

async fn who(invocation: &Invocation) -> Result<String, Problem> {
    Ok(invocation.caller().await?.subject.clone())
}

/// The same authenticator behind a function, so that the pipeline does not see its keys.
fn not_renewed(authenticator: Authenticator) -> Authenticator {
    Authenticator::from_fn(move |authorization: Option<String>, _: Option<Value>| {
        let authenticator = authenticator.clone();
        async move {
            let token = authorization.unwrap_or_default();
            super::identify(&authenticator, token.trim_start_matches("Bearer ")).await
        }
    })
}

async fn call(pipeline: &Pipeline, path: &str) {
    let token = token_with("exp", json!(NOW + 2 * 24 * 60 * 60));
    let request = TestEvent::get(path).header("authorization", &format!("Bearer {token}"));
    let answer = request.send(pipeline).await.unwrap();
    assert_eq!(answer.http().unwrap().body(), "alice");
}

async fn fetches_during_a_handler(renews: bool) -> usize {
    let (provider, _, pipeline) = with_old_keys(renews).await;
    call(&pipeline, "/later").await;
    call(&pipeline, "/later").await;
    provider.requests("/jwks").len() - 1
}

#[tokio::test]
async fn old_keys_are_fetched_while_a_handler_waits() {
    assert_eq!(fetches_during_a_handler(true).await, 1);
    // Mutant: nothing is renewed while the handler waits.
    assert_eq!(fetches_during_a_handler(false).await, 0);
}

#[tokio::test]
async fn a_fetch_advances_with_each_handler_that_never_waits() {
    let (provider, _, pipeline) = with_old_keys(true).await;
    let renewed = async {
        while provider.requests("/jwks").len() < 2 {
            call(&pipeline, "/at-once").await;
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(Duration::from_secs(20), renewed).await.unwrap();
}

#[tokio::test]
async fn no_caller_waits_for_an_issuer_that_hangs() {
    let (provider, clock, pipeline) = with_old_keys(true).await;
    provider.reply("/jwks", Reply::Never);
    clock.advance(20 * 60 * MINUTE);
    for _ in 0..5 {
        let (_, took) = on_virtual_time(call(&pipeline, "/at-once")).await;
        assert!(took < Duration::from_millis(500), "{took:?}");
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(provider.requests("/jwks").len(), 2);
}

#[tokio::test]
async fn an_issuer_that_fails_is_not_asked_at_every_invocation() {
    let (provider, _, pipeline) = with_old_keys(true).await;
    provider.reply("/jwks", Reply::Status(500));
    for _ in 0..50 {
        call(&pipeline, "/at-once").await;
        sleep(Duration::from_millis(5)).await;
    }
    // The fetch is repeated once, because its connection may have died while the process was frozen. The
    // pause after that does not end, because the clock of the test does not move.
    assert_eq!(provider.requests("/jwks").len(), 3);
}

#[tokio::test]
async fn no_keys_are_fetched_where_nobody_asks_for_the_caller() {
    let provider = Provider::start().await;
    let router =
        Router::new().route("/health", get(async || sleep(Duration::from_millis(50)).await));
    let pipeline =
        Pipeline::builder(()).authenticator(authenticator(&provider)).http(router).build().unwrap();
    TestEvent::get("/health").send(&pipeline).await.unwrap();
    assert_eq!(provider.requests("/jwks").len(), 0);
}
