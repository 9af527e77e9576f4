//! Which request gets which response, as the draft says.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};

use axum::{Extension, Router, body::Body, response::IntoResponse, routing::post};
use funcify_backend_memory::MemoryBackend;
use funcify_core::{
    conformance::{Fault, Faulty},
    register::RetryingRegister,
};
use futures_util::stream;
use http::{Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use tower::ServiceExt;

use super::IdempotencyLayer;
use crate::idempotency::{Claim, Idempotency};

struct Server {
    router: Router,
    wire: Faulty<MemoryBackend>,
    calls: Arc<AtomicU32>,
}

impl Server {
    /// A route that answers with the status in the query and the number of its call.
    fn new(is_required: bool) -> Self {
        let calls = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&calls);
        let route = async move |claim: Option<Extension<Claim>>, request: Request<Body>| {
            let call = count.fetch_add(1, SeqCst) + 1;
            let status = request.uri().query().and_then(|query| query.get(..3)).unwrap_or("201");
            match status {
                "str" => {
                    let pieces = stream::iter([Ok::<_, std::io::Error>("a stream")]);
                    return Body::from_stream(pieces).into_response();
                }
                "slo" => tokio::time::sleep(Duration::from_secs(60)).await,
                "raw" => return vec![0xff_u8, 0xfe].into_response(),
                _ => {}
            }
            let fenced = claim.is_some_and(|claim| claim.fence() > 0);
            let status: u16 = status.parse().unwrap_or(201);
            Response::builder()
                .status(status)
                .header("x-call", call)
                .header(header::SET_COOKIE, "session=canary")
                .header("traceparent", "00-canary")
                .header(header::DATE, "Thu, 01 Jan 1970 00:00:00 GMT")
                .body(Body::from(format!("call {call}, claimed {fenced}")))
                .unwrap()
        };
        let wire = Faulty::new(Arc::new(MemoryBackend::new()));
        let store = Arc::new(RetryingRegister::new(wire.clone()));
        let idempotency = Idempotency::new("http", store).unwrap();
        let principal = |parts: &http::request::Parts| {
            Some(parts.headers.get("x-caller")?.to_str().ok()?.to_owned())
        };
        let layer = match is_required {
            true => IdempotencyLayer::required(idempotency, principal),
            false => IdempotencyLayer::optional(idempotency, principal),
        };
        let any = post(route.clone()).patch(route.clone()).get(route.clone()).put(route);
        Self { router: Router::new().route("/pay", any).layer(layer), wire, calls }
    }

    async fn send(&self, method: &str, target: &str, key: &str, body: &str) -> Answer {
        self.send_as("anna", method, target, key, body).await
    }

    async fn send_as(
        &self,
        caller: &str,
        method: &str,
        target: &str,
        key: &str,
        body: &str,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(target).header("x-caller", caller);
        if !key.is_empty() {
            request = request.header("idempotency-key", key);
        }
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Answer { parts, body }
    }

    fn calls(&self) -> u32 {
        self.calls.load(SeqCst)
    }
}

struct Answer {
    parts: http::response::Parts,
    body: Vec<u8>,
}

impl Answer {
    fn status(&self) -> u16 {
        self.parts.status.as_u16()
    }

    fn header(&self, name: &str) -> Option<&str> {
        Some(self.parts.headers.get(name)?.to_str().unwrap())
    }
}

#[tokio::test(start_paused = true)]
async fn a_repeated_request_gets_the_same_response_and_is_not_handled_again() {
    let server = Server::new(true);
    let first = server.send("POST", "/pay", r#""k""#, "500").await;
    assert_eq!((first.status(), first.header("idempotent-replayed")), (201, None));
    assert_eq!(
        (&*first.body, first.header("set-cookie")),
        (&b"call 1, claimed true"[..], Some("session=canary"))
    );
    for _ in 0..2 {
        let again = server.send("POST", "/pay", r#" "k" "#, "500").await;
        assert_eq!((again.status(), &again.body), (201, &first.body));
        assert_eq!(again.header("x-call"), Some("1"));
        assert_eq!(again.header("idempotent-replayed"), Some("true"));
        for gone in ["set-cookie", "traceparent", "date"] {
            assert_eq!(again.header(gone), None, "{gone}");
        }
    }
    assert_eq!(server.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn each_status_is_remembered_or_not_as_documented() {
    for (status, is_remembered) in [
        (200, true),
        (201, true),
        (204, true),
        (303, true),
        (400, true),
        (404, true),
        (409, true),
        (422, true),
        (401, false),
        (403, false),
        (408, false),
        (425, false),
        (429, false),
        (500, false),
        (502, false),
        (503, false),
    ] {
        let server = Server::new(true);
        let target = format!("/pay?{status}");
        for _ in 0..2 {
            assert_eq!(server.send("PATCH", &target, r#""k""#, "1").await.status(), status);
        }
        assert_eq!(server.calls(), if is_remembered { 1 } else { 2 }, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_cannot_be_done_once_is_refused_as_the_draft_says() {
    let server = Server::new(true);
    server.send("POST", "/pay", r#""k""#, "500").await;
    for (what, method, target, key, body, expected) in [
        ("no key", "POST", "/pay", "", "500", 400),
        ("a malformed key", "POST", "/pay", "k", "500", 400),
        ("an empty key", "POST", "/pay", r#""""#, "500", 400),
        ("another body", "POST", "/pay", r#""k""#, "501", 422),
        ("another query", "POST", "/pay?204", r#""k""#, "500", 422),
        ("another method", "PATCH", "/pay", r#""k""#, "500", 422),
    ] {
        let answer = server.send(method, target, key, body).await;
        assert_eq!(answer.status(), expected, "{what}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{what}");
    }
    assert_eq!(server.send_as("", "POST", "/pay", r#""k""#, "500").await.status(), 401);
    assert_eq!(server.calls(), 1);
    for method in ["GET", "PUT"] {
        assert_eq!(
            server.send(method, "/pay", "k", "1").await.status(),
            201,
            "{method} needs no key"
        );
    }
    let optional = Server::new(false);
    assert_eq!(optional.send("POST", "/pay", "", "500").await.status(), 201);
    assert_eq!(optional.send("POST", "/pay", "k", "500").await.status(), 400);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_in_progress_is_a_409_and_a_store_that_is_away_a_503() {
    let server = Server::new(true);
    let slow = server.send("POST", "/pay?slow", r#""k""#, "1");
    let duplicate = async { server.send("POST", "/pay?slow", r#""k""#, "1").await };
    let told = tokio::select! { biased; _ = slow => panic!("too fast"), told = duplicate => told };
    assert_eq!((told.status(), told.header("retry-after")), (409, Some("5")));
    server.wire.always(Fault::Refuse);
    let away = server.send("POST", "/pay", r#""other""#, "1").await;
    assert_eq!((away.status(), away.header("retry-after"), server.calls()), (503, Some("1"), 1));
}

/// The mutant does not make the caller a part of the key: it would give the second caller the answer to the
/// first.
#[tokio::test(start_paused = true)]
async fn nobody_gets_the_answer_to_another_callers_request() {
    let server = Server::new(true);
    let anna = server.send_as("anna", "POST", "/pay", r#""k""#, "500").await;
    let other = server.send_as("bert", "POST", "/pay", r#""k""#, "500").await;
    assert_ne!(anna.body, other.body);
    assert_eq!((other.header("idempotent-replayed"), server.calls()), (None, 2));
}

#[tokio::test(start_paused = true)]
async fn bytes_come_back_and_a_stream_is_passed_on_once() {
    let server = Server::new(true);
    for _ in 0..2 {
        let raw = server.send("POST", "/pay?raw", r#""raw""#, "").await;
        assert_eq!((raw.status(), &*raw.body), (200, &[0xff, 0xfe][..]));
    }
    let stream = server.send("POST", "/pay?stream", r#""stream""#, "").await;
    assert_eq!(&*stream.body, b"a stream");
    let again = server.send("POST", "/pay?stream", r#""stream""#, "").await;
    assert_eq!(again.parts.status, StatusCode::CONFLICT);
    assert_eq!(server.calls(), 2);
}
