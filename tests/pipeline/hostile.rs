use std::sync::LazyLock;

use axum::{Router, routing::any};
use funcify::{
    local,
    pipeline::{
        DynamoDbRecord, EventBridgeEvent, Invocation, KinesisRecord, Pipeline, Problem, S3Object,
        SnsRecord, SqsRecord, Unmatched, via_s3,
    },
    testing,
};
use http::Method;
use proptest::prelude::{
    Just, ProptestConfig, Strategy, any as arbitrary, prop, prop_oneof, proptest,
};
use serde_json::{Map, Value, json};

/// A pipeline with a route for everything, that looks at everything.
pub(super) static EVERYTHING: LazyLock<Pipeline> = LazyLock::new(everything);

fn everything() -> Pipeline {
    async fn look(invocation: Invocation) -> Result<Invocation, Problem> {
        let event = invocation.event();
        let _ = (event.method(), event.path(), event.raw_path(), event.query(), event.headers());
        let _ = (event.body(), event.records().len(), event.authorizer(), event.text().len());
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
        .sqs("*", via_s3(take!(S3Object)))
        .sqs("q*", take!(SqsRecord))
        .sns("*", take!(SnsRecord))
        .eventbridge("*", take!(EventBridgeEvent))
        .dynamodb_stream("*", take!(DynamoDbRecord))
        .kinesis("*", take!(KinesisRecord))
        .unmatched(take!(Unmatched))
        .guard(look)
        .build()
        .unwrap()
}

/// One event of each kind, to be spoilt.
fn seeds() -> Vec<Value> {
    let event = |json: String| serde_json::from_str(&json).unwrap();
    let http = |event: testing::HttpEvent| {
        event.header("x-a", "1").query("q", "1").cookie("a=1").body("{\"a\":1}").json()
    };
    let put = Method::PUT;
    [
        http(testing::rest_get("/orders/7")),
        http(testing::http_v1_payload(put.clone(), "/orders/7")),
        http(testing::http_get("/orders/7")),
        http(testing::function_url(put.clone(), "/orders/7")),
        http(testing::alb_multi_value(put.clone(), "/orders/7")),
        http(testing::vpc_lattice_v1(put.clone(), "/orders/7")),
        http(testing::vpc_lattice_v2(put.clone(), "/orders/7")),
        http(testing::websocket("send")),
        testing::authorizer(&put, "/").json(),
        testing::s3(&[("b", "k"), ("b.c", "a%20b")]).json(),
        testing::s3_test_event("b").json(),
        testing::sqs("q").message("1", "body").grouped("2", "g", "body").json(),
        testing::sqs("via").message("1", testing::s3_put("b", "k").json()).json(),
        testing::sns("t", "message").json(),
        testing::eventbridge("s", "d", json!({ "a": 1 })).json(),
        testing::dynamodb_stream("t").record("1", "a").json(),
        testing::kinesis("s").record("1", "a").json(),
    ]
    .map(event)
    .to_vec()
}

/// Any JSON, with a taste for the names and texts that mean something.
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

/// Puts `new` somewhere into `value`, at the place that `steps` lead to.
fn spoil(value: &mut Value, steps: &[usize], new: Value) {
    let (Some((step, rest)), size) = (steps.split_first(), size(value)) else {
        return *value = new;
    };
    if size == 0 {
        return *value = new;
    }
    match value {
        Value::Array(items) => spoil(&mut items[step % size], rest, new),
        Value::Object(members) => {
            let member = members.values_mut().nth(step % size).unwrap();
            spoil(member, rest, new);
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

/// Runs an event; panics of ours would come out here, those of handlers there are none.
fn survives(pipeline: &Pipeline, event: &Value) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let text = serde_json::value::to_raw_value(event).unwrap();
        let processed = local::event(pipeline, text).await;
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
    fn no_spoilt_event_makes_the_pipeline_panic(
        seed in prop::sample::select(seeds()),
        steps in prop::collection::vec(0_usize..32, 0..6),
        new in json(),
    ) {
        let mut event = seed;
        spoil(&mut event, &steps, new);
        survives(&EVERYTHING, &event);
    }
}

#[test]
fn whole_events_are_handled_before_they_are_spoilt() {
    let pipeline = &*EVERYTHING;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    for seed in seeds() {
        let text = serde_json::value::to_raw_value(&seed).unwrap();
        let processed = runtime.block_on(local::event(pipeline, text));
        assert!(processed.result.is_ok(), "{} of {seed}: {processed:?}", processed.kind);
    }
}
