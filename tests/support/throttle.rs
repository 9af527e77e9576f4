//! A proxy before the AWS server that serves so many requests in a second and throttles the others, as the services do
//! with an account's quota. The local server has no quota.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use tokio::time::Instant;

use super::{env, http, idp};

/// A token bucket that holds the requests of one second. Reads and writes share it.
#[derive(Debug)]
pub(crate) struct Throttle {
    upstream: String,
    error: &'static str,
    per_second: f64,
    left: Mutex<(f64, Instant)>,
    throttled: AtomicU64,
}

impl Throttle {
    /// Before Parameter Store: 40 a second by default.
    pub(crate) fn ssm(per_second: f64) -> Arc<Self> {
        Self::before(env::aws_endpoint("SSM"), "ThrottlingException", per_second)
    }

    pub(crate) fn dynamodb(per_second: f64) -> Arc<Self> {
        let error = "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException";
        Self::before(env::aws_endpoint("DYNAMODB"), error, per_second)
    }

    fn before(upstream: String, error: &'static str, per_second: f64) -> Arc<Self> {
        let left = Mutex::new((per_second, Instant::now()));
        Arc::new(Self { upstream, error, per_second, left, throttled: AtomicU64::new(0) })
    }

    /// Serves until the test ends, and returns the URL.
    pub(crate) async fn serve(self: &Arc<Self>) -> String {
        let (this, client) = (Arc::clone(self), idp::http());
        let answer = move |headers: HeaderMap, body: Bytes| async move {
            if this.takes_one() { this.pass(&client, headers, body).await } else { this.refusal() }
        };
        http::serve(Router::new().route("/", post(answer))).await
    }

    /// How many requests were throttled so far. A test without one has tested nothing.
    pub(crate) fn throttled(&self) -> u64 {
        self.throttled.load(Ordering::SeqCst)
    }

    fn takes_one(&self) -> bool {
        let mut bucket = self.left.lock().unwrap();
        let (left, since) = *bucket;
        let left = (left + since.elapsed().as_secs_f64() * self.per_second).min(self.per_second);
        let takes = left >= 1.0;
        *bucket = (if takes { left - 1.0 } else { left }, Instant::now());
        takes
    }

    fn refusal(&self) -> Response {
        self.throttled.fetch_add(1, Ordering::SeqCst);
        let body = serde_json::json!({ "__type": self.error, "message": "Rate exceeded" });
        let kind = [(header::CONTENT_TYPE, "application/x-amz-json-1.1")];
        (StatusCode::BAD_REQUEST, kind, body.to_string()).into_response()
    }

    async fn pass(&self, client: &reqwest::Client, headers: HeaderMap, body: Bytes) -> Response {
        let mut request = client.post(&self.upstream);
        for name in ["x-amz-target", "content-type", "authorization", "x-amz-date"] {
            if let Some(value) = headers.get(name) {
                request = request.header(name, value.clone());
            }
        }
        let Ok(answer) = request.body(body).send().await else {
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        };
        let (status, kind) = (answer.status(), answer.headers().get("content-type").cloned());
        let body = answer.bytes().await.unwrap_or_default();
        let mut response = (status, body).into_response();
        if let Some(kind) = kind {
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
        }
        response
    }
}
