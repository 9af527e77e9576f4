//! Tumbling windows: the handler gets the state and returns it, and the last call reaches the handler too.

use std::collections::BTreeMap;

use funcify::{
    pipeline::{
        DynamoDbRecord, InvocationOutcome, KinesisRecord, Pipeline, Problem, Window, windowed,
    },
    testing::TestEvent,
};
use serde_json::{Value, json};

use crate::support::events;

type Sums = BTreeMap<String, u64>;

async fn sum(window: Window<Sums, KinesisRecord>) -> Result<Sums, Problem> {
    let mut sums = window.state;
    if window.is_final {
        assert_eq!((&*window.end, window.records.len()), ("2026-05-01T10:02:00Z", 0));
        sums.insert("final".to_owned(), 1);
    }
    for record in window.records {
        let text = String::from_utf8(record.data).unwrap();
        if text == "fail" {
            return Err(Problem::bad_request("expected a number"));
        }
        *sums.entry(record.partition_key).or_default() += text.parse::<u64>().unwrap();
    }
    Ok(sums)
}

async fn count(window: Window<u64, DynamoDbRecord>) -> Result<u64, Problem> {
    Ok(window.state + window.records.len() as u64)
}

fn pipeline() -> Pipeline {
    let each = async |_: KinesisRecord| Ok::<(), Problem>(());
    Pipeline::builder(())
        .kinesis("meters", windowed(sum))
        .kinesis("plain", each)
        .dynamodb_stream("orders", windowed(count))
        .build()
        .unwrap()
}

fn window(event: TestEvent, state: Value, is_final: bool) -> TestEvent {
    let mut event = events::json(&event);
    event["window"] = json!({ "start": "2026-05-01T10:00:00Z", "end": "2026-05-01T10:02:00Z" });
    event["state"] = state;
    event["shardId"] = json!("shardId-000000000006");
    event["isFinalInvokeForWindow"] = json!(is_final);
    event["isWindowTerminatedEarly"] = json!(false);
    event["eventSourceARN"] = json!("arn:aws:kinesis:eu-west-1:123456789012:stream/meters");
    TestEvent::from(event)
}

async fn output(event: TestEvent) -> Value {
    serde_json::to_value(event.send(&pipeline()).await.unwrap()).unwrap()
}

#[tokio::test]
async fn the_state_goes_in_and_comes_out() {
    let batch = || TestEvent::kinesis("meters").record("1", "3").record("2", "4");
    let first = output(window(batch(), json!({}), false)).await;
    assert_eq!(first, json!({ "state": { "1": 7 }, "batchItemFailures": [] }));
    let second = output(window(batch(), first["state"].clone(), false)).await;
    assert_eq!(second["state"], json!({ "1": 14 }));
}

#[tokio::test]
async fn the_last_call_has_no_records_and_reaches_the_handler() {
    let last = window(TestEvent::kinesis("meters"), json!({ "1": 14 }), true);
    let processed = pipeline().process(last.into()).await;
    assert_eq!(processed.route.as_deref(), Some("meters"));
    let output = serde_json::to_value(processed.result.unwrap()).unwrap();
    assert_eq!(output, json!({ "state": { "1": 14, "final": 1 }, "batchItemFailures": [] }));
}

#[tokio::test]
async fn a_state_of_any_type_begins_with_its_default() {
    let batch = TestEvent::dynamodb_stream("orders").record("1", "a").record("2", "b");
    let mut event = events::json(&window(batch, json!({}), false));
    event["eventSourceARN"] = event["Records"][0]["eventSourceARN"].clone();
    assert_eq!(output(TestEvent::from(event)).await["state"], json!(2));
}

#[tokio::test]
async fn a_handler_that_fails_fails_the_invocation() {
    let batch = TestEvent::kinesis("meters").record("1", "fail");
    let processed = pipeline().process(window(batch, json!({}), false).into()).await;
    assert_eq!(processed.outcome, InvocationOutcome::Failed);
    assert!(processed.result.is_err());
}

#[tokio::test]
async fn a_malformed_record_ends_the_records_of_the_call() {
    let batch = TestEvent::kinesis("meters").record("1", "3").record("2", "4").record("3", "5");
    let mut event = events::json(&window(batch, json!({}), false));
    event["Records"][1]["kinesis"]["data"] = json!("***");
    let output = output(TestEvent::from(event)).await;
    let failures = json!([{ "itemIdentifier": "2" }]);
    assert_eq!(output, json!({ "state": { "1": 3 }, "batchItemFailures": failures }));
}

#[tokio::test]
async fn a_handler_without_windows_gives_the_state_back() {
    let batch = TestEvent::kinesis("plain").record("1", "3");
    let mut event = events::json(&window(batch, json!({ "kept": 1 }), false));
    event["eventSourceARN"] = event["Records"][0]["eventSourceARN"].clone();
    let output = output(TestEvent::from(event)).await;
    assert_eq!(output, json!({ "state": { "kept": 1 }, "batchItemFailures": [] }));
}
