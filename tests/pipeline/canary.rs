//! Nothing of an event's values in what is logged and answered when the event is refused.

use axum::{Json, Router, extract::Query, routing::post};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use funcify::{
    AccessPolicy, Authenticator, local,
    pipeline::{
        DynamoDbRecord, EventBridgeEvent, InvocationOutcome, KinesisRecord, Message, Output,
        Pipeline, Problem, S3Object, via_s3, via_sns,
    },
};
use funcify_test_support::LogCapture;
use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Value, json, value::to_raw_value};

use super::inputs;

/// Written differently by whatever encodes it.
const CANARY: &str = "canary \"of the/body+% ü, expected canary";

#[derive(Debug, Deserialize)]
struct Order {
    #[expect(dead_code, reason = "only parsed")]
    quantity: u32,
}

/// Handlers that fail at what they are given, as handlers do.
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
            .sqs("s3", via_s3(order!(S3Object)))
            .sqs("sns", via_sns(order!(Message<Order>)))
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
    // Nobody is there to give keys.
    let authenticator =
        Authenticator::jwks("http://127.0.0.1:1/jwks").issuer("https://login.example.com");
    let authenticator =
        authenticator.audience("orders").plain_http_on_loopback().authorizer_claims();
    let policy = AccessPolicy::new().allow(Method::GET, "/a", "orders:order:list");
    let guarded = builder().authenticator(authenticator).policy(policy.allow(
        Method::POST,
        "/a",
        "orders:order:place",
    ));
    [builder().build().unwrap(), guarded.build().unwrap()]
}

/// Everything that `text` may look like once somebody wrote it.
fn forms(text: &str) -> Vec<String> {
    let json = |text: &str| {
        let quoted = serde_json::to_string(text).unwrap();
        quoted[1..quoted.len() - 1].to_owned()
    };
    let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut forms = vec![
        text.to_owned(),
        json(text),
        json(&json(text)),
        format!("{text:?}"),
        utf8_percent_encode(text, NON_ALPHANUMERIC).to_string(),
        hex.to_uppercase(),
        hex,
    ];
    for before in 0..3 {
        let bytes = [&b"   "[..before], text.as_bytes()].concat();
        for base64 in [STANDARD_NO_PAD.encode(&bytes), URL_SAFE_NO_PAD.encode(&bytes)] {
            // The ends depend on what stands beside it.
            forms.push(base64[4..base64.len() - 4].to_owned());
        }
    }
    forms
}

/// The first form of the canary, or of a word of it, in `text`.
fn leak(text: &str) -> Option<String> {
    forms(CANARY).into_iter().chain(["canary".to_owned()]).find(|form| text.contains(form))
}

/// Names that errors may tell, for somebody must find the queue, and identifiers that are told to the
/// source.
const TOLD: [&str; 9] = [
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

/// Every place in `value`.
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

/// The events, each with the canary in one place, as a text, within a list, within an object.
fn with_canary(event: &Value) -> Vec<Value> {
    let mut all = Vec::new();
    places(event, String::new(), &mut all);
    let mut events = Vec::new();
    for place in all {
        let is_told = TOLD.iter().any(|told| place.ends_with(told));
        let body = json!({ "quantity": CANARY }).to_string();
        let texts = [CANARY.into(), body.into()];
        let nested = [json!([CANARY]), json!({ "quantity": CANARY }), json!({ CANARY: [1] })];
        for canary in texts.into_iter().filter(|_| !is_told).chain(nested) {
            let mut event = event.clone();
            *event.pointer_mut(&place).unwrap() = canary;
            events.push(event);
        }
    }
    events
}

#[test]
fn no_value_of_a_refused_event_is_logged_or_answered() {
    let (log, _capturing) = LogCapture::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let pipelines = careless();
    let (mut runs, mut refused) = (0_u32, 0_u32);
    for event in inputs::bases().iter().chain(&bodies()).flat_map(with_canary) {
        for pipeline in &pipelines {
            let processed = runtime.block_on(local::event(pipeline, to_raw_value(&event).unwrap()));
            runs += 1;
            let said = match &processed.result {
                Ok(Output::Http(http)) if http.status().as_u16() < 400 => String::new(),
                Ok(Output::Http(http)) => String::from_utf8_lossy(http.body()).into_owned(),
                Ok(answer) => serde_json::to_string(answer).unwrap(),
                Err(failure) => format!("{failure} {failure:?}"),
            };
            refused += u32::from(processed.outcome != InvocationOutcome::Handled);
            let logged = log.take();
            assert!(logged.contains("start") && logged.contains("end"), "{logged}");
            for said in [said, logged] {
                assert_eq!(leak(&said), None, "{said}\nof {event}");
            }
        }
    }
    println!("{runs} events, {refused} refused or failed");
    assert!(runs > 2_000 && refused > 1_000, "{runs}, {refused}");
}

/// Events whose envelopes and bodies are what handlers expect, for once.
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
    // What is inside is spoilt as well.
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
fn what_a_parser_says_by_itself_leaks_and_is_caught() {
    let error = serde_json::from_value::<Order>(json!({ "quantity": CANARY })).unwrap_err();
    assert!(leak(&error.to_string()).is_some());
    for form in forms(CANARY) {
        assert!(leak(&format!("before {form} after")).is_some(), "{form}");
    }
    let encoded = STANDARD_NO_PAD.encode(format!("user:{CANARY} and more"));
    assert!(leak(&encoded).is_some(), "{encoded}");
}
