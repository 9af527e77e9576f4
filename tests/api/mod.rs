//! Calls to another service: their token, circuit, deadline and trace.

mod circuit;
mod idempotency;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::{any, get, post},
};
use funcify::{
    Pipeline, Problem, TraceContext,
    api::{Api, ApiError, TokenLayer},
};
use funcify_backend_memory::MemoryBackend;
use funcify_core::{
    Deadline, DeadlineExceeded,
    circuit::{CircuitBreaker, CircuitPolicy},
    engine::causes,
    register::RetryingRegister,
};
use funcify_test_support::FailureMode;
use http::{HeaderValue, Request};
use lambda_runtime::LambdaEvent;
use serde_json::{Value, json, value::RawValue};
use tower::{Layer, ServiceExt, service_fn};

use crate::{
    support::{events, http::serve},
    token::fleet::Fleet,
};

fn breaker() -> CircuitBreaker {
    let store = Arc::new(RetryingRegister::new(MemoryBackend::default()));
    CircuitBreaker::new("warehouse", CircuitPolicy::for_token_endpoint(), store).unwrap()
}

/// A service that accepts only the token with this number, and counts its requests.
async fn accepting(number: u64, challenge: &'static str) -> (String, Arc<AtomicU64>) {
    let asked = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&asked);
    let answer = move |headers: HeaderMap, body: Bytes| async move {
        count.fetch_add(1, Ordering::SeqCst);
        let token = headers.get(header::AUTHORIZATION).map(|value| value.to_str().unwrap());
        if token == Some(&format!("Bearer token-{number}")) {
            let body: Value = serde_json::from_slice(&body).unwrap_or_default();
            Json(json!({ "got": body })).into_response()
        } else {
            (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, challenge)]).into_response()
        }
    };
    (serve(Router::new().fallback(any(answer))).await, asked)
}

#[tokio::test]
async fn a_post_sends_json_with_the_token_and_reads_json() {
    let fleet = Fleet::new();
    let (base, _) = accepting(1, "Bearer").await;
    let api = Api::new("warehouse", &base).unwrap().token(fleet.getter()).circuit(breaker());
    let answer: Value = api.post("/orders", &json!({"item": "tea"})).await.unwrap();
    assert_eq!(answer, json!({"got": {"item": "tea"}}));
}

#[tokio::test]
async fn a_403_means_an_expired_token_only_if_that_is_declared() {
    for (declared, grants) in [(false, 1), (true, 2)] {
        let fleet = Fleet::new();
        let answer = async |headers: HeaderMap| {
            let is_new = headers[header::AUTHORIZATION] == "Bearer token-2";
            if is_new {
                Json(json!("tea")).into_response()
            } else {
                StatusCode::FORBIDDEN.into_response()
            }
        };
        let base = serve(Router::new().fallback(any(answer))).await;
        let api = Api::new("warehouse", &base).unwrap().token(fleet.getter());
        let api = if declared { api.forbidden_is_expired() } else { api };
        let answer = api.get::<Value>("/orders").await;
        assert_eq!((answer.is_ok(), fleet.provider.grants()), (declared, grants), "{answer:?}");
    }
}

#[tokio::test]
async fn a_rejected_token_is_renewed_once_and_the_request_sent_again() {
    let fleet = Fleet::new();
    let (base, asked) = accepting(2, r#"Bearer error="invalid_token""#).await;
    let api = Api::new("warehouse", &base).unwrap().token(fleet.getter());
    let answer: Value = api.post("/orders", &json!({"item": "tea"})).await.unwrap();
    assert_eq!(answer, json!({"got": {"item": "tea"}}));
    assert_eq!((asked.load(Ordering::SeqCst), fleet.provider.grants()), (2, 2));

    let (base, asked) = accepting(99, "Bearer").await;
    let stubborn = Api::new("stubborn", &base).unwrap().token(fleet.getter());
    let error = stubborn.get::<Value>("/").await.unwrap_err();
    assert_eq!(status(&error), Some(StatusCode::UNAUTHORIZED));
    assert!(asked.load(Ordering::SeqCst) <= 2);
    assert_eq!(fleet.provider.grants(), 2, "the token was renewed a moment ago");
}

#[tokio::test]
async fn a_request_of_any_kind_is_sent_again_with_a_new_token_if_its_body_is_bytes() {
    let fleet = Fleet::new();
    let (base, asked) = accepting(2, "Bearer").await;
    let api = Api::new("warehouse", &base).unwrap().token(fleet.getter());
    let answer = api.send(Request::put("/file").body(r#""tea""#).unwrap()).await.unwrap();
    let answer: Value = serde_json::from_slice(answer.body()).unwrap();
    assert_eq!(answer, json!({"got": "tea"}));
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_request_keeps_what_it_brings_and_gets_what_it_lacks() {
    let echo = |request: axum::extract::Request| async move {
        let (parts, body) = request.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let text = |name: &str| {
            let values = parts.headers.get_all(name).iter();
            values.map(|value| value.to_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        Json(json!({
            "line": format!("{} {}", parts.method, parts.uri), "body": body.escape_ascii().to_string(),
            "accept": text("accept"), "content-type": text("content-type"), "x-a": text("x-a"),
            "authorization": text("authorization"),
        }))
    };
    let fleet = Fleet::new();
    let base = serve(Router::new().fallback(any(echo))).await + "/v1";
    let api = Api::new("warehouse", &base).unwrap().token(fleet.getter());
    let sent = async |request: Request<&'static str>| {
        let answer = api.send(request).await.unwrap();
        serde_json::from_slice::<Value>(answer.body()).unwrap()
    };
    let token = ["Bearer token-1"];

    let own = Request::put("/orders/7?reason=a%20b").header("accept", "text/csv");
    let own = own.header("x-a", "1").header("x-a", "2").header("authorization", "Basic mine");
    let seen = sent(own.header("content-type", "text/csv").body("a;b").unwrap()).await;
    assert_eq!(
        seen,
        json!({
            "line": "PUT /v1/orders/7?reason=a%20b", "body": "a;b", "accept": ["text/csv"],
            "content-type": ["text/csv"], "x-a": ["1", "2"], "authorization": token,
        })
    );
    let bare = json!({
        "line": "GET /v1/", "body": "", "accept": ["application/json"], "content-type": [],
        "x-a": [], "authorization": token,
    });
    assert_eq!(sent(Request::new("")).await, bare);
    assert_eq!(api.get::<Value>("/").await.unwrap(), bare);

    let posted: Value = api.post("/orders", &json!({"item": "tea"})).await.unwrap();
    assert_eq!(posted["accept"], json!(["application/json"]));
    assert_eq!(posted["content-type"], json!(["application/json"]));

    for uri in ["https://thief.example/v1", "thief.example", "/../admin", "/%2e%2E/admin"] {
        let error = api.send(Request::get(uri).body("").unwrap()).await.unwrap_err();
        assert!(matches!(error, ApiError::Request(_)), "{uri}: {error:?}");
    }
}

#[tokio::test]
async fn a_401_about_something_else_renews_no_token() {
    let fleet = Fleet::new();
    let (base, asked) = accepting(2, r#"Bearer error="insufficient_scope""#).await;
    let api = Api::new("warehouse", &base).unwrap().token(fleet.getter());
    api.get::<Value>("/").await.unwrap_err();
    assert_eq!((asked.load(Ordering::SeqCst), fleet.provider.grants()), (1, 1));
}

#[tokio::test]
async fn a_streamed_body_is_not_sent_twice() {
    let fleet = Fleet::new();
    let (base, asked) = accepting(2, "Bearer").await;
    let api = Api::new("warehouse", &base).unwrap().token(fleet.getter());
    let body = reqwest::Body::wrap(http_body_util::Full::new(Bytes::from_static(b"7")));
    let error = api.send(Request::put("/file").body(body).unwrap()).await.unwrap_err();
    assert_eq!(status(&error), Some(StatusCode::UNAUTHORIZED));
    assert_eq!((asked.load(Ordering::SeqCst), fleet.provider.grants()), (1, 1));
}

#[tokio::test]
async fn without_a_token_nothing_is_sent() {
    let fleet = Fleet::new();
    fleet.provider.fail(FailureMode::Unavailable);
    let (base, asked) = accepting(1, "Bearer").await;
    let api = Api::new("warehouse", &base).unwrap().token(fleet.getter());
    assert!(matches!(api.get::<Value>("/").await, Err(ApiError::Token(_))));
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_token_does_not_follow_a_redirect() {
    let fleet = Fleet::new();
    let (thief, stolen) = accepting(1, "Bearer").await;
    let router = Router::new().route("/", get(move || async move { Redirect::permanent(&thief) }));
    let api = Api::new("warehouse", &serve(router).await).unwrap().token(fleet.getter());
    let error = api.get::<Value>("/").await.unwrap_err();
    assert_eq!(status(&error), Some(StatusCode::PERMANENT_REDIRECT));
    assert_eq!(stolen.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_call_ends_with_the_invocation() {
    let hanging = post(|| async { tokio::time::sleep(Duration::from_secs(60)).await });
    let base = serve(Router::new().route("/", hanging)).await;
    for api in [
        Api::new("warehouse", &base).unwrap(),
        Api::new("warehouse", &base).unwrap().circuit(breaker()),
    ] {
        let deadline = Deadline::within(Duration::from_millis(200));
        let error = deadline.scope(api.post::<()>("/", &1)).await.unwrap_err();
        assert!(is_caused_by::<DeadlineExceeded>(&error), "{error:?}");
        let slow = api.timeout(Duration::from_millis(100));
        assert!(matches!(slow.post::<()>("/", &1).await, Err(ApiError::TimedOut)));
    }
    let nowhere = Api::new("nowhere", "http://127.0.0.1:9").unwrap();
    assert!(matches!(nowhere.get::<()>("/").await, Err(ApiError::Unreachable(_))));
}

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// A service that answers with the trace headers of the request.
async fn echo_of_the_trace() -> Api {
    let echo = |headers: HeaderMap| async move {
        let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        Json(json!([text("traceparent"), text("x-amzn-trace-id")]))
    };
    let base = serve(Router::new().route("/", get(echo))).await;
    Api::new("warehouse", &base).unwrap()
}

#[tokio::test]
async fn the_trace_is_passed_on() {
    let api = echo_of_the_trace().await;
    let mut headers = HeaderMap::new();
    headers.insert("traceparent", HeaderValue::from_static(PARENT));
    headers.insert("x-amzn-trace-id", HeaderValue::from_static("Root=1-5759e988"));
    let seen: Value = TraceContext::from(&headers).scope(api.get("/")).await.unwrap();
    assert_eq!(seen, json!([PARENT, "Root=1-5759e988"]));
    let seen: Value = api.get("/").await.unwrap();
    assert_eq!(seen, json!([null, null]), "outside of an invocation there is no trace");
}

#[tokio::test]
async fn a_handlers_call_belongs_to_the_trace_of_its_request() {
    async fn call(State(api): State<Api>) -> Result<Json<Value>, Problem> {
        Ok(Json(api.get("/").await?))
    }
    let pipeline = Pipeline::builder(echo_of_the_trace().await)
        .http(Router::new().route("/", get(call)))
        .build()
        .unwrap();
    let event = events::rest_get("/").header("traceparent", PARENT);
    let event = event.header("x-amzn-trace-id", "Root=of-the-gateway").to_string();
    for (of_lambda, expected) in
        [(Some("Root=1-5759e988"), "Root=1-5759e988"), (None, "Root=of-the-gateway")]
    {
        let mut context = events::context(Duration::from_secs(5));
        context.xray_trace_id = of_lambda.map(str::to_owned);
        let text = RawValue::from_string(event.clone()).unwrap();
        let processed = pipeline.process(LambdaEvent::new(text, context)).await;
        let answer = processed.result.unwrap();
        let seen: Value = serde_json::from_slice(answer.http().unwrap().body()).unwrap();
        assert_eq!(seen, json!([PARENT, expected]));
    }
}

#[tokio::test]
async fn an_unexpected_answer_is_distinguished_from_a_failure() {
    let base = serve(Router::new().route("/", get(|| async { "<html>" }))).await;
    let api = Api::new("warehouse", &base).unwrap();
    assert!(matches!(api.get::<Value>("/").await, Err(ApiError::Reply(_))));
    assert!(matches!(api.get::<Value>("/../etc").await, Err(ApiError::Request(_))));
}

#[test]
fn a_base_that_would_leak_the_token_is_refused() {
    for base in [
        "http://warehouse.example",
        "ftp://warehouse.example",
        "https://user:pw@warehouse.example",
        "https://warehouse.example?x=1",
        "warehouse.example",
    ] {
        assert!(Api::new("warehouse", base).is_err(), "{base}");
    }
    assert!(Api::over_plain_http("warehouse", "http://warehouse.internal").is_ok());
}

#[tokio::test]
async fn the_layer_attaches_the_token_for_the_named_hosts_only() {
    let fleet = Fleet::new();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let saw = Arc::clone(&seen);
    let client = service_fn(move |request: Request<()>| {
        let token = request.headers().get(header::AUTHORIZATION).cloned();
        saw.lock().unwrap().push(token.map(|token| token.to_str().unwrap().to_owned()));
        async { Ok::<_, std::convert::Infallible>(Response::new(())) }
    });
    let client = TokenLayer::new(fleet.getter(), ["warehouse.example"]).unwrap().layer(client);
    let send = |uri: &str| client.clone().oneshot(Request::get(uri).body(()).unwrap());

    send("https://Warehouse.example:8443/orders").await.unwrap();
    send("https://other.example/").await.unwrap();
    send("https://warehouse.example.thief.example/").await.unwrap();
    send("http://warehouse.example/").await.unwrap_err();
    assert_eq!(*seen.lock().unwrap(), [Some("Bearer token-1".to_owned()), None, None]);

    let fleet = Fleet::new();
    fleet.provider.fail(FailureMode::Unavailable);
    let client = TokenLayer::new(fleet.getter(), ["warehouse.example"]).unwrap().layer(client);
    let request = Request::get("https://warehouse.example/").body(()).unwrap();
    client.oneshot(request).await.unwrap_err();
    assert_eq!(seen.lock().unwrap().len(), 3, "nothing was sent");
}

/// The status of the service's answer, if it is not 2xx.
fn status(error: &ApiError) -> Option<StatusCode> {
    match error {
        ApiError::Status(answer) => Some(answer.status()),
        _ => None,
    }
}

fn is_caused_by<E: std::error::Error + 'static>(error: &ApiError) -> bool {
    causes(error).any(|cause| cause.is::<E>())
}

#[tokio::test]
async fn a_layer_for_something_that_is_not_a_host_is_an_error_and_never_silently_no_token() {
    let fleet = Fleet::new();
    let layer = |hosts: &[&str]| {
        TokenLayer::new(fleet.getter(), hosts.iter().copied()).map_err(|error| error.to_string())
    };
    for host in ["warehouse.example", "WAREHOUSE.example", "127.0.0.1", "[::1]", "localhost"] {
        assert!(layer(&[host]).is_ok(), "{host}");
    }
    for wrong in [
        "https://warehouse.example",
        "warehouse.example:8443",
        "warehouse.example/orders",
        "warehouse example",
        "user@warehouse.example",
        "",
        "*.example",
        "bücher.example",
    ] {
        let error = layer(&["other.example", wrong]).unwrap_err();
        assert!(error.contains(wrong) && !error.contains("other.example"), "{error}");
    }
    assert!(layer(&[]).unwrap_err().contains("at least one host"));
}
