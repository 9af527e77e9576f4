//! Batches of the largest size that Lambda delivers.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::{Json, extract::State};
use funcify::{
    pipeline::{
        DynamoDbRecord, FirehoseRecord, InvocationOutcome, Pipeline, Problem, SqsRecord,
        Transformed,
    },
    testing::TestEvent,
};
use serde_json::{Value, json};

use crate::support::events;

type Count = Arc<AtomicUsize>;

async fn on_change(State(count): State<Count>, _record: DynamoDbRecord) -> Result<(), Problem> {
    count.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

async fn on_message(State(count): State<Count>, _record: SqsRecord) -> Result<(), Problem> {
    count.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

fn pipeline(count: &Count) -> Pipeline {
    let builder = Pipeline::builder(Arc::clone(count));
    builder.dynamodb_stream("orders", on_change).sqs("orders", on_message).build().unwrap()
}

/// A batch of a stream in which each item is `item`.
fn stream(records: usize, item: &Value) -> TestEvent {
    let batch = (0..records).fold(TestEvent::dynamodb_stream("orders"), |batch, number| {
        batch.record(&number.to_string(), "7")
    });
    let mut event = events::json(&batch);
    for record in event["Records"].as_array_mut().unwrap() {
        record["dynamodb"]["NewImage"] = item.clone();
        record["dynamodb"]["OldImage"] = item.clone();
    }
    TestEvent::from(event)
}

#[tokio::test]
async fn a_batch_of_wide_items_is_handled_whatever_its_total_size() {
    let item = (0..40).map(|n| (format!("attribute{n}"), json!({"S": "x"})));
    let item = Value::Object(item.collect());
    let count = Count::default();
    let processed = pipeline(&count).process(stream(1_000, &item).into()).await;
    assert_eq!(
        (processed.outcome, count.load(Ordering::Relaxed)),
        (InvocationOutcome::Handled, 1_000)
    );
}

#[tokio::test]
async fn ten_thousand_messages_are_handled() {
    let batch =
        (0..10_000).fold(TestEvent::sqs("orders"), |batch, id| batch.record(&id.to_string(), "{}"));
    let count = Count::default();
    let processed = pipeline(&count).process(batch.into()).await;
    assert_eq!(
        (processed.outcome, count.load(Ordering::Relaxed)),
        (InvocationOutcome::Handled, 10_000)
    );
}

async fn on_click(
    State(count): State<Count>,
    record: FirehoseRecord,
) -> Result<Transformed, Problem> {
    count.fetch_add(1, Ordering::Relaxed);
    Ok(Transformed::Data(record.data))
}

async fn on_list(State(count): State<Count>, Json(event): Json<Value>) -> Result<usize, Problem> {
    let list = event.as_array().or(event["ids"].as_array()).unwrap();
    count.fetch_add(list.len(), Ordering::Relaxed);
    Ok(list.len())
}

/// Lambda bounds the size of an event, and nothing bounds the number of values in it.
#[tokio::test]
async fn the_largest_events_of_each_service_are_handled_whole() {
    let clicks = (0..2_500).fold(TestEvent::firehose("clicks"), |batch, number| {
        batch.record(&number.to_string(), "a")
    });
    let ids: Vec<String> = (0..20_000).map(|id| format!("order-{id}")).collect();
    let messages: Vec<Value> = (0..1_000)
        .map(|id| json!({ "messageId": id.to_string(), "body": "{}", "attributes": {} }))
        .collect();
    for (event, expected) in [
        (clicks, 2_500),
        (TestEvent::from(json!({ "ids": ids })), 20_000), // of a task of Step Functions
        (TestEvent::from(json!(messages)), 1_000),        // of a Pipe
    ] {
        let count = Count::default();
        let pipeline = Pipeline::builder(Arc::clone(&count))
            .firehose("clicks", on_click)
            .event("list", |_| true, on_list)
            .build()
            .unwrap();
        event.send(&pipeline).await.unwrap();
        assert_eq!(count.load(Ordering::Relaxed), expected);
    }
}

/// DynamoDB allows 32 levels in an item. In JSON each level is two levels deep, because values have their
/// type around them.
#[tokio::test]
async fn an_item_of_any_depth_and_width_is_handled() {
    let deep = |levels: usize| {
        let item = (0..levels).fold(json!({"S": "x"}), |inner, _| json!({"M": {"a": inner}}));
        json!({ "a": item })
    };
    let numbers = |count: usize| json!({ "a": { "L": vec![json!({ "N": "1" }); count] } });
    for item in [deep(31), deep(60), numbers(3_000), numbers(30_000)] {
        let count = Count::default();
        let processed = pipeline(&count).process(stream(2, &item).into()).await;
        let handled = count.load(Ordering::Relaxed);
        assert_eq!((processed.outcome, handled), (InvocationOutcome::Handled, 2));
    }
}

#[tokio::test]
async fn members_that_no_handler_reads_are_not_counted() {
    let mut outside = events::json(&stream(1, &json!({})));
    let mut inside = outside.clone();
    let wide = Value::from(vec![1; 10_000]);
    outside["more"] = wide.clone();
    inside["Records"][0]["dynamodb"]["more"] = wide;
    for event in [outside, inside] {
        let count = Count::default();
        let processed = pipeline(&count).process(TestEvent::from(event).into()).await;
        assert_eq!(processed.outcome, InvocationOutcome::Handled);
        assert_eq!(count.load(Ordering::Relaxed), 1);
    }
}

/// A message whose content no handler can take fails. The messages before and after it do not.
#[tokio::test]
async fn a_record_that_is_too_deep_for_its_handler_fails_alone() {
    let deep = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    let batch = TestEvent::sqs("orders")
        .record("1", deep(100))
        .record("2", deep(100_000))
        .record("3", deep(1));
    let any = async |_: funcify::pipeline::Message<Value>| Ok::<(), Problem>(());
    let pipeline = Pipeline::builder(()).sqs("orders", any).build().unwrap();
    assert_eq!(batch.send(&pipeline).await.unwrap().failures(), ["2"]);
    let mut event = events::json(&batch);
    event["Records"][0]["body"] = serde_json::from_str(&deep(100)).unwrap();
    let sent = TestEvent::from(event).send(&pipeline).await.unwrap();
    assert_eq!(sent.failures(), ["1", "2"]);
}
