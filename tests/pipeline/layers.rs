//! Every response passes the layers of `.layer(…)`, also the responses that funcify makes.

use std::time::Duration;

use axum::{
    Router,
    body::{Body, Bytes},
    extract::Path,
    routing::get,
};
use funcify::{
    AccessPolicy, Authenticator,
    auth::{Caller, Unauthenticated},
    pipeline::{Invocation, InvocationOutcome, Pipeline, PipelineBuilder, Problem},
    testing::TestEvent,
};
use futures_util::stream;
use http::{HeaderValue, Method, StatusCode, header};
use serde_json::json;
use tower_http::{cors::CorsLayer, normalize_path::NormalizePathLayer};

use crate::support::events;

const ORIGIN: &str = "https://shop.example.com";

fn function() -> PipelineBuilder<()> {
    let broken = async || {
        let pieces = [Ok(Bytes::from_static(b"one")), Err(std::io::Error::other("disk full"))];
        Body::from_stream(stream::iter(pieces))
    };
    let panics_late = async || {
        let panics = async || -> Result<Bytes, std::io::Error> { panic!("of a body") };
        Body::from_stream(stream::once(panics()))
    };
    let hangs = async || {
        std::future::pending::<()>().await;
        "never"
    };
    let hangs_late = async || Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
    let router = Router::new()
        .route("/ok", get(async || "ok"))
        .route("/orders/{id}", get(async |Path(id): Path<String>| id))
        .route("/secret", get(async || "secret"))
        .route("/panics", get(async || -> &'static str { panic!("of a handler") }))
        .route("/panics-late", get(panics_late))
        .route("/hangs", get(hangs))
        .route("/hangs-late", get(hangs_late))
        .route("/broken", get(broken))
        .route("/large", get(async || vec![b'x'; 7 << 20]))
        .route("/almost-large", get(async || "\u{1}".repeat(2 << 20)));
    let guard = async |invocation: Invocation| match invocation.event().http() {
        Some(request) if request.headers().contains_key("x-block") => {
            Err(Problem::new(StatusCode::FORBIDDEN))
        }
        Some(request) if request.headers().contains_key("x-panic") => panic!("of a guard"),
        _ => Ok(invocation),
    };
    let authenticator = Authenticator::from_fn(async |authorization: Option<String>, _| {
        let _ = authorization.ok_or(Unauthenticated::Missing)?;
        Ok(Caller::new("alice"))
    });
    let public =
        ["/ok", "/orders/{id}", "/panics", "/panics-late", "/hangs", "/hangs-late", "/broken"];
    let public = public.iter().chain(&["/large", "/almost-large"]);
    let policy = AccessPolicy::new().allow(Method::GET, "/secret", "orders:order:read");
    let policy = public.fold(policy, |policy, path| policy.public(Method::GET, path));
    Pipeline::builder(()).http(router).guard(guard).authenticator(authenticator).policy(policy)
}

fn cors() -> CorsLayer {
    CorsLayer::new().allow_origin(HeaderValue::from_static(ORIGIN))
}

/// The requests, with the status and the outcome.
fn cases() -> Vec<(&'static str, TestEvent, u16, InvocationOutcome)> {
    use InvocationOutcome::{Failed, Handled, Refused, Unmatched};
    let get = |path: &str| events::rest_get(path).header("origin", ORIGIN);
    let changed = |pointer: &str, value: serde_json::Value| {
        let mut event = events::json(&get("/ok"));
        *event.pointer_mut(pointer).unwrap() = value;
        TestEvent::from(event)
    };
    vec![
        ("a handler", get("/ok"), 200, Handled),
        ("no token", get("/secret"), 401, Refused),
        ("no permission", get("/secret").header("authorization", "Bearer alice"), 403, Refused),
        ("no route", get("/nowhere"), 404, Unmatched),
        ("a guard", get("/ok").header("x-block", "1"), 403, Refused),
        ("a guard that panics", get("/ok").header("x-panic", "1"), 500, Failed),
        ("a panic", get("/panics"), 500, Failed),
        ("a panic in the body", get("/panics-late"), 500, Failed),
        ("the deadline", get("/hangs"), 503, Failed),
        ("the deadline in the body", get("/hangs-late"), 503, Failed),
        ("a body that fails", get("/broken"), 500, Failed),
        ("a large body", get("/large"), 500, Failed),
        ("a body that is large as JSON", get("/almost-large"), 500, Failed),
        ("a path in disguise", get("/a/../ok"), 400, Refused),
        ("no path", changed("/path", json!(7)), 400, Refused),
        (
            "a body that is not base64",
            {
                let mut event = events::json(&get("/ok"));
                event["body"] = json!("!");
                event["isBase64Encoded"] = json!(true);
                TestEvent::from(event)
            },
            400,
            Refused,
        ),
    ]
}

async fn answers(pipeline: &Pipeline, has_cors: bool) {
    for (what, event, status, outcome) in cases() {
        let left = if what.starts_with("the deadline") { 500 } else { 30_000 };
        let processed = events::process_within(&event, pipeline, Duration::from_millis(left)).await;
        assert_eq!(
            (processed.status.unwrap().as_u16(), processed.outcome),
            (status, outcome),
            "{what}"
        );
        let output = processed.result.unwrap();
        let headers = output.http().unwrap().headers();
        let allowed = headers.get(header::ACCESS_CONTROL_ALLOW_ORIGIN);
        assert_eq!(allowed.is_some_and(|origin| origin == ORIGIN), has_cors, "{what}");
        if status >= 400 {
            assert_eq!(headers[header::CONTENT_TYPE], "application/problem+json", "{what}");
        }
    }
}

#[tokio::test]
async fn every_answer_of_ours_passes_the_layers() {
    answers(&function().layer(cors()).build().unwrap(), true).await;
}

#[tokio::test]
async fn without_layers_the_answers_are_the_same() {
    answers(&function().build().unwrap(), false).await;
}

#[tokio::test]
async fn a_layer_that_changes_the_path_does_so_before_policy_and_router() {
    let plain = function().build().unwrap();
    let layered = function().layer(NormalizePathLayer::trim_trailing_slash()).build().unwrap();
    for (path, without, with) in [
        ("/ok/", 404, 200),
        ("/orders/7/", 404, 200),
        ("/secret/", 404, 401),
        ("/nowhere/", 404, 404),
    ] {
        for (pipeline, status) in [(&plain, without), (&layered, with)] {
            let processed =
                events::process_within(&events::rest_get(path), pipeline, Duration::from_secs(30))
                    .await;
            assert_eq!(processed.status.unwrap(), status, "{path}");
        }
    }
    let processed =
        events::process_within(&events::rest_get("/orders/7/"), &layered, Duration::from_secs(30))
            .await;
    assert_eq!(processed.route.as_deref(), Some("/orders/{id}"));
}
