use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Frame;
use hyper::{HeaderMap, header};
use reqwest::{Body, Response};
use serde_json::{Value, json};

use crate::support::idp::http;
use crate::support::runtime_api::{InvocationResult, RuntimeApi};

const LIMIT: Duration = Duration::from_secs(5);

/// What a function's runtime does, by hand.
struct Function(String);

impl Function {
    fn of(api: &RuntimeApi) -> Self {
        let environment = api.environment();
        let (_, endpoint) =
            environment.iter().find(|(name, _)| *name == "AWS_LAMBDA_RUNTIME_API").unwrap();
        Self(format!("http://{endpoint}/2018-06-01/runtime"))
    }

    async fn next(&self) -> Response {
        http().get(format!("{}/invocation/next", self.0)).send().await.unwrap()
    }

    async fn post(&self, path: &str, body: impl Into<Body>) -> u16 {
        http().post(format!("{}/{path}", self.0)).body(body).send().await.unwrap().status().as_u16()
    }
}

fn id(event: &Response) -> String {
    event.headers()["lambda-runtime-aws-request-id"].to_str().unwrap().to_owned()
}

fn now_ms() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()
}

#[tokio::test]
async fn an_event_carries_its_deadline_and_its_response_comes_back() {
    let api = RuntimeApi::start(LIMIT).await;
    let function = Function::of(&api);

    let (result, ()) = tokio::join!(api.invoke(r#"{"order":1}"#), async {
        let before = now_ms();
        let event = function.next().await;
        let deadline: u128 =
            event.headers()["lambda-runtime-deadline-ms"].to_str().unwrap().parse().unwrap();
        assert!((before..=now_ms()).contains(&(deadline - LIMIT.as_millis())));
        for name in ["lambda-runtime-invoked-function-arn", "lambda-runtime-trace-id"] {
            assert!(event.headers().contains_key(name), "{name}");
        }
        let id = id(&event);
        let order: Value = event.json().await.unwrap();
        assert_eq!(
            function.post(&format!("invocation/{id}/response"), order.to_string()).await,
            202
        );
    });

    assert_eq!(result.json(), json!({"order": 1}));
    assert_eq!(api.streamed(), 0);
}

#[tokio::test]
async fn a_late_response_is_refused() {
    let api = RuntimeApi::start(Duration::from_millis(50)).await;
    let function = Function::of(&api);

    let (result, event) = tokio::join!(api.invoke("{}"), function.next());

    assert_eq!(result, InvocationResult::TimedOut);
    assert_eq!(function.post(&format!("invocation/{}/response", id(&event)), "{}").await, 400);
}

#[tokio::test]
async fn errors_of_the_handler_and_of_the_initialisation_reach_the_test() {
    let api = RuntimeApi::start(LIMIT).await;
    let function = Function::of(&api);
    let error = json!({"errorType": "Bad", "errorMessage": "no order"});

    let (result, ()) = tokio::join!(api.invoke("{}"), async {
        let event = function.next().await;
        assert_eq!(
            function.post(&format!("invocation/{}/error", id(&event)), error.to_string()).await,
            202
        );
    });
    assert_eq!(result, InvocationResult::FunctionError(error.clone()));

    assert_eq!(api.init_error(), None);
    assert_eq!(function.post("init/error", error.to_string()).await, 202);
    assert_eq!(api.init_error(), Some(error.clone()));
    assert_eq!(api.invoke("{}").await, InvocationResult::FunctionError(error));
}

#[tokio::test]
async fn a_response_over_6_mb_is_refused_as_lambda_refuses_it() {
    let api = RuntimeApi::start(LIMIT).await;
    let function = Function::of(&api);

    let (result, ()) = tokio::join!(api.invoke("{}"), async {
        let event = function.next().await;
        let large = "x".repeat(6 * 1024 * 1024 + 101);
        assert_eq!(function.post(&format!("invocation/{}/response", id(&event)), large).await, 413);
    });

    let InvocationResult::FunctionError(error) = result else { panic!("{result:?}") };
    assert_eq!(error["errorType"], "Function.ResponseSizeTooLarge");
}

#[tokio::test]
async fn a_streamed_response_is_recorded_and_its_failure_is_read_from_its_trailers() {
    let api = RuntimeApi::start(LIMIT).await;
    let function = Function::of(&api);

    for failed in [false, true] {
        let (result, ()) = tokio::join!(api.invoke("{}"), async {
            let id = id(&function.next().await);
            let status = http()
                .post(format!("{}/invocation/{id}/response", function.0))
                .header("lambda-runtime-function-response-mode", "streaming")
                .header(header::TRAILER, "lambda-runtime-function-error-type")
                .body(streamed(failed))
                .send()
                .await
                .unwrap()
                .status();
            assert_eq!(status.as_u16(), 202);
        });
        let expected = match failed {
            false => InvocationResult::Ok(Bytes::from_static(b"piece")),
            true => InvocationResult::FunctionError(json!({"errorType": "Broken", "body": ""})),
        };
        assert_eq!(result, expected);
    }
    assert_eq!(api.streamed(), 2);
}

fn streamed(failed: bool) -> Body {
    let trailers = failed.then(|| {
        let mut trailers = HeaderMap::new();
        trailers.insert("lambda-runtime-function-error-type", "Broken".parse().unwrap());
        Ok(trailers)
    });
    let body = Unsized(Full::new(Bytes::from_static(b"piece")));
    Body::wrap(body.with_trailers(std::future::ready(trailers)))
}

/// A body of unknown length, so that it is sent in chunks, which alone can have trailers.
struct Unsized<B>(B);

impl<B: hyper::body::Body + Unpin> hyper::body::Body for Unsized<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        std::pin::Pin::new(&mut self.0).poll_frame(context)
    }
}
