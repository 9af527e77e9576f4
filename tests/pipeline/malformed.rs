//! Malformed records: only the malformed record fails, the other records are handled, and nothing is lost.

use std::sync::{Arc, Mutex};

use axum::extract::State;
use funcify::{
    pipeline::{
        InvocationErrorKind, KinesisRecord, Pipeline, Problem, Processed, S3Object, SnsRecord,
        SqsRecord, route,
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
            .sqs("orders*", route(on_message).concurrency(concurrency))
            .s3("uploads", on_object)
            .sns("notices", on_notice)
            .kinesis("clicks", on_record)
            .build()
            .unwrap()
    };
    [builder(1), builder(4)]
}

/// The records that were handled, in the order in which they were handled, and the result of the event.
async fn handled(pipeline: &Pipeline, log: &Log, records: Vec<Value>) -> (Vec<String>, Processed) {
    let processed = pipeline.process(TestEvent::from(json!({ "Records": records })).into()).await;
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
async fn a_malformed_message_is_reported_and_the_others_are_handled() {
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
async fn a_failure_without_an_identifier_fails_the_batch_so_that_nothing_is_lost() {
    let log = Log::default();
    for pipeline in pipelines(&log) {
        for nameless in
            [Value::Null, json!(5), sqs("orders", 5, "a", "x"), sqs("orders", "", "a", "bad")]
        {
            let batch = vec![sqs("orders", "1", "a", "x"), nameless, sqs("orders", "3", "a", "x")];
            let (seen, processed) = handled(&pipeline, &log, batch).await;
            assert!(seen.contains(&"1".to_owned()) && seen.contains(&"3".to_owned()), "{seen:?}");
            let failure = processed.result.unwrap_err();
            assert_eq!(failure.kind, InvocationErrorKind::RecordsFailed);
            assert_eq!(failure.to_string(), "1 of 3 records failed");
        }
    }
}

#[tokio::test]
async fn a_fifo_queue_keeps_its_order_around_a_malformed_message() {
    let log = Log::default();
    for pipeline in pipelines(&log) {
        // The group is known, so only that group waits.
        let batch = vec![
            sqs("orders.fifo", "a1", "a", 5),
            sqs("orders.fifo", "b1", "b", "x"),
            sqs("orders.fifo", "a2", "a", "x"),
        ];
        let (seen, processed) = handled(&pipeline, &log, batch).await;
        assert_eq!(seen, ["b1"]);
        assert_eq!(processed.result.unwrap().failures(), ["a1", "a2"]);
        // The group is unknown, so the message may belong to the group of any message after it.
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
async fn a_stream_stops_at_a_malformed_record() {
    let log = Log::default();
    let record = |number: &str, data: &str| {
        json!({
            "eventSource": "aws:kinesis",
            "eventSourceARN": "arn:aws:kinesis:eu-west-1:123456789012:stream/clicks",
            "kinesis": { "sequenceNumber": number, "partitionKey": "p", "data": data },
        })
    };
    for pipeline in pipelines(&log) {
        let batch = vec![record("1", "YQ=="), record("2", "not base64"), record("3", "YQ==")];
        let (seen, processed) = handled(&pipeline, &log, batch).await;
        assert_eq!(
            (seen, processed.result.unwrap().failures()),
            (vec!["1".to_owned()], &["2".to_owned()][..])
        );
    }
}

#[tokio::test]
async fn without_reports_the_other_records_are_handled_and_all_are_delivered_again() {
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
            assert_eq!(processed.result.unwrap_err().kind, InvocationErrorKind::RecordsFailed);
        }
    }
}

#[tokio::test]
async fn a_queue_without_reports_gets_no_report_that_it_would_not_read() {
    let log = Log::default();
    let builder =
        Pipeline::builder(Arc::clone(&log)).sqs("orders", route(on_message).whole_batch());
    let pipeline = builder.build().unwrap();
    // Nothing in the event says which queue it comes from.
    let nowhere = json!({ "eventSource": "aws:sqs", "messageId": "1", "body": "x" });
    let (_, processed) = handled(&pipeline, &log, vec![nowhere]).await;
    assert_eq!(processed.result.unwrap_err().kind, InvocationErrorKind::RecordsFailed);
}

/// Whether the messages before and after a malformed one are handled.
fn keeps_the_others(handled: &[String]) -> bool {
    handled == ["1", "3"]
}

#[tokio::test]
async fn a_parser_of_the_whole_batch_loses_the_other_messages_and_is_caught() {
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
