//! Batches of every source, and events that no source writes.

use funcify::{
    pipeline::{
        DynamoDbRecord, EventBridgeEvent, FirehoseRecord, InvocationOutcome, KafkaRecord,
        KinesisRecord, Message, Pipeline, Problem, Processed, S3Object, SnsRecord, SqsRecord,
        Transformed, Unmatched, Window, route, via, windowed,
    },
    testing::TestEvent,
};
use serde_json::{Value, json, value::RawValue};

use crate::{Case, case, processed};

pub(super) fn cases() -> Vec<Case> {
    vec![
        case("records of sqs", 100, |size| run(batch(TestEvent::sqs("orders"), size), handled)),
        case("records of a fifo queue", 100, |size| run(fifo(size), handled)),
        case("records of kinesis", 100, |size| run(batch(TestEvent::kinesis("s"), size), handled)),
        case("records of dynamodb", 100, |size| {
            let image = r#"{"id":{"N":"7"}}"#;
            let event = TestEvent::dynamodb_stream("t");
            let event = (0..size).fold(event, |event, id| event.record(&id.to_string(), image));
            run(event.to_string(), handled)
        }),
        case("records of kafka", 100, |size| run(batch(TestEvent::kafka("topic"), size), handled)),
        case("headers of a record of kafka", 100, |size| run(kafka_headers(size), handled)),
        case("records of firehose", 100, |size| {
            run(batch(TestEvent::firehose("clicks"), size), handled)
        }),
        case("records of a window", 100, |size| run(window(size), handled)),
        case("depth of an item", 100, |size| run(deep_item(size), handled)),
        case("records of s3", 100, |size| run(s3(size), handled)),
        case("records of sns", 100, |size| run(sns(size), handled)),
        case("records that no route takes", 100, |size| {
            run(batch(TestEvent::sqs("nobody's"), size), of(InvocationOutcome::Unmatched))
        }),
        case("records that are malformed", 50, |size| run(malformed(size), failed)),
        case("records that fail", 100, |size| run(batch(TestEvent::sqs("fails"), size), failed)),
        case("records with bodies of another type", 100, |size| {
            run(batch(TestEvent::sqs("typed"), size), failed)
        }),
        case("attributes of a record", 200, |size| run(attributes(size), handled)),
        case("bytes of a record", 1_000, |size| {
            run(TestEvent::sqs("orders").record("1", "x\"y\\".repeat(size)).to_string(), handled)
        }),
        case("objects in an envelope", 100, |size| {
            run(TestEvent::sqs("s3").record("1", s3(size)).to_string(), handled)
        }),
        case("envelopes in a batch", 25, |size| {
            let notification = notification(&s3(1));
            let event = TestEvent::sqs("sns-s3");
            let event = (0..size)
                .fold(event, |event, id| event.record(&id.to_string(), notification.clone()));
            run(event.to_string(), handled)
        }),
        case("nodes of a detail", 500, |size| {
            let detail = json!({ "list": vec![json!({ "a": [1, "b"] }); size] });
            run(TestEvent::eventbridge("orders", "Order Placed", detail).to_string(), handled)
        }),
        case("nodes of an unknown event", 1_000, |size| {
            run(json!({ "list": vec![json!({ "a": 1 }); size] }).to_string(), anything)
        }),
        case("members of an unknown event", 1_000, |size| {
            let members = (0..size).map(|member| (format!("m{member}"), json!(member)));
            run(Value::Object(members.collect()).to_string(), anything)
        }),
        case("depth of an event", 4_000, |depth| {
            run(format!("{{\"a\":{}1{}}}", "[".repeat(depth), "]".repeat(depth)), anything)
        }),
        case("quotes of an event", 4_000, |size| {
            run(json!({ "text": "\"\\".repeat(size) }).to_string(), anything)
        }),
        case("mutant: the batch is read again for each record", 50, |size| {
            let event = batch(TestEvent::sqs("orders"), size);
            async move {
                let event: Value = serde_json::from_str(&event).unwrap();
                let records = event["Records"].to_string();
                for index in 0..size {
                    let all: Vec<&RawValue> = serde_json::from_str(&records).unwrap();
                    assert!(all.get(index).is_some());
                }
            }
        }),
    ]
}

fn run(event: String, look: impl Fn(&Processed) + 'static) -> impl Future<Output = ()> {
    processed(pipeline(), event, look)
}

fn of(expected: InvocationOutcome) -> impl Fn(&Processed) {
    move |processed| assert_eq!(processed.outcome, expected, "{:?}", processed.cause)
}

fn handled(processed: &Processed) {
    of(InvocationOutcome::Handled)(processed);
}

fn failed(processed: &Processed) {
    of(InvocationOutcome::Failed)(processed);
}

fn anything(_: &Processed) {}

fn pipeline() -> Pipeline {
    macro_rules! takes {
        ($record:ty) => {
            async |_: $record| Ok::<(), Problem>(())
        };
    }
    Pipeline::builder(())
        .sqs("orders", takes!(SqsRecord))
        .sqs("orders.fifo", route(takes!(SqsRecord)).concurrency(4))
        .sqs("fails", async |_: SqsRecord| Err::<(), _>(Problem::bad_request("no order")))
        .sqs("typed", takes!(Message<u32>))
        .sqs("s3", via::<S3Object, _>(takes!(S3Object)))
        .sqs("sns-s3", via::<SnsRecord, _>(via::<S3Object, _>(takes!(S3Object))))
        .s3("uploads", takes!(S3Object))
        .sns("topic", takes!(SnsRecord))
        .kinesis("s", takes!(KinesisRecord))
        .kinesis(
            "windows",
            windowed(async |window: Window<u64, KinesisRecord>| Ok::<_, Problem>(window.state + 1)),
        )
        .kafka("topic", takes!(KafkaRecord))
        .firehose("clicks", async |record: FirehoseRecord| {
            Ok::<_, Problem>(Transformed::Data(record.data))
        })
        .dynamodb_stream("t", takes!(DynamoDbRecord))
        .eventbridge("Order Placed", takes!(EventBridgeEvent))
        .unmatched(async |_: Unmatched| Ok::<(), Problem>(()))
        .build()
        .unwrap()
}

fn batch(event: TestEvent, size: usize) -> String {
    (0..size).fold(event, |event, id| event.record(&id.to_string(), "a kettle")).to_string()
}

fn kafka_headers(size: usize) -> String {
    let event = TestEvent::kafka("topic").record("1", "a kettle").to_string();
    let mut event: Value = serde_json::from_str(&event).unwrap();
    event["records"]["topic-0"][0]["headers"] = json!(vec![json!({ "a": vec![48; 10] }); size]);
    event.to_string()
}

fn window(size: usize) -> String {
    let mut event: Value =
        serde_json::from_str(&batch(TestEvent::kinesis("windows"), size)).unwrap();
    event["window"] = json!({ "start": "2026-05-01T10:00:00Z", "end": "2026-05-01T10:02:00Z" });
    event["state"] = json!({});
    event.to_string()
}

fn deep_item(depth: usize) -> String {
    let event = TestEvent::dynamodb_stream("t").record("1", "a kettle").to_string();
    let deep = format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    event.replacen("\"Keys\":", &format!("\"More\":{deep},\"Keys\":"), 1)
}

fn fifo(size: usize) -> String {
    let record = |id: usize| {
        json!({
            "messageId": id.to_string(), "body": "a kettle", "eventSource": "aws:sqs",
            "attributes": { "MessageGroupId": format!("group-{}", id / 2) },
            "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:orders.fifo",
        })
    };
    json!({ "Records": (0..size).map(record).collect::<Vec<_>>() }).to_string()
}

fn s3(size: usize) -> String {
    let record = |id: usize| {
        json!({
            "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
            "s3": { "bucket": { "name": "uploads" }, "object": { "key": format!("a+b/{id}.txt") } },
        })
    };
    json!({ "Records": (0..size).map(record).collect::<Vec<_>>() }).to_string()
}

fn sns(size: usize) -> String {
    let event: Value =
        serde_json::from_str(&TestEvent::sns("topic", "a kettle").to_string()).unwrap();
    json!({ "Records": vec![event["Records"][0].clone(); size] }).to_string()
}

fn notification(message: &str) -> String {
    json!({
        "Type": "Notification", "MessageId": "1", "Message": message,
        "TopicArn": "arn:aws:sns:eu-west-1:123456789012:topic",
    })
    .to_string()
}

/// Each record except the first has a body of another type.
fn malformed(size: usize) -> String {
    let mut event: Value = serde_json::from_str(&batch(TestEvent::sqs("orders"), size)).unwrap();
    for record in event["Records"].as_array_mut().unwrap().iter_mut().skip(1) {
        record["body"] = json!({ "not": ["a", "text"] });
    }
    event.to_string()
}

fn attributes(size: usize) -> String {
    let attributes = (0..size).map(|name| (format!("a{name}"), json!("value")));
    json!({
        "Records": [{
            "messageId": "1", "body": "a kettle", "eventSource": "aws:sqs",
            "attributes": Value::Object(attributes.collect()),
            "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:orders",
        }]
    })
    .to_string()
}
