//! A record that is none fails by itself: those beside it are handled, and nothing is lost.

use std::sync::{Arc, Mutex};

use axum::extract::State;
use funcify::{
    pipeline::{
        FailureKind, KinesisRecord, Pipeline, Problem, Processed, S3Object, SnsRecord, SqsRecord,
    },
    testing::TestEvent,
};
use serde_json::{Value, json};

type Log = Arc<Mutex<Vec<String>>>;

async fn on_message(State(log): State<Log>, message: SqsRecord) -> Result<(), Problem> {
    log.lock().unwrap().push(message.id.clone());
    if message.body == "bad" { Err(Problem::bad_request("bad")) } else { Ok(()) }
}

async fn on_object(State(log): State<Log>, object: S3Object) -> Result<(), Problem> {
    log.lock().unwrap().push(object.key);
    Ok(())
}

async fn on_notice(State(log): State<Log>, notice: SnsRecord) -> Result<(), Problem> {
    log.lock().unwrap().push(notice.message);
    Ok(())
}

async fn on_record(State(log): State<Log>, record: KinesisRecord) -> Result<(), Problem> {
    log.lock().unwrap().push(record.sequence_number);
    Ok(())
}

fn pipelines(log: &Log) -> [Pipeline; 2] {
    let builder = |concurrency: usize| {
        Pipeline::builder(Arc::clone(log))
            .sqs("orders*", on_message)
            .concurrency(concurrency)
            .s3("uploads", on_object)
            .sns("notices", on_notice)
            .kinesis("clicks", on_record)
            .build()
            .unwrap()
    };
    [builder(1), builder(4)]
}

/// What was handled, in which order, and what was reported.
async fn handled(pipeline: &Pipeline, log: &Log, records: Vec<Value>) -> (Vec<String>, Processed) {
    let processed = TestEvent::new(json!({ "Records": records })).process(pipeline).await;
    (std::mem::take(&mut *log.lock().unwrap()), processed)
}

fn sqs(
    queue: &str,
    id: impl Into<Value>,
    group: impl Into<Value>,
    body: impl Into<Value>,
) -> Value {
    let (id, group, body): (Value, Value, Value) = (id.into(), group.into(), body.into());
    json!({
        "eventSource": "aws:sqs", "messageId": id, "body": body,
        "attributes": { "MessageGroupId": group },
        "eventSourceARN": format!("arn:aws:sqs:eu-west-1:123456789012:{queue}"),
    })
}

#[tokio::test]
async fn a_message_that_is_none_is_reported_and_the_others_are_handled() {
    let log = Log::default();
    for pipeline in pipelines(&log) {
        let batch = vec![
            sqs("orders", "1", "a", "x"),
            sqs("orders", "2", "a", json!({ "order": 7 })),
            sqs("orders", "3", "a", "bad"),
            sqs("orders", "4", "a", "x"),
        ];
        let (mut seen, processed) = handled(&pipeline, &log, batch).await;
        seen.sort();
        assert_eq!(seen, ["1", "3", "4"]);
        assert_eq!(processed.result.unwrap().failures(), ["2", "3"]);
    }
}

#[tokio::test]
async fn a_failure_that_cannot_be_named_fails_the_batch_so_that_nothing_is_lost() {
    let log = Log::default();
    for pipeline in pipelines(&log) {
        for nameless in
            [Value::Null, json!(5), sqs("orders", 5, "a", "x"), sqs("orders", "", "a", "bad")]
        {
            let batch = vec![sqs("orders", "1", "a", "x"), nameless, sqs("orders", "3", "a", "x")];
            let (seen, processed) = handled(&pipeline, &log, batch).await;
            assert!(seen.contains(&"1".to_owned()) && seen.contains(&"3".to_owned()), "{seen:?}");
            let failure = processed.result.unwrap_err();
            assert_eq!(failure.kind(), FailureKind::RecordsFailed);
            assert_eq!(failure.to_string(), "1 of 3 records failed");
        }
    }
}

#[tokio::test]
async fn a_fifo_queue_keeps_its_order_around_a_message_that_is_none() {
    let log = Log::default();
    for pipeline in pipelines(&log) {
        // Its group is known: only that waits.
        let batch = vec![
            sqs("orders.fifo", "a1", "a", 5),
            sqs("orders.fifo", "b1", "b", "x"),
            sqs("orders.fifo", "a2", "a", "x"),
        ];
        let (seen, processed) = handled(&pipeline, &log, batch).await;
        assert_eq!(seen, ["b1"]);
        assert_eq!(processed.result.unwrap().failures(), ["a1", "a2"]);
        // It is not: it may stand before any of those behind it.
        let batch = vec![
            sqs("orders.fifo", "a1", "a", "x"),
            sqs("orders.fifo", "b1", Value::Null, 5),
            sqs("orders.fifo", "a2", "a", "x"),
            sqs("orders.fifo", "c1", "c", "x"),
        ];
        let (seen, processed) = handled(&pipeline, &log, batch).await;
        assert_eq!(seen, ["a1"]);
        assert_eq!(processed.result.unwrap().failures(), ["b1", "a2", "c1"]);
    }
}

#[tokio::test]
async fn a_stream_stops_at_a_record_that_is_none() {
    let log = Log::default();
    let record = |number: &str, data: &str| {
        json!({
            "eventSource": "aws:kinesis",
            "eventSourceARN": "arn:aws:kinesis:eu-west-1:123456789012:stream/clicks",
            "kinesis": { "sequenceNumber": number, "partitionKey": "p", "data": data },
        })
    };
    for pipeline in pipelines(&log) {
        let batch = vec![record("1", "YQ=="), record("2", "no base64"), record("3", "YQ==")];
        let (seen, processed) = handled(&pipeline, &log, batch).await;
        assert_eq!(
            (seen, processed.result.unwrap().failures()),
            (vec!["1".to_owned()], &["2".to_owned()][..])
        );
    }
}

#[tokio::test]
async fn where_no_record_is_reported_the_others_are_handled_and_all_come_again() {
    let object = |key: Value| {
        json!({
            "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
            "s3": { "bucket": { "name": "uploads" }, "object": { "key": key } },
        })
    };
    let notice = |message: Value| {
        let topic = "arn:aws:sns:eu-west-1:123456789012:notices";
        json!({ "EventSource": "aws:sns", "Sns": { "MessageId": "1", "TopicArn": topic, "Message": message } })
    };
    let log = Log::default();
    for pipeline in pipelines(&log) {
        for record in [&object as &dyn Fn(Value) -> Value, &notice] {
            let batch = vec![record("a".into()), record(7.into()), record("b".into())];
            let (seen, processed) = handled(&pipeline, &log, batch).await;
            assert_eq!(seen, ["a", "b"]);
            assert_eq!(processed.result.unwrap_err().kind(), FailureKind::RecordsFailed);
        }
    }
}

#[tokio::test]
async fn a_queue_without_reports_is_not_told_of_failures_that_it_would_not_read() {
    let log = Log::default();
    let builder = Pipeline::builder(Arc::clone(&log)).sqs("orders", on_message).whole_batch();
    let pipeline = builder.build().unwrap();
    // Nothing tells which queue it was.
    let nowhere = json!({ "eventSource": "aws:sqs", "messageId": "1", "body": "x" });
    let (_, processed) = handled(&pipeline, &log, vec![nowhere]).await;
    assert_eq!(processed.result.unwrap_err().kind(), FailureKind::RecordsFailed);
}

/// Whether the messages beside one that is none are handled.
fn keeps_the_others(handled: &[String]) -> bool {
    handled == ["1", "3"]
}

#[tokio::test]
async fn a_reader_that_parses_a_batch_as_one_loses_the_others_and_is_caught() {
    let log = Log::default();
    let [pipeline, _] = pipelines(&log);
    let batch = vec![
        sqs("orders", "1", "a", "x"),
        sqs("orders", "2", "a", 5),
        sqs("orders", "3", "a", "x"),
    ];
    let as_one = serde_json::from_value::<Vec<SqsRecord>>(batch.clone().into());
    let ids = as_one.unwrap_or_default().into_iter().map(|message| message.id).collect::<Vec<_>>();
    assert!(!keeps_the_others(&ids));
    let (seen, _) = handled(&pipeline, &log, batch).await;
    assert!(keeps_the_others(&seen));
}
