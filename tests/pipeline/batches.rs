//! Batches: which records are handled, in which order, and which failures the source gets.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::extract::State;
use funcify::{
    pipeline::{
        DynamoDbRecord, EventBridgeEvent, InvocationErrorKind, InvocationOutcome, KinesisRecord,
        Message, Pipeline, Problem, S3Object, SnsRecord, SqsRecord, Unmatched, route, via,
    },
    testing::TestEvent,
};
use serde_json::{Value, json};

use crate::support::events;

type Log = Arc<Mutex<Vec<String>>>;

fn noted(log: &Log) -> Vec<String> {
    std::mem::take(&mut *log.lock().unwrap())
}

/// Records `what`. Fails if it starts with "bad", and panics if it is "panic".
fn note(log: &Log, what: &str) -> Result<(), Problem> {
    log.lock().unwrap().push(what.to_owned());
    assert_ne!(what, "panic");
    if what.starts_with("bad") { Err(Problem::bad_request("bad")) } else { Ok(()) }
}

async fn on_object(State(log): State<Log>, object: S3Object) -> Result<(), Problem> {
    note(&log, &object.key)
}

async fn on_message(State(log): State<Log>, message: SqsRecord) -> Result<(), Problem> {
    note(&log, &message.body)
}

async fn on_unmatched(State(log): State<Log>, unmatched: Unmatched) -> Result<(), Problem> {
    let name = unmatched.name.unwrap_or_default();
    note(&log, &format!("unmatched {} {name}", unmatched.kind))
}

#[tokio::test]
async fn s3_calls_the_handler_for_each_object_and_fails_if_any_failed() {
    let log = Log::default();
    let pipeline = Pipeline::builder(Arc::clone(&log))
        .s3("uploads", on_object)
        .s3("archive*", on_object)
        .build()
        .unwrap();
    let event = events::s3(&[("uploads", "a+b"), ("archive-2", "%C3%BC")]);
    let processed = pipeline.process(event.into()).await;
    assert_eq!(
        (processed.outcome, noted(&log)),
        (InvocationOutcome::Handled, vec!["a b".into(), "ü".into()])
    );
    assert_eq!(serde_json::to_value(processed.result.unwrap()).unwrap(), Value::Null);

    let event = events::s3(&[("uploads", "bad"), ("uploads", "good"), ("uploads", "panic")]);
    let processed = pipeline.process(event.into()).await;
    assert_eq!((processed.outcome, noted(&log).len()), (InvocationOutcome::Failed, 3));
    assert_eq!(processed.result.unwrap_err().kind, InvocationErrorKind::RecordsFailed);
}

/// Whether the route `uploads` takes the objects of the bucket `uploads` and of no other.
async fn takes_its_own_bucket_only(pipeline: &Pipeline) -> bool {
    let takes = async |bucket: &str| {
        let processed = pipeline.process(TestEvent::s3(bucket, "a").into()).await;
        processed.route.as_deref() == Some("uploads")
    };
    let others = ["uploads.evil.example", "uploads-2", "upload", "Uploads", "evil.uploads", ""];
    let mut only = takes("uploads").await;
    for other in others {
        only &= !takes(other).await;
    }
    only
}

#[tokio::test]
async fn a_bucket_is_routed_by_its_whole_name() {
    let log = Log::default();
    let builder = || Pipeline::builder(Arc::clone(&log)).s3("uploads", on_object);
    assert!(takes_its_own_bucket_only(&builder().build().unwrap()).await);
    // Mutant: the name up to its first dot.
    let first = |object: &S3Object| object.bucket.split('.').next().unwrap_or_default().to_owned();
    let mutant = builder().s3_route_key(first).build().unwrap();
    assert!(!takes_its_own_bucket_only(&mutant).await);

    let both = builder().s3("uploads.*", on_object).build().unwrap();
    assert!(takes_its_own_bucket_only(&both).await);
    let processed = both.process(TestEvent::s3("uploads.eu-west-1.example", "a").into()).await;
    assert_eq!(processed.route.as_deref(), Some("uploads.*"));
}

#[tokio::test]
async fn a_route_key_of_the_function_names_the_route() {
    let log = Log::default();
    let prefix = |object: &S3Object| object.key.split('/').next().unwrap_or_default().to_owned();
    let pipeline = Pipeline::builder(Arc::clone(&log))
        .s3("in", on_object)
        .s3_route_key(prefix)
        .build()
        .unwrap();
    assert!(TestEvent::s3("any", "in/1").send(&pipeline).await.is_ok());
    assert!(TestEvent::s3("in", "out/1").send(&pipeline).await.is_err());
    assert_eq!(noted(&log), ["in/1"]);
}

#[tokio::test]
async fn s3_test_events_succeed_quietly_directly_and_in_envelopes() {
    let log = Log::default();
    let pipeline = Pipeline::builder(Arc::clone(&log))
        .s3("uploads", on_object)
        .sqs("uploads", via::<S3Object, _>(on_object))
        .build()
        .unwrap();
    assert!(events::s3_test_event("uploads").send(&pipeline).await.is_ok());
    let wrapped =
        TestEvent::sqs("uploads").record("1", events::s3_test_event("uploads").to_string());
    assert!(wrapped.send(&pipeline).await.unwrap().failures().is_empty());
    assert!(noted(&log).is_empty());
}

#[tokio::test]
async fn sqs_reports_the_messages_that_failed_and_no_others() {
    let log = Log::default();
    let pipeline = Pipeline::builder(Arc::clone(&log)).sqs("orders", on_message).build().unwrap();
    let batch = TestEvent::sqs("orders")
        .record("1", "good")
        .record("2", "bad")
        .record("3", "panic")
        .record("4", "good");
    let processed = pipeline.process(batch.into()).await;
    assert_eq!(processed.outcome, InvocationOutcome::Failed);
    assert_eq!(
        serde_json::to_value(processed.result.unwrap()).unwrap(),
        json!({ "batchItemFailures": [{ "itemIdentifier": "2" }, { "itemIdentifier": "3" }] })
    );
    assert_eq!(noted(&log).len(), 4);
    let good = pipeline.process(TestEvent::sqs("orders").record("1", "good").into()).await;
    assert_eq!(
        serde_json::to_value(good.result.unwrap()).unwrap(),
        json!({ "batchItemFailures": [] })
    );
}

#[tokio::test]
async fn a_fifo_queue_stops_the_group_that_failed() {
    let log = Log::default();
    let builder = || Pipeline::builder(Arc::clone(&log));
    for pipeline in [
        builder().sqs("orders.fifo", on_message).build().unwrap(),
        builder().sqs("orders.fifo", route(on_message).concurrency(8)).build().unwrap(),
    ] {
        let batch = events::fifo(
            "orders.fifo",
            &[("a1", "a", "bad"), ("b1", "b", "b1"), ("a2", "a", "a2"), ("b2", "b", "b2")],
        );
        assert_eq!(batch.send(&pipeline).await.unwrap().failures(), ["a1", "a2"]);
        assert_eq!(noted(&log), ["bad", "b1", "b2"]);
    }
}

#[tokio::test]
async fn a_whole_batch_fails_if_the_route_says_so() {
    let log = Log::default();
    let pipeline = Pipeline::builder(Arc::clone(&log))
        .sqs("orders", route(on_message).whole_batch())
        .build()
        .unwrap();
    let batch = TestEvent::sqs("orders").record("1", "good").record("2", "bad");
    let failure = batch.send(&pipeline).await.unwrap_err();
    assert_eq!(failure.kind, InvocationErrorKind::RecordsFailed);
    assert!(TestEvent::sqs("orders").record("1", "good").send(&pipeline).await.is_ok());
}

#[tokio::test]
async fn streams_report_the_first_record_that_failed() {
    async fn on_record(State(log): State<Log>, record: KinesisRecord) -> Result<(), Problem> {
        note(&log, std::str::from_utf8(&record.data)?)
    }
    async fn on_change(State(log): State<Log>, record: DynamoDbRecord) -> Result<(), Problem> {
        let image: Value = serde_json::from_str(record.new_image.unwrap().get())?;
        note(&log, image["value"]["S"].as_str().unwrap())
    }
    let log = Log::default();
    let pipeline = Pipeline::builder(Arc::clone(&log))
        .kinesis("clicks", on_record)
        .dynamodb_stream("orders", on_change)
        .build()
        .unwrap();
    for stream in [TestEvent::kinesis("clicks"), TestEvent::dynamodb_stream("orders")] {
        let batch = stream.record("11", "good").record("12", "bad").record("13", "after");
        assert_eq!(batch.send(&pipeline).await.unwrap().failures(), ["12"]);
        assert_eq!(noted(&log), ["good", "bad"]);
    }
}

#[tokio::test]
async fn notifications_and_bus_events_reach_their_handlers_typed() {
    #[derive(serde::Deserialize)]
    struct Placed {
        order: String,
    }
    async fn on_notice(State(log): State<Log>, notice: SnsRecord) -> Result<(), Problem> {
        note(&log, &notice.message)
    }
    async fn on_typed(State(log): State<Log>, notice: Message<Placed>) -> Result<(), Problem> {
        note(&log, &notice.body.order)
    }
    async fn on_placed(
        State(log): State<Log>,
        event: EventBridgeEvent<Placed>,
    ) -> Result<(), Problem> {
        note(&log, &event.detail.order)
    }
    let log = Log::default();
    let pipeline = Pipeline::builder(Arc::clone(&log))
        .sns("notices", on_notice)
        .sns("typed", on_typed)
        .eventbridge("Order Placed", on_placed)
        .build()
        .unwrap();
    assert!(TestEvent::sns("notices", "hello").send(&pipeline).await.is_ok());
    assert!(TestEvent::sns("typed", "{\"order\":\"7\"}").send(&pipeline).await.is_ok());
    assert!(TestEvent::sns("typed", "{}").send(&pipeline).await.is_err());
    for (detail, ok) in [(json!({ "order": "8" }), true), (json!({}), false)] {
        let event = TestEvent::eventbridge("shop", "Order Placed", detail);
        assert_eq!(event.send(&pipeline).await.is_ok(), ok);
    }
    assert_eq!(noted(&log), ["hello", "7", "8"]);
}

#[tokio::test]
async fn only_routes_made_for_envelopes_open_them() {
    let log = Log::default();
    let pipeline = Pipeline::builder(Arc::clone(&log))
        .sqs("objects", via::<S3Object, _>(on_object))
        .sqs("fanned", via::<SnsRecord, _>(via::<S3Object, _>(on_object)))
        .sqs("bus", via::<EventBridgeEvent, _>(via::<S3Object, _>(on_object)))
        .sqs("closed", on_message)
        .sns("objects", via::<S3Object, _>(on_object))
        .eventbridge("Object Created", via::<S3Object, _>(on_object))
        .build()
        .unwrap();
    let s3 = events::s3(&[("b", "a+b"), ("b", "c")]).to_string();
    let notification = json!({
        "Type": "Notification", "MessageId": "1", "TopicArn": "arn:aws:sns:::t", "Message": s3,
    });
    let detail = json!({ "bucket": { "name": "b" }, "object": { "key": "a+b", "size": 1 } });
    let created = TestEvent::eventbridge("aws.s3", "Object Created", detail);
    for (queue, body, keys) in [
        ("objects", s3.clone(), &["a b", "c"][..]),
        ("fanned", notification.to_string(), &["a b", "c"]),
        ("bus", created.to_string(), &["a+b"]),
        ("closed", s3.clone(), &[&s3]),
    ] {
        let batch = TestEvent::sqs(queue).record("1", body);
        assert!(batch.send(&pipeline).await.unwrap().failures().is_empty(), "{queue}");
        assert_eq!(noted(&log), keys, "{queue}");
    }
    assert!(TestEvent::sns("objects", s3).send(&pipeline).await.is_ok());
    assert!(created.send(&pipeline).await.is_ok());
    assert_eq!(noted(&log), ["a b", "c", "a+b"]);
    let wrong = TestEvent::sqs("objects").record("1", "{\"order\":7}").record("2", "invalid JSON");
    assert_eq!(wrong.send(&pipeline).await.unwrap().failures(), ["1", "2"]);
}

#[tokio::test]
async fn an_event_without_a_route_fails_or_goes_to_unmatched() {
    let log = Log::default();
    let builder = || Pipeline::builder(Arc::clone(&log)).sqs("orders", on_message);
    let (without, with) =
        (builder().build().unwrap(), builder().unmatched(on_unmatched).build().unwrap());

    let unknown = TestEvent::from(json!({ "reindex": true }));
    let processed = without.process((&unknown).into()).await;
    assert_eq!(processed.outcome, InvocationOutcome::Unmatched);
    assert_eq!(processed.result.unwrap_err().kind, InvocationErrorKind::NoMatchingRoute);
    let batch = TestEvent::sqs("other").record("1", "good");
    let processed = without.process((&batch).into()).await;
    assert_eq!(processed.outcome, InvocationOutcome::Unmatched);
    assert_eq!(processed.result.unwrap().failures(), ["1"]);
    assert!(noted(&log).is_empty());

    for processed in [with.process(unknown.into()).await, with.process(batch.into()).await] {
        assert_eq!(processed.outcome, InvocationOutcome::Unmatched);
        assert!(processed.result.unwrap().failures().is_empty());
    }
    assert_eq!(noted(&log), ["unmatched unknown ", "unmatched sqs other"]);
}

#[tokio::test]
async fn a_predicate_can_take_any_event_and_its_handler_makes_the_output() {
    async fn on_reindex(axum::Json(event): axum::Json<Value>) -> Result<Value, Problem> {
        Ok(json!({ "reindexed": event["reindex"] }))
    }
    let takes = |event: &funcify::pipeline::Event| event.text().contains("reindex");
    let pipeline = Pipeline::builder(()).event("reindex", takes, on_reindex).build().unwrap();
    let processed = pipeline.process(TestEvent::from(json!({ "reindex": 3 })).into()).await;
    assert_eq!(processed.route.as_deref(), Some("reindex"));
    let output = serde_json::to_value(processed.result.unwrap()).unwrap();
    assert_eq!(output, json!({ "reindexed": 3 }));
    assert!(TestEvent::from(json!({})).send(&pipeline).await.is_err());
}

#[tokio::test]
async fn messages_that_the_deadline_leaves_no_time_for_are_reported_as_failed() {
    async fn slow(_: SqsRecord) -> Result<(), Problem> {
        tokio::time::sleep(Duration::from_millis(60)).await;
        Ok(())
    }
    let pipeline = Pipeline::builder(()).sqs("orders", slow).build().unwrap();
    let batch =
        (0..20).fold(TestEvent::sqs("orders"), |batch, id| batch.record(&id.to_string(), "order"));
    let processed = events::process_within(&batch, &pipeline, Duration::from_millis(500)).await;
    let failures = processed.result.unwrap().failures().to_vec();
    assert!((15..20).contains(&failures.len()), "{failures:?}");
    assert_eq!(failures.last().map(String::as_str), Some("19"));
    let nothing_left = events::process_within(&batch, &pipeline, Duration::ZERO).await;
    assert!(
        nothing_left
            .result
            .is_err_and(|failure| failure.kind == InvocationErrorKind::HandlerFailed)
    );
}

#[tokio::test]
async fn every_fault_of_a_pipeline_is_reported_at_once() {
    let error = Pipeline::builder(Log::default())
        .s3("uploads", on_object)
        .s3("uploads", on_object)
        .sqs("orders", route(on_message).concurrency(0).whole_batch())
        .sns("*orders", route(via::<S3Object, _>(on_object)))
        .build()
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the pipeline cannot be built: two s3 routes have the name `uploads`; \
         the concurrency of the sqs route `orders` must be at least 1, got 0; \
         a route of sns needs the name of its source, with a * at most at the end, got \"*orders\""
    );
}

#[tokio::test]
async fn the_order_of_routes_and_of_their_options_does_not_matter() {
    let log = Log::default();
    let whole = route(on_message).whole_batch().concurrency(2);
    let other = route(on_message).concurrency(2).whole_batch();
    let builder = || Pipeline::builder(Arc::clone(&log)).sqs("plain", on_message);
    for pipeline in [
        builder().sqs("whole", whole.clone()).s3("uploads", on_object).build().unwrap(),
        builder().s3("uploads", on_object).sqs("whole", other).build().unwrap(),
        Pipeline::builder(Arc::clone(&log))
            .sqs("whole", whole)
            .sqs("plain", on_message)
            .build()
            .unwrap(),
    ] {
        let failing = |queue: &str| TestEvent::sqs(queue).record("1", "good").record("2", "bad");
        assert_eq!(failing("plain").send(&pipeline).await.unwrap().failures(), ["2"]);
        let error = failing("whole").send(&pipeline).await.unwrap_err();
        assert_eq!(error.kind, InvocationErrorKind::RecordsFailed);
    }
}

#[tokio::test]
async fn a_panic_in_the_route_key_fails_the_invocation() {
    let pipeline = Pipeline::builder(Log::default())
        .s3("uploads", on_object)
        .s3_route_key(|_| panic!("hunter2"))
        .build()
        .unwrap();
    let failure = pipeline.process(TestEvent::s3("uploads", "a").into()).await.result.unwrap_err();
    assert!(!failure.to_string().contains("hunter2"), "{failure}");
}
