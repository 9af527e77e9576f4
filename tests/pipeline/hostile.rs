//! Property tests: no event makes the pipeline panic.

use std::sync::LazyLock;

use axum::{Router, routing::any};
use funcify::{
    Authenticator,
    pipeline::{
        DynamoDbRecord, EventBridgeEvent, Invocation, KinesisRecord, Pipeline, Problem, S3Object,
        SnsRecord, SqsRecord, Unmatched, via,
    },
    testing::TestEvent,
};
use http::Method;
use proptest::prelude::{
    Just, ProptestConfig, Strategy, any as arbitrary, prop, prop_oneof, proptest,
};
use serde_json::{Map, Value, json};

use crate::support::events;

/// A pipeline with a route for everything, whose handlers read every part of an event.
pub(super) static EVERYTHING: LazyLock<Pipeline> = LazyLock::new(everything);

fn everything() -> Pipeline {
    async fn look(invocation: Invocation) -> Result<Invocation, Problem> {
        let event = invocation.event();
        let _ = (event.kind(), event.http(), event.text().len());
        // Makes funcify read what the authorizer of the source says.
        let _ = invocation.caller().await;
        Ok(invocation)
    }
    macro_rules! take {
        ($record:ty) => {
            async |_: $record| Ok::<(), Problem>(())
        };
    }
    Pipeline::builder(())
        .http(Router::new().fallback(any(async || "anything")))
        .s3("*", take!(S3Object))
        .sqs("*", via::<S3Object, _>(take!(S3Object)))
        .sqs("q*", take!(SqsRecord))
        .sns("*", take!(SnsRecord))
        .eventbridge("*", take!(EventBridgeEvent))
        .dynamodb_stream("*", take!(DynamoDbRecord))
        .kinesis("*", take!(KinesisRecord))
        .unmatched(take!(Unmatched))
        .authenticator(Authenticator::new().authorizer_claims(&[]))
        .guard(look)
        .build()
        .unwrap()
}

/// One event of each kind, to be changed at random.
fn seeds() -> Vec<Value> {
    let event = |json: String| serde_json::from_str(&json).unwrap();
    let http = |event: TestEvent| {
        event.header("x-a", "1").header("cookie", "a=1").body("{\"a\":1}").to_string()
    };
    let put = Method::PUT;
    [
        http(events::rest_get("/orders/7?q=1")),
        http(events::http_v1_payload(put.clone(), "/orders/7?q=1")),
        http(events::http_get("/orders/7?q=1")),
        http(events::function_url(put.clone(), "/orders/7?q=1")),
        http(events::alb_multi_value(put.clone(), "/orders/7?q=1")),
        http(events::vpc_lattice_v1(put.clone(), "/orders/7?q=1")),
        http(events::vpc_lattice_v2(put.clone(), "/orders/7?q=1")),
        http(events::websocket("send?q=1")),
        events::authorizer(&put, "/").to_string(),
        events::s3(&[("b", "k"), ("b.c", "a%20b")]).to_string(),
        events::s3_test_event("b").to_string(),
        events::fifo("q", &[("1", "", "body"), ("2", "g", "body")]).to_string(),
        TestEvent::sqs("via").record("1", TestEvent::s3("b", "k").to_string()).to_string(),
        TestEvent::sns("t", "message").to_string(),
        TestEvent::eventbridge("s", "d", json!({ "a": 1 })).to_string(),
        TestEvent::dynamodb_stream("t").record("1", "a").to_string(),
        TestEvent::kinesis("s").record("1", "a").to_string(),
    ]
    .map(event)
    .to_vec()
}

/// Any JSON, mostly with names and texts that occur in events.
fn json() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        prop::sample::select(vec![
            "",
            "/",
            "GET",
            "aws:s3",
            "aws:sqs",
            "2.0",
            "1.0",
            "$default",
            "%2e%2e",
            "%",
            "a=b&c",
            "{",
            "{}",
            "\r\n",
            "\0",
            "é",
            "\u{fffd}",
            "true",
            "arn:aws:sqs:r:1:q",
            "Notification",
        ])
        .prop_map(str::to_owned),
        ".{0,12}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        arbitrary::<bool>().prop_map(Value::from),
        arbitrary::<i64>().prop_map(Value::from),
        arbitrary::<f64>().prop_map(Value::from),
        text.clone().prop_map(Value::from),
    ];
    let name = prop_oneof![
        prop::sample::select(vec![
            "Records",
            "requestContext",
            "headers",
            "multiValueHeaders",
            "body",
            "path",
            "rawPath",
            "httpMethod",
            "method",
            "version",
            "eventSource",
            "EventSource",
            "Sns",
            "Message",
            "s3",
            "object",
            "bucket",
            "key",
            "http",
            "elb",
            "connectionId",
            "detail",
            "detail-type",
            "source",
            "cookies",
            "raw_path",
            "isBase64Encoded",
            "routeKey",
            "stage",
            "kinesis",
            "dynamodb",
            "eventSourceARN",
            "messageId",
            "queryStringParameters",
        ])
        .prop_map(str::to_owned),
        text,
    ];
    leaf.prop_recursive(5, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((name.clone(), inner), 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// Puts `new` into `value` at the position that `steps` lead to.
fn change(value: &mut Value, steps: &[usize], new: Value) {
    let (Some((step, rest)), size) = (steps.split_first(), size(value)) else {
        return *value = new;
    };
    if size == 0 {
        return *value = new;
    }
    match value {
        Value::Array(items) => change(&mut items[step % size], rest, new),
        Value::Object(members) => {
            let member = members.values_mut().nth(step % size).unwrap();
            change(member, rest, new);
        }
        _ => unreachable!("a leaf has no size"),
    }
}

fn size(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.len(),
        Value::Object(members) => members.len(),
        _ => 0,
    }
}

/// Runs an event. The handlers cannot panic, so a panic is a fault of funcify.
fn survives(pipeline: &Pipeline, event: &Value) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let processed = pipeline.process(TestEvent::from(event.clone()).into()).await;
        assert!(!format!("{processed:?}").contains("panicked"), "{event}");
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn no_json_makes_the_pipeline_panic(event in json()) {
        survives(&EVERYTHING, &event);
    }

    #[test]
    fn no_changed_event_makes_the_pipeline_panic(
        seed in prop::sample::select(seeds()),
        steps in prop::collection::vec(0_usize..32, 0..6),
        new in json(),
    ) {
        let mut event = seed;
        change(&mut event, &steps, new);
        survives(&EVERYTHING, &event);
    }
}

#[test]
fn unchanged_events_are_handled() {
    let pipeline = &*EVERYTHING;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    for seed in seeds() {
        let processed = runtime.block_on(pipeline.process(TestEvent::from(seed.clone()).into()));
        assert!(processed.result.is_ok(), "{} of {seed}: {processed:?}", processed.kind);
    }
}
