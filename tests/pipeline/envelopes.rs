//! The policy can restrict the sources of the records in envelopes.

use std::sync::{Arc, Mutex};

use axum::extract::State;
use funcify::{
    auth::AccessPolicy,
    pipeline::{EventBridgeEvent, InvocationOutcome, Pipeline, Problem, S3Object, SnsRecord, via},
    testing::TestEvent,
};
use serde_json::{Value, json};

use crate::support::events;

type Log = Arc<Mutex<Vec<String>>>;

async fn on_object(State(log): State<Log>, object: S3Object) -> Result<(), Problem> {
    log.lock().unwrap().push(object.bucket);
    Ok(())
}

async fn on_notification(State(log): State<Log>, record: SnsRecord) -> Result<(), Problem> {
    log.lock().unwrap().push(record.topic_arn);
    Ok(())
}

async fn on_event(State(log): State<Log>, event: EventBridgeEvent) -> Result<(), Problem> {
    log.lock().unwrap().push(event.source);
    Ok(())
}

fn pipeline(log: &Log, policy: AccessPolicy) -> Pipeline {
    Pipeline::builder(Arc::clone(log))
        .sqs("objects", via::<S3Object, _>(on_object))
        .sqs("topics", via::<SnsRecord, _>(on_notification))
        .sqs("fanned", via::<SnsRecord, _>(via::<S3Object, _>(on_object)))
        .sqs("events", via::<EventBridgeEvent, _>(on_event))
        .sqs("bus", via::<EventBridgeEvent, _>(via::<S3Object, _>(on_object)))
        .sns("objects-topic", via::<S3Object, _>(on_object))
        .kinesis("stream", via::<S3Object, _>(on_object))
        .s3("uploads", on_object)
        .policy(policy)
        .build()
        .unwrap()
}

/// A notification about an object in `bucket`. `arn` may be that of another bucket.
fn object(bucket: &str, arn: &str) -> Value {
    let mut event = events::json(&TestEvent::s3(bucket, "a"));
    event["Records"][0]["s3"]["bucket"]["arn"] = json!(arn);
    event
}

fn uploads() -> Value {
    object("uploads", "arn:aws:s3:::uploads")
}

fn evil() -> Value {
    object("evil", "arn:aws:s3:::evil")
}

/// A notification of a topic of this account, as a queue gets it.
fn notification(account: &str, message: &Value) -> Value {
    let event = events::json(&TestEvent::sns("t", message.to_string()));
    let mut notification = event["Records"][0]["Sns"].clone();
    notification["Type"] = json!("Notification");
    notification["TopicArn"] = json!(format!("arn:aws:sns:eu-west-1:{account}:t"));
    notification
}

/// An event of a bus about an object in `bucket`, with `resource` among its resources.
fn bus_event(bucket: &str, resource: &str) -> Value {
    let detail = json!({ "bucket": { "name": bucket }, "object": { "key": "a" } });
    let mut event = events::json(&TestEvent::eventbridge("aws.s3", "Object Created", detail));
    event["resources"] = json!([resource]);
    event
}

const OURS: &str = "123456789012";
const OTHERS: &str = "999999999999";

fn sources() -> AccessPolicy {
    let queue = |name: &str| format!("arn:aws:sqs:*:{OURS}:{name}");
    let queues = ["objects", "topics", "fanned", "bus", "events"];
    let policy = queues
        .iter()
        .fold(AccessPolicy::new(), |policy, name| policy.allow_source(name, &queue(name)));
    let topics = format!("arn:aws:sns:*:{OURS}:*");
    policy
        .allow_source("objects", "arn:aws:s3:::uploads")
        .allow_source("topics", &topics)
        .allow_source("fanned", &topics)
        .allow_source("fanned", "arn:aws:s3:::uploads")
        .allow_source("bus", "arn:aws:s3:::uploads")
        .allow_source("events", "arn:aws:events:*:*:*")
        .allow_source("objects-topic", &topics)
        .allow_source("objects-topic", "arn:aws:s3:::uploads")
        .allow_source("stream", "arn:aws:kinesis:*:*:stream/stream")
        .allow_source("stream", "arn:aws:s3:::uploads")
        .allow_source("uploads", "arn:aws:s3:::uploads")
}

/// Events with an envelope, and whether the record inside comes from an allowed source.
fn rows() -> Vec<(&'static str, TestEvent, bool)> {
    let queue = |name: &str, body: Value| TestEvent::sqs(name).record("1", body.to_string());
    let rule = "arn:aws:events:eu-west-1:123456789012:rule/ours";
    vec![
        ("a bucket", queue("objects", uploads()), true),
        ("another bucket", queue("objects", evil()), false),
        ("another bucket's ARN", queue("objects", object("uploads", "arn:aws:s3:::evil")), false),
        ("another bucket's name", queue("objects", object("evil", "arn:aws:s3:::uploads")), false),
        ("a topic", queue("topics", notification(OURS, &json!("hello"))), true),
        ("another account's topic", queue("topics", notification(OTHERS, &json!("hello"))), false),
        ("a bucket by a topic", queue("fanned", notification(OURS, &uploads())), true),
        ("another bucket by a topic", queue("fanned", notification(OURS, &evil())), false),
        ("a bucket by another topic", queue("fanned", notification(OTHERS, &uploads())), false),
        ("a bucket by a bus", queue("bus", bus_event("uploads", "arn:aws:s3:::evil")), true),
        ("another bucket by a bus", queue("bus", bus_event("evil", "arn:aws:s3:::uploads")), false),
        ("an event that names a rule", queue("events", bus_event("uploads", rule)), false),
        ("a topic's bucket", TestEvent::sns("objects-topic", uploads().to_string()), true),
        ("a topic's other bucket", TestEvent::sns("objects-topic", evil().to_string()), false),
        (
            "a stream's bucket",
            TestEvent::kinesis("stream").record("1", uploads().to_string()),
            true,
        ),
        (
            "a stream's other bucket",
            TestEvent::kinesis("stream").record("1", evil().to_string()),
            false,
        ),
        ("no envelope", TestEvent::from(uploads()), true),
        (
            "no envelope, another ARN",
            TestEvent::from(object("uploads", "arn:aws:s3:::evil")),
            false,
        ),
    ]
}

/// Whether a record reaches the handler exactly if the policy allows its source.
async fn is_restricted(name: &str, event: TestEvent, allowed: bool, policy: AccessPolicy) -> bool {
    let log = Log::default();
    let processed = pipeline(&log, policy).process(event.into()).await;
    let seen = log.lock().unwrap().len();
    let expected = match allowed {
        true => (InvocationOutcome::Handled, 1),
        false => (InvocationOutcome::Refused, 0),
    };
    assert!(seen == 1 || processed.outcome == InvocationOutcome::Refused, "{name}: {processed:?}");
    (processed.outcome, seen) == expected
}

#[tokio::test]
async fn a_record_in_an_envelope_must_be_from_a_source_of_its_route() {
    for (name, event, allowed) in rows() {
        assert!(is_restricted(name, event.clone(), allowed, sources()).await, "{name}");
        // Mutant: a policy that judges only the envelopes. A policy without patterns for their content does
        // so.
        let unrestricted = AccessPolicy::new();
        assert_eq!(is_restricted(name, event, allowed, unrestricted).await, allowed, "{name}");
    }
}

#[tokio::test]
async fn the_other_records_of_an_envelope_and_of_the_batch_are_handled() {
    let log = Log::default();
    let pipeline = pipeline(&log, sources());
    let mut both = evil();
    both["Records"].as_array_mut().unwrap().push(uploads()["Records"][0].clone());
    let batch = TestEvent::sqs("objects")
        .record("1", both.to_string())
        .record("2", uploads().to_string())
        .record("3", evil().to_string());
    let processed = pipeline.process(batch.into()).await;
    assert_eq!(processed.result.unwrap().failures(), ["1", "3"]);
    assert_eq!(*log.lock().unwrap(), ["uploads", "uploads"]);
}

#[test]
fn a_restriction_that_an_event_of_a_bus_would_share_is_a_fault() {
    let queue = |name: &str| {
        let policy = AccessPolicy::new().allow_source(name, "arn:aws:sqs:*:*:orders");
        let builder =
            Pipeline::builder(Log::default()).sqs("orders", via::<S3Object, _>(on_object));
        builder.eventbridge("orders", on_event).policy(policy).build()
    };
    let fault = "the policy restricts the sources of \"orders\", but a route of eventbridge has this name too";
    assert!(queue("orders").unwrap_err().to_string().contains(fault));
    let unknown = "no route of s3, sqs, sns, kinesis or dynamodb_stream has this name";
    assert!(queue("Order Placed").unwrap_err().to_string().contains(unknown));
}
