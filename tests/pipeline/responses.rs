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
    testing::{self, HttpEvent},
};
use http::{Method, header};
use serde_json::{Value, json};

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

async fn answer(event: HttpEvent) -> Value {
    serde_json::to_value(event.send(&pipeline()).await.unwrap()).unwrap()
}

const PLAIN: &str = "text/plain; charset=utf-8";

#[tokio::test]
async fn each_source_is_answered_in_its_own_form() {
    let body = "grüße \"you\"\n";
    for event in [testing::rest_get("/rich"), testing::http_v1_payload(Method::GET, "/rich")] {
        assert_eq!(
            answer(event).await,
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
    for event in [testing::http_get("/rich"), testing::function_url(Method::GET, "/rich")] {
        assert_eq!(
            answer(event).await,
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
        answer(testing::alb_multi_value(Method::GET, "/rich")).await,
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
        testing::alb(Method::GET, "/rich"),
        testing::vpc_lattice_v1(Method::GET, "/rich"),
        testing::vpc_lattice_v2(Method::GET, "/rich"),
    ] {
        assert_eq!(
            answer(event).await,
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
    let sent = answer(testing::websocket("send")).await;
    assert_eq!((&sent["statusCode"], &sent["body"]), (&json!(200), &json!("sent")));
}

#[tokio::test]
async fn cookies_are_answered_only_if_they_were_set() {
    let answer = answer(testing::http_get("/typed").cookie("session=1")).await;
    assert!(answer.get("cookies").is_none() && answer["headers"].get("set-cookie").is_none());
}

#[tokio::test]
async fn only_what_is_not_text_or_is_compressed_goes_out_as_base64() {
    for (path, body, is_base64) in
        [("/binary", "AP8K", true), ("/gzip", "cGxhaW4gZW5vdWdo", true), ("/orders/7", "7", false)]
    {
        let answer = answer(testing::http_get(path)).await;
        assert_eq!(answer["body"], body, "{path}");
        assert_eq!(answer["isBase64Encoded"], is_base64, "{path}");
    }
}

#[tokio::test]
async fn bare_errors_become_problems_and_typed_ones_stay() {
    for (event, status, detail) in [
        (testing::http_get("/missing"), 404, None),
        (testing::http_post("/orders/7"), 405, None),
        (testing::http_get("/plain"), 409, Some("taken")),
        (testing::http_get("/secret"), 502, None),
        (testing::http_get("/failing"), 500, None),
    ] {
        let answer = answer(event).await;
        let problem: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
        assert_eq!(answer["headers"]["content-type"], "application/problem+json");
        assert_eq!((&answer["statusCode"], &problem["status"]), (&json!(status), &json!(status)));
        assert_eq!(problem.get("detail").and_then(Value::as_str), detail);
        assert!(!answer.to_string().contains("hunter2"));
    }
    let rejected = answer(testing::http_get("/orders/seven")).await;
    assert_eq!(rejected["headers"]["content-type"], "application/problem+json");
    assert_eq!(answer(testing::http_get("/typed")).await["body"], "{\"mine\":1}");
    let rejected = answer(testing::http_post("/orders").json_body(&json!(1)).body("{")).await;
    assert_eq!(rejected["statusCode"], 400);
    assert!(rejected["body"].as_str().unwrap().contains("\"detail\""));
}

#[tokio::test]
async fn a_405_keeps_the_methods_that_are_allowed() {
    let answer = answer(testing::http_post("/orders/7")).await;
    assert_eq!(answer["headers"]["allow"], "GET,HEAD");
}

#[tokio::test]
async fn an_answer_that_lambda_would_not_take_is_a_500() {
    for path in ["/large", "/escapes", "/endless"] {
        let processed = testing::rest_get(path).process(&pipeline()).await;
        assert_eq!(processed.status().unwrap(), 500, "{path}");
        assert_eq!(processed.outcome, InvocationOutcome::Failed);
    }
    let nearly = testing::rest_get("/nearly").process(&pipeline()).await;
    assert_eq!(nearly.status().unwrap(), 200);
}

#[tokio::test]
async fn a_refusal_too_long_for_a_message_stays_what_it_was() {
    let answer = testing::http_get("/long").send(&pipeline()).await.unwrap();
    let answer = answer.http().unwrap();
    assert_eq!(answer.headers()[header::CONTENT_TYPE], "text/plain; charset=utf-8");
    assert_eq!((answer.status(), answer.body().len()), (StatusCode::CONFLICT, 5_000));
}
