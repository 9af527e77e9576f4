//! The output that each source gets for an HTTP response.

use axum::{
    Router,
    body::Body,
    extract::Path,
    http::{HeaderName, Response, StatusCode},
    response::{AppendHeaders, IntoResponse},
    routing::{get, post},
};
use funcify::{
    pipeline::{InvocationOutcome, Pipeline, Problem},
    testing::TestEvent,
};
use http::{Method, header};
use serde_json::{Value, json};

use crate::support::events;

async fn rich() -> impl IntoResponse {
    let headers = [
        (HeaderName::from_static("x-a"), "1"),
        (HeaderName::from_static("x-a"), "2"),
        (header::SET_COOKIE, "s=1; Secure"),
        (header::SET_COOKIE, "t=2"),
    ];
    (StatusCode::CREATED, AppendHeaders(headers), "grüße \"you\"\n")
}

async fn failing() -> Result<(), Problem> {
    Err(std::io::Error::other("password hunter2"))?
}

fn pipeline() -> Pipeline {
    let router = Router::new()
        .route("/rich", get(rich))
        .route("/binary", get(async || vec![0_u8, 255, 10]))
        .route("/gzip", get(async || ([(header::CONTENT_ENCODING, "gzip")], "plain enough")))
        .route("/typed", get(async || (StatusCode::CONFLICT, axum::Json(json!({ "mine": 1 })))))
        .route("/plain", get(async || (StatusCode::CONFLICT, "taken")))
        .route("/long", get(async || (StatusCode::CONFLICT, "x".repeat(5_000))))
        .route("/secret", get(async || (StatusCode::BAD_GATEWAY, "password hunter2")))
        .route("/failing", get(failing))
        .route("/orders/{id}", get(async |Path(id): Path<u32>| id.to_string()))
        .route("/orders", post(async |axum::Json(_): axum::Json<Value>| "placed"))
        .route("/large", get(async || "x".repeat(7 * 1024 * 1024)))
        .route("/escapes", get(async || "\u{1}".repeat(2 * 1024 * 1024)))
        .route("/nearly", get(async || "x".repeat(6 * 1024 * 1024 - 1024)))
        .route("/endless", get(async || Response::new(Body::new(Endless))))
        .route("/send", post(async || "sent"));
    Pipeline::builder(()).http(router).build().unwrap()
}

struct Endless;

impl http_body::Body for Endless {
    type Data = bytes::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<bytes::Bytes>, Self::Error>>> {
        let frame = http_body::Frame::data(bytes::Bytes::from_static(&[b'x'; 64 * 1024]));
        std::task::Poll::Ready(Some(Ok(frame)))
    }
}

async fn output(event: TestEvent) -> Value {
    serde_json::to_value(event.send(&pipeline()).await.unwrap()).unwrap()
}

const PLAIN: &str = "text/plain; charset=utf-8";

#[tokio::test]
async fn each_source_gets_its_own_response_format() {
    let body = "grüße \"you\"\n";
    for event in [events::rest_get("/rich"), events::http_v1_payload(Method::GET, "/rich")] {
        assert_eq!(
            output(event).await,
            json!({
                "statusCode": 201,
                "multiValueHeaders": {
                    "content-type": [PLAIN], "x-a": ["1", "2"],
                    "set-cookie": ["s=1; Secure", "t=2"],
                },
                "body": body,
                "isBase64Encoded": false,
            })
        );
    }
    for event in [events::http_get("/rich"), events::function_url(Method::GET, "/rich")] {
        assert_eq!(
            output(event).await,
            json!({
                "statusCode": 201,
                "headers": { "content-type": PLAIN, "x-a": "1, 2" },
                "cookies": ["s=1; Secure", "t=2"],
                "body": body,
                "isBase64Encoded": false,
            })
        );
    }
    assert_eq!(
        output(events::alb_multi_value(Method::GET, "/rich")).await,
        json!({
            "statusCode": 201,
            "statusDescription": "201 Created",
            "multiValueHeaders": {
                "content-type": [PLAIN], "x-a": ["1", "2"],
                "set-cookie": ["s=1; Secure", "t=2"],
            },
            "body": body,
            "isBase64Encoded": false,
        })
    );
    for event in [
        events::alb(Method::GET, "/rich"),
        events::vpc_lattice_v1(Method::GET, "/rich"),
        events::vpc_lattice_v2(Method::GET, "/rich"),
    ] {
        assert_eq!(
            output(event).await,
            json!({
                "statusCode": 201,
                "statusDescription": "201 Created",
                "headers": {
                    "content-type": PLAIN, "x-a": "1, 2",
                    "set-cookie": "s=1; Secure", "Set-cookie": "t=2",
                },
                "body": body,
                "isBase64Encoded": false,
            })
        );
    }
    let sent = output(events::websocket("send")).await;
    assert_eq!((&sent["statusCode"], &sent["body"]), (&json!(200), &json!("sent")));
}

#[tokio::test]
async fn only_cookies_that_a_handler_set_are_sent() {
    let output = output(events::http_get("/typed").header("cookie", "session=1")).await;
    assert_eq!(output["cookies"], json!([]));
    assert!(output["headers"].get("set-cookie").is_none());
}

#[tokio::test]
async fn only_binary_and_compressed_bodies_are_sent_as_base64() {
    for (path, body, is_base64) in
        [("/binary", "AP8K", true), ("/gzip", "cGxhaW4gZW5vdWdo", true), ("/orders/7", "7", false)]
    {
        let output = output(events::http_get(path)).await;
        assert_eq!(output["body"], body, "{path}");
        assert_eq!(output["isBase64Encoded"], is_base64, "{path}");
    }
}

#[tokio::test]
async fn bare_errors_become_problems_and_typed_ones_stay() {
    for (event, status, detail) in [
        (events::http_get("/missing"), 404, None),
        (events::http_post("/orders/7"), 405, None),
        (events::http_get("/plain"), 409, Some("taken")),
        (events::http_get("/secret"), 502, None),
        (events::http_get("/failing"), 500, None),
    ] {
        let output = output(event).await;
        let problem: Value = serde_json::from_str(output["body"].as_str().unwrap()).unwrap();
        assert_eq!(output["headers"]["content-type"], "application/problem+json");
        assert_eq!((&output["statusCode"], &problem["status"]), (&json!(status), &json!(status)));
        assert_eq!(problem.get("detail").and_then(Value::as_str), detail);
        assert!(!output.to_string().contains("hunter2"));
    }
    let rejected = output(events::http_get("/orders/seven")).await;
    assert_eq!(rejected["headers"]["content-type"], "application/problem+json");
    assert_eq!(output(events::http_get("/typed")).await["body"], "{\"mine\":1}");
    let rejected =
        output(events::http_post("/orders").header("content-type", "application/json").body("{"))
            .await;
    assert_eq!(rejected["statusCode"], 400);
    assert!(rejected["body"].as_str().unwrap().contains("\"detail\""));
}

#[tokio::test]
async fn a_405_keeps_the_allowed_methods() {
    let output = output(events::http_post("/orders/7")).await;
    assert_eq!(output["headers"]["allow"], "GET,HEAD");
}

#[tokio::test]
async fn a_response_that_lambda_would_not_accept_is_a_500() {
    for path in ["/large", "/escapes", "/endless"] {
        let processed = pipeline().process(events::rest_get(path).into()).await;
        assert_eq!(processed.status.unwrap(), 500, "{path}");
        assert_eq!(processed.outcome, InvocationOutcome::Failed);
    }
    let nearly = pipeline().process(events::rest_get("/nearly").into()).await;
    assert_eq!(nearly.status.unwrap(), 200);
}

#[tokio::test]
async fn an_error_too_long_for_a_message_is_left_as_it_is() {
    let output = events::http_get("/long").send(&pipeline()).await.unwrap();
    let response = output.http().unwrap();
    assert_eq!(response.headers()[header::CONTENT_TYPE], "text/plain; charset=utf-8");
    assert_eq!((response.status(), response.body().len()), (StatusCode::CONFLICT, 5_000));
}
