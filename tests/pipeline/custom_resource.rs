//! Custom resources of CloudFormation: the stack gets a response, whatever the handler does.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, body::Bytes, extract::State, http::HeaderMap, routing::put};
use funcify::{
    pipeline::{Invocation, InvocationErrorKind, InvocationOutcome, Kind, Pipeline, Problem},
    testing::TestEvent,
};
use http::StatusCode;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::events;

type Received = Arc<Mutex<Vec<(HeaderMap, Value)>>>;

/// A bucket that keeps what is uploaded, and refuses the first `refusals` uploads.
async fn bucket(refusals: usize) -> (String, Received) {
    let received = Received::default();
    let left = Arc::new(Mutex::new(refusals));
    let keep = move |State(received): State<Received>, headers: HeaderMap, body: Bytes| async move {
        let mut left = left.lock().unwrap();
        if *left > 0 {
            *left -= 1;
            return StatusCode::SERVICE_UNAVAILABLE;
        }
        received.lock().unwrap().push((headers, serde_json::from_slice(&body).unwrap()));
        StatusCode::OK
    };
    let router = Router::new().route("/answer", put(keep)).with_state(Arc::clone(&received));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/answer?signature=canary", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (url, received)
}

fn event(url: &str, physical: Option<&str>) -> TestEvent {
    let mut event = events::json(&TestEvent::of(Kind::CloudFormation));
    event["ResponseURL"] = json!(url);
    match physical {
        Some(physical) => event["PhysicalResourceId"] = json!(physical),
        None => drop(event.as_object_mut().unwrap().remove("PhysicalResourceId")),
    }
    TestEvent::from(event)
}

/// Does what the member `ResourceProperties.does` says.
async fn handler(event: Value) -> Result<Value, Problem> {
    match event["ResourceProperties"]["does"].as_str().unwrap_or_default() {
        "nothing" => Ok(Value::Null),
        "fails" => Err(Problem::bad_request("no such zone")),
        "fails inside" => Err(std::io::Error::other("canary").into()),
        "panics" => panic!("canary"),
        "hangs" => std::future::pending().await,
        "too much" => Ok(json!({ "Data": { "text": "x".repeat(5_000) } })),
        "no object" => Ok(json!([1])),
        _ => Ok(json!({ "PhysicalResourceId": "own", "NoEcho": true, "Data": { "Zone": "z1" } })),
    }
}

fn does(url: &str, physical: Option<&str>, does: &str) -> TestEvent {
    let mut event = events::json(&event(url, physical));
    event["ResourceProperties"] = json!({ "does": does });
    TestEvent::from(event)
}

#[tokio::test]
async fn the_stack_gets_what_the_handler_returns() {
    let (url, received) = bucket(0).await;
    let pipeline = Pipeline::builder(()).cloudformation(handler).build().unwrap();
    let sent = events::json(&event(&url, None));
    for (physical, what, expected) in [
        (
            None,
            "all",
            json!({ "PhysicalResourceId": "own", "NoEcho": true, "Data": { "Zone": "z1" } }),
        ),
        (None, "nothing", json!({ "PhysicalResourceId": sent["RequestId"] })),
        (Some("old"), "nothing", json!({ "PhysicalResourceId": "old" })),
        (
            Some("old"),
            "all",
            json!({ "PhysicalResourceId": "own", "NoEcho": true, "Data": { "Zone": "z1" } }),
        ),
    ] {
        let processed = pipeline.process(does(&url, physical, what).into()).await;
        assert_eq!(processed.outcome, InvocationOutcome::Handled, "{:?}", processed.cause);
        let (headers, answer) = received.lock().unwrap().pop().unwrap();
        let mut whole = json!({
            "Status": "SUCCESS", "StackId": sent["StackId"], "RequestId": sent["RequestId"],
            "LogicalResourceId": sent["LogicalResourceId"],
        });
        whole.as_object_mut().unwrap().extend(expected.as_object().unwrap().clone());
        assert_eq!(answer, whole, "{what}");
        // The URL is signed for a request without a content type.
        assert_eq!(headers["content-type"], "");
    }
}

#[tokio::test]
async fn a_failure_a_panic_and_the_deadline_are_answered() {
    let (url, received) = bucket(0).await;
    let pipeline = Pipeline::builder(()).cloudformation(handler).build().unwrap();
    for (what, reason) in [
        ("fails", "no such zone"),
        ("fails inside", "Internal Server Error"),
        ("panics", "Internal Server Error"),
        ("too much", "expected a response of at most 4,096 bytes"),
        ("no object", "Internal Server Error"),
    ] {
        let processed = pipeline.process(does(&url, Some("old"), what).into()).await;
        // The stack already has its response, so Lambda must not run the function again.
        assert!(processed.result.is_ok(), "{what}");
        let (_, answer) = received.lock().unwrap().pop().unwrap();
        assert_eq!((&answer["Status"], &answer["Reason"]), (&json!("FAILED"), &json!(reason)));
        assert_eq!(answer["PhysicalResourceId"], "old");
    }
    let processed =
        pipeline.process(within(Duration::from_secs(2), &does(&url, None, "hangs"))).await;
    assert!(processed.result.is_ok(), "{:?}", processed.cause);
    let (_, answer) = received.lock().unwrap().pop().unwrap();
    assert_eq!(
        (&answer["Status"], &answer["Reason"]),
        (&json!("FAILED"), &json!("Service Unavailable"))
    );
}

fn within(
    time: Duration,
    event: &TestEvent,
) -> lambda_runtime::LambdaEvent<Box<serde_json::value::RawValue>> {
    let mut event = lambda_runtime::LambdaEvent::from(event);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    event.context.deadline = u64::try_from((now + time).as_millis()).unwrap();
    event
}

#[tokio::test]
async fn an_event_that_a_guard_refuses_is_answered() {
    let (url, received) = bucket(0).await;
    let refuse = async |_: Invocation| Err(Problem::bad_request("not from this stack"));
    let pipeline = Pipeline::builder(()).guard(refuse).cloudformation(handler).build().unwrap();
    let processed = pipeline.process(event(&url, None).into()).await;
    assert_eq!((processed.outcome, processed.result.is_ok()), (InvocationOutcome::Refused, true));
    let (_, answer) = received.lock().unwrap().pop().unwrap();
    assert_eq!(
        (&answer["Status"], &answer["Reason"]),
        (&json!("FAILED"), &json!("not from this stack"))
    );
}

#[tokio::test]
async fn an_upload_is_tried_three_times_and_its_url_is_in_no_error() {
    for (refusals, arrives) in [(2, true), (3, false)] {
        let (url, received) = bucket(refusals).await;
        let pipeline = Pipeline::builder(()).cloudformation(handler).build().unwrap();
        let processed = pipeline.process(event(&url, None).into()).await;
        assert_eq!(processed.result.is_ok(), arrives);
        assert_eq!(received.lock().unwrap().len(), usize::from(arrives));
        assert!(!format!("{processed:?}").contains("canary"), "{processed:?}");
    }
}

#[tokio::test]
async fn a_response_is_sent_over_https_only_except_to_this_machine() {
    let pipeline = Pipeline::builder(()).cloudformation(handler).build().unwrap();
    for url in ["http://bucket.example/answer?signature=canary", "canary", "file:///canary"] {
        let failure = event(url, None).send(&pipeline).await.unwrap_err();
        assert_eq!(failure.kind, InvocationErrorKind::HandlerFailed);
        assert!(!failure.to_string().contains("canary"), "{failure}");
    }
}
