//! An event that is refused leaks none of its values into the log or the output.

use axum::{Json, Router, extract::Query, routing::post};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use funcify::{
    AccessPolicy, Authenticator,
    auth::KeySet,
    pipeline::{
        DynamoDbRecord, EventBridgeEvent, InvocationOutcome, KinesisRecord, Message, Pipeline,
        Problem, S3Object, SnsRecord, via,
    },
    testing::TestEvent,
};
use funcify_test_support::LogCapture;
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::inputs;
use crate::support::canary::encodings;

/// A text that every encoding changes, so that a test can find it in each of its forms.
const CANARY: &str = "canary \"of the/body+% ü, expected canary";

#[derive(Debug, Deserialize)]
struct Order {
    #[expect(dead_code, reason = "only parsed")]
    quantity: u32,
}

/// Pipelines whose handlers fail at unexpected values.
fn careless() -> [Pipeline; 2] {
    async fn place(Json(_): Json<Order>) {}
    async fn list(Query(_): Query<Order>) {}
    macro_rules! order {
        ($record:ty) => {
            async |_: $record| Ok::<(), Problem>(())
        };
    }
    let builder = || {
        Pipeline::builder(())
            .http(Router::new().route("/a", post(place).get(list)))
            .s3("b", async |object: S3Object| {
                serde_json::from_str::<Order>(&object.key).map(drop).map_err(Problem::from)
            })
            .sqs("q", order!(Message<Order>))
            .sqs("s3", via::<S3Object, _>(order!(S3Object)))
            .sqs("sns", via::<SnsRecord, _>(order!(Message<Order>)))
            .sns("t", order!(Message<Order>))
            .eventbridge("Order Placed", order!(EventBridgeEvent<Order>))
            .kinesis("s", async |record: KinesisRecord| {
                serde_json::from_slice::<Order>(&record.data).map(drop).map_err(Problem::from)
            })
            .dynamodb_stream("t", async |record: DynamoDbRecord| {
                let image = record.new_image.unwrap_or_default();
                serde_json::from_str::<Order>(image.get()).map(drop).map_err(Problem::from)
            })
    };
    // Nothing listens at the URL of these keys.
    let keys = KeySet::new("http://127.0.0.1:1/jwks")
        .issuer("https://login.example.com")
        .audience("orders");
    let authenticator = Authenticator::new().keys(keys).authorizer_claims(&[]);
    let policy = AccessPolicy::new().allow(Method::GET, "/a", "orders:order:list");
    let guarded = builder().authenticator(authenticator).policy(policy.allow(
        Method::POST,
        "/a",
        "orders:order:place",
    ));
    [builder().build().unwrap(), guarded.build().unwrap()]
}

/// The first encoding of the canary in `text`, or the word itself.
fn leak(text: &str) -> Option<String> {
    encodings(CANARY)
        .into_iter()
        .chain(["canary".to_owned()])
        .find(|encoding| text.contains(encoding))
}

/// Members that errors may show: names, so that a reader of the log finds the queue, and identifiers, which
/// the output reports to the source.
const REPORTED: [&str; 9] = [
    "/name",
    "/eventSourceARN",
    "/TopicArn",
    "/detail-type",
    "/messageId",
    "/SequenceNumber",
    "/sequenceNumber",
    "/bucket",
    "/routeKey",
];

/// Every position in `value`, as JSON pointers.
fn places(value: &Value, at: String, places: &mut Vec<String>) {
    let children: Vec<(String, &Value)> = match value {
        Value::Array(items) => {
            items.iter().enumerate().map(|(index, item)| (index.to_string(), item)).collect()
        }
        Value::Object(members) => members
            .iter()
            .map(|(name, member)| (name.replace('~', "~0").replace('/', "~1"), member))
            .collect(),
        _ => Vec::new(),
    };
    for (name, child) in children {
        self::places(child, format!("{at}/{name}"), places);
    }
    places.push(at);
}

/// The event with the canary in each position: as a text, in a list, in an object.
fn with_canary(event: &Value) -> Vec<Value> {
    let mut all = Vec::new();
    places(event, String::new(), &mut all);
    let mut events = Vec::new();
    for place in all {
        let is_reported = REPORTED.iter().any(|reported| place.ends_with(reported));
        let body = json!({ "quantity": CANARY }).to_string();
        let texts = [CANARY.into(), body.into()];
        let nested = [json!([CANARY]), json!({ "quantity": CANARY }), json!({ CANARY: [1] })];
        for canary in texts.into_iter().filter(|_| !is_reported).chain(nested) {
            let mut event = event.clone();
            *event.pointer_mut(&place).unwrap() = canary;
            events.push(event);
        }
    }
    events
}

#[test]
fn no_value_of_a_refused_event_is_logged_or_sent_back() {
    let (log, _capturing) = LogCapture::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let pipelines = careless();
    let (mut runs, mut refused) = (0_u32, 0_u32);
    for event in inputs::bases().iter().chain(&bodies()).flat_map(with_canary) {
        for pipeline in &pipelines {
            let processed =
                runtime.block_on(pipeline.process(TestEvent::from(event.clone()).into()));
            runs += 1;
            let shown = match &processed.result {
                Ok(output) => match output.http() {
                    Some(response) if response.status().as_u16() < 400 => String::new(),
                    Some(response) => String::from_utf8_lossy(response.body()).into_owned(),
                    None => serde_json::to_string(output).unwrap(),
                },
                Err(error) => format!("{error} {error:?}"),
            };
            refused += u32::from(processed.outcome != InvocationOutcome::Handled);
            let logged = log.take();
            assert!(logged.contains("start") && logged.contains("end"), "{logged}");
            for text in [shown, logged] {
                assert_eq!(leak(&text), None, "{text}\nof {event}");
            }
        }
    }
    println!("{runs} events, {refused} refused or failed");
    assert!(runs > 2_000 && refused > 1_000, "{runs}, {refused}");
}

/// Events whose envelopes and bodies are what the handlers expect.
fn bodies() -> Vec<Value> {
    let order = json!({ "quantity": 1 }).to_string();
    let s3 = json!({ "Records": [{ "eventSource": "aws:s3", "eventName": "x",
        "s3": { "bucket": { "name": "b" }, "object": { "key": "k" } } }] });
    let sqs = |queue: &str, body: &str| {
        json!({ "Records": [{ "eventSource": "aws:sqs", "messageId": "1", "body": body,
            "eventSourceARN": format!("arn:aws:sqs:eu-west-1:123456789012:{queue}") }] })
    };
    let notification = json!({ "Type": "Notification", "MessageId": "1", "TopicArn": "arn:aws:sns:::t",
        "Message": order });
    let mut events = vec![sqs("q", &order)];
    // The content of the envelopes gets canaries too.
    events.extend(with_canary(&s3).iter().map(|inside| sqs("s3", &inside.to_string())));
    events.extend(with_canary(&notification).iter().map(|inside| sqs("sns", &inside.to_string())));
    let post = json!({ "version": "2.0", "rawPath": "/a", "rawQueryString": "quantity=1",
        "headers": { "content-type": "application/json", "authorization": "Bearer a.b.c" },
        "requestContext": { "http": { "method": "POST" }, "authorizer": { "jwt": { "claims": { "sub": "a" } } } },
        "body": order });
    events.push(post);
    events
}

#[test]
fn the_message_of_a_parser_leaks_the_value_and_is_caught() {
    let error = serde_json::from_value::<Order>(json!({ "quantity": CANARY })).unwrap_err();
    assert!(leak(&error.to_string()).is_some());
    for encoding in encodings(CANARY) {
        assert!(leak(&format!("before {encoding} after")).is_some(), "{encoding}");
    }
    let encoded = STANDARD_NO_PAD.encode(format!("user:{CANARY} and more"));
    assert!(leak(&encoded).is_some(), "{encoded}");
}
