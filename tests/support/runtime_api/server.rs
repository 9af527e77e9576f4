//! The four endpoints over HTTP/1.1, with Lambda's status codes.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::tap::Tap;
use super::{InvocationResult, Shared};

/// Lambda's limit for a buffered response: 6 MB and a hundred bytes.
const LARGEST_RESPONSE: usize = 6 * 1024 * 1024 + 100;

pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            let service = service_fn(|request| answer(request, &shared));
            let stream = TokioIo::new(Tap::new(stream, &shared));
            http1::Builder::new().serve_connection(stream, service).await.ok();
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    shared: &Shared,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    // An emulator may have a path of its own before that of Lambda.
    let Some((_, path)) = path.split_once("/2018-06-01/runtime/") else {
        return Ok(refused(StatusCode::NOT_FOUND, "no such version"));
    };
    let steps: Vec<_> = path.split('/').collect();
    Ok(match (request.method(), steps.as_slice()) {
        (&Method::GET, ["invocation", "next"]) => next(shared).await,
        (&Method::POST, ["invocation", id, "response"]) => response(id, request, shared).await,
        (&Method::POST, ["invocation", id, "error"]) => {
            let error = reported(request).await;
            record(id, InvocationResult::FunctionError(error), shared)
        }
        (&Method::POST, ["init", "error"]) => {
            shared.init_error.send_replace(Some(reported(request).await));
            accepted()
        }
        _ => refused(StatusCode::NOT_FOUND, "no such endpoint"),
    })
}

/// Waits for an event. Its deadline starts when the function gets it.
async fn next(shared: &Shared) -> Response<Full<Bytes>> {
    let Some(invocation) = shared.waiting.lock().await.recv().await else {
        return refused(StatusCode::INTERNAL_SERVER_ERROR, "the test is over");
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let deadline = shared.deadline.lock().unwrap().clone();
    let deadline = deadline.unwrap_or_else(|| (now + shared.limit).as_millis().to_string());
    let trace = format!("Root=1-{:08x}-{}", now.as_secs(), &invocation.id.replace('-', "")[8..]);
    let response = Response::builder()
        .header("content-type", "application/json")
        .header("lambda-runtime-aws-request-id", &invocation.id)
        .header("lambda-runtime-deadline-ms", deadline)
        .header("lambda-runtime-aws-tenant-id", "acme")
        .header(
            "lambda-runtime-invoked-function-arn",
            "arn:aws:lambda:us-east-1:123456789012:function:funcify-test",
        )
        .header("lambda-runtime-trace-id", format!("{trace};Parent=53995c3f42cd8ad8;Sampled=1"))
        .body(Full::new(invocation.payload))
        .unwrap();
    shared.running.lock().unwrap().insert(invocation.id, invocation.answer);
    invocation.delivered.send(()).ok();
    response
}

async fn response(id: &str, request: Request<Incoming>, shared: &Shared) -> Response<Full<Bytes>> {
    let streaming =
        header(request.headers(), "lambda-runtime-function-response-mode") == Some("streaming");
    let Ok(body) = request.into_body().collect().await else {
        return refused(StatusCode::BAD_REQUEST, "the body was cut");
    };
    let failure = body.trailers().and_then(stream_error);
    let body = body.to_bytes();
    if streaming {
        shared.streamed.fetch_add(1, Ordering::Relaxed);
    } else if body.len() > LARGEST_RESPONSE {
        let message = format!(
            "Response payload size exceeded maximum allowed payload size ({LARGEST_RESPONSE} bytes)."
        );
        let error = json!({"errorType": "Function.ResponseSizeTooLarge", "errorMessage": message});
        record(id, InvocationResult::FunctionError(error), shared);
        return refused(StatusCode::PAYLOAD_TOO_LARGE, "the response is too large");
    }
    record(id, failure.map_or(InvocationResult::Ok(body), InvocationResult::FunctionError), shared)
}

/// The error in the trailers of a streamed response that failed.
fn stream_error(trailers: &HeaderMap) -> Option<Value> {
    let kind = header(trailers, "lambda-runtime-function-error-type")?;
    let body = header(trailers, "lambda-runtime-function-error-body").unwrap_or_default();
    Some(json!({"errorType": kind, "body": body}))
}

fn record(id: &str, result: InvocationResult, shared: &Shared) -> Response<Full<Bytes>> {
    match shared.running.lock().unwrap().remove(id) {
        Some(answer) => {
            answer.send(result).ok();
            accepted()
        }
        None => refused(
            StatusCode::BAD_REQUEST,
            "invalid request id: never given, timed out, or answered before",
        ),
    }
}

async fn reported(request: Request<Incoming>) -> Value {
    let kind = header(request.headers(), "lambda-runtime-function-error-type")
        .unwrap_or("Unknown")
        .to_owned();
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    serde_json::from_slice(&body).unwrap_or_else(|_| json!({"errorType": kind}))
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn accepted() -> Response<Full<Bytes>> {
    status(StatusCode::ACCEPTED, &json!({"status": "OK"}))
}

fn refused(code: StatusCode, why: &str) -> Response<Full<Bytes>> {
    status(code, &json!({"errorType": "InvalidRequest", "errorMessage": why}))
}

fn status(code: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    let body = Full::new(Bytes::from(body.to_string()));
    Response::builder().status(code).header("content-type", "application/json").body(body).unwrap()
}
