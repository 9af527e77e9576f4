//! Services that deliver records in a form of their own, or a single event: their events are recognised,
//! handled and answered.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::{Router, extract::State, routing::get};
use funcify::{
    Authenticator,
    auth::{Caller, Unauthenticated},
    pipeline::{
        AuthorizerRequest, CloudWatchLogs, Decision, FirehoseRecord, Invocation,
        InvocationErrorKind, InvocationOutcome, KafkaRecord, Kind, Message, Pipeline, Problem,
        RawJson, Transformed, route,
    },
    testing::TestEvent,
};
use http::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::support::events;

async fn output(event: &TestEvent, pipeline: &Pipeline) -> Value {
    serde_json::to_value(event.send(pipeline).await.unwrap()).unwrap()
}

type Seen = Arc<Mutex<Vec<String>>>;

async fn on_kafka(State(seen): State<Seen>, record: KafkaRecord) -> Result<(), Problem> {
    let value = String::from_utf8(record.value.unwrap_or_default()).unwrap();
    seen.lock().unwrap().push(format!("{}@{} {value}", record.partition, record.offset));
    if value == "fail" { Err(Problem::bad_request("expected another value")) } else { Ok(()) }
}

fn kafka(seen: &Seen) -> Pipeline {
    Pipeline::builder(Arc::clone(seen))
        .kafka("orders", on_kafka)
        .kafka("bulk", route(on_kafka).whole_batch())
        .build()
        .unwrap()
}

#[tokio::test]
async fn a_partition_stops_at_its_first_failure_and_is_reported_by_offset() {
    let batch = TestEvent::kafka("orders").record("1", "a").record("2", "fail").record("3", "b");
    let mut event = events::json(&batch);
    let mut other = event["records"]["orders-0"][0].clone();
    (other["partition"], other["offset"]) = (json!(1), json!(9));
    event["records"]["orders-1"] = json!([other]);
    let seen = Seen::default();
    let output = output(&TestEvent::from(event), &kafka(&seen)).await;
    let item =
        |offset: i64| json!({ "itemIdentifier": { "partition": "orders-0", "offset": offset } });
    assert_eq!(output, json!({ "batchItemFailures": [item(2), item(3)] }));
    assert_eq!(*seen.lock().unwrap(), ["0@1 a", "0@2 fail", "1@9 a"]);
}

#[tokio::test]
async fn a_record_of_kafka_has_its_headers_decoded_and_a_malformed_one_fails_alone() {
    let expect = async |record: KafkaRecord| {
        assert_eq!(record.headers, [("trace".to_owned(), "abü".as_bytes().to_vec())]);
        assert!(record.key.is_none() && record.timestamp.is_some());
        assert!(record.raw().contains("timestampType"));
        Ok::<(), Problem>(())
    };
    let pipeline = Pipeline::builder(()).kafka("orders", expect).build().unwrap();
    let batch = TestEvent::kafka("orders").record("1", "a").record("2", "b");
    assert_eq!(output(&batch, &pipeline).await, json!({ "batchItemFailures": [] }));
    let mut event = events::json(&batch);
    event["records"]["orders-0"][1]["value"] = json!("***");
    let sent = TestEvent::from(event).send(&pipeline).await.unwrap();
    assert_eq!(sent.failures(), ["orders-0@2"]);
    let bulk = TestEvent::kafka("bulk").record("1", "fail");
    let error = bulk.send(&kafka(&Seen::default())).await.unwrap_err();
    assert_eq!(error.kind, InvocationErrorKind::RecordsFailed);
}

/// Lambda reads up to 100 records of Kafka by default, and writes each byte of a header as a number.
#[tokio::test]
async fn a_full_batch_of_kafka_with_headers_is_handled() {
    let batch = (0..100)
        .fold(TestEvent::kafka("orders"), |batch, offset| batch.record(&offset.to_string(), "a"));
    let mut event = events::json(&batch);
    for record in event["records"]["orders-0"].as_array_mut().unwrap() {
        record["headers"] =
            json!([{ "a": vec![48; 55] }, { "b": vec![48; 55] }, { "c": vec![48; 55] }]);
    }
    let seen = Seen::default();
    TestEvent::from(event).send(&kafka(&seen)).await.unwrap();
    assert_eq!(seen.lock().unwrap().len(), 100);
}

#[tokio::test]
async fn each_record_of_firehose_gets_its_result() {
    let transform = async |record: FirehoseRecord| match &*record.data {
        b"drop" => Ok(Transformed::Dropped),
        b"fail" => Err(Problem::bad_request("expected another record")),
        b"panic" => panic!("of a handler"),
        b"key" => {
            let keys = BTreeMap::from([("customer".to_owned(), "7".to_owned())]);
            Ok(Transformed::Partitioned(record.data, keys))
        }
        data => Ok(Transformed::Data(data.to_ascii_uppercase())),
    };
    let pipeline = Pipeline::builder(()).firehose("clicks*", transform).build().unwrap();
    let batch = ["kettle", "drop", "fail", "panic", "key"].into_iter().enumerate();
    let batch = batch.fold(TestEvent::firehose("clicks-eu"), |batch, (id, data)| {
        batch.record(&id.to_string(), data)
    });
    let mut event = events::json(&batch);
    let mut malformed = event["records"][0].clone();
    (malformed["recordId"], malformed["data"]) = (json!("5"), json!("***"));
    event["records"].as_array_mut().unwrap().push(malformed);
    let output = output(&TestEvent::from(event), &pipeline).await;
    let results: Vec<_> = output["records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|record| (record["recordId"].as_str().unwrap(), record["result"].as_str().unwrap()))
        .collect();
    let failed = "ProcessingFailed";
    assert_eq!(
        results,
        [("0", "Ok"), ("1", "Dropped"), ("2", failed), ("3", failed), ("4", "Ok"), ("5", failed)]
    );
    assert_eq!(output["records"][0]["data"], "S0VUVExF");
    assert_eq!(output["records"][4]["metadata"], json!({ "partitionKeys": { "customer": "7" } }));
    let other = TestEvent::firehose("orders").record("1", "a").send(&pipeline).await;
    assert_eq!(other.unwrap_err().kind, InvocationErrorKind::NoMatchingRoute);
}

#[tokio::test]
async fn log_events_come_decompressed() {
    let expect = async |logs: CloudWatchLogs| {
        assert_eq!((&*logs.log_group, &*logs.message_type), ("orders", "DATA_MESSAGE"));
        assert_eq!((logs.events.len(), &*logs.events[0].message), (1, "a kettle"));
        Ok::<(), Problem>(())
    };
    let pipeline = Pipeline::builder(()).event_of(Kind::CloudWatchLogs, expect).build().unwrap();
    assert_eq!(output(&TestEvent::of(Kind::CloudWatchLogs), &pipeline).await, json!(null));
    for data in ["***", "YSBrZXR0bGU="] {
        let event = TestEvent::from(json!({ "awslogs": { "data": data } }));
        assert!(event.send(&pipeline).await.is_err(), "{data}");
    }
}

/// The kinds that a typed handler serves.
const SERVICES: [Kind; 14] = [
    Kind::CloudWatchLogs,
    Kind::Cognito,
    Kind::AppSync,
    Kind::CloudFormation,
    Kind::S3Batch,
    Kind::Mq,
    Kind::DocumentDb,
    Kind::Ses,
    Kind::Iot,
    Kind::CodePipeline,
    Kind::Config,
    Kind::Connect,
    Kind::Lex,
    Kind::Authorizer,
];

#[tokio::test]
async fn the_event_of_each_service_goes_to_its_handler_and_the_result_comes_back() {
    let echo = async |event: Value| Ok::<Value, Problem>(event);
    let pipeline = SERVICES
        .iter()
        .fold(Pipeline::builder(()), |builder, kind| builder.event_of(*kind, echo))
        .build()
        .unwrap();
    for kind in SERVICES {
        let event = TestEvent::of(kind);
        assert_eq!(events::parsed(&event).kind(), kind);
        let processed = pipeline.process((&event).into()).await;
        assert_eq!(processed.outcome, InvocationOutcome::Handled, "{kind}");
        assert_eq!(processed.route.as_deref(), Some(&*kind.to_string()), "{kind}");
        let output = serde_json::to_value(processed.result.unwrap()).unwrap();
        assert_eq!(output, events::json(&event), "{kind}");
    }
}

#[tokio::test]
async fn a_resolver_of_batches_gets_a_list() {
    let question = events::json(&TestEvent::of(Kind::AppSync));
    let event = TestEvent::from(json!([question, question]));
    assert_eq!(events::parsed(&event).kind(), Kind::AppSync);
    let count = async |questions: Vec<Value>| Ok::<_, Problem>(questions.len());
    let pipeline = Pipeline::builder(()).event_of(Kind::AppSync, count).build().unwrap();
    assert_eq!(output(&event, &pipeline).await, json!(2));
}

#[tokio::test]
async fn an_event_of_another_type_fails_without_its_values() {
    #[derive(serde::Deserialize)]
    struct Strange {
        #[serde(rename = "userName")]
        _user: u32,
    }
    let never = async |_: Strange| Ok::<(), Problem>(());
    let pipeline = Pipeline::builder(()).event_of(Kind::Cognito, never).build().unwrap();
    let processed = pipeline.process(TestEvent::of(Kind::Cognito).into()).await;
    assert_eq!(processed.outcome, InvocationOutcome::Failed);
    let cause = processed.cause.unwrap();
    assert!(cause.contains("expected u32") && !cause.contains("alice"), "{cause}");
}

fn authorizing() -> Pipeline {
    let identify = async |authorization: Option<String>, _| match authorization.as_deref() {
        Some("Bearer alice") => Ok(Caller::new("alice")),
        _ => Err(Unauthenticated::Missing),
    };
    let decide = async |call: Invocation, request: AuthorizerRequest| {
        let caller = call.caller().await?;
        match request.route_arn.as_deref().is_some_and(|arn| arn.ends_with("/admin")) {
            true => Ok::<_, Problem>(Decision::deny()),
            false => Ok(Decision::allow(&caller.subject).with("tier", "gold")),
        }
    };
    Pipeline::builder(())
        .authenticator(Authenticator::from_fn(identify))
        .authorizer(decide)
        .build()
        .unwrap()
}

const ARN: &str = "arn:aws:execute-api:eu-west-1:123456789012:api/prod/GET";

#[tokio::test]
async fn a_question_is_answered_in_the_format_of_its_gateway() {
    let pipeline = authorizing();
    let token = |path: &str| {
        json!({
            "type": "TOKEN", "authorizationToken": "Bearer alice", "methodArn": format!("{ARN}{path}"),
        })
    };
    let policy = |effect: &str, path: &str| {
        json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Action": "execute-api:Invoke", "Effect": effect, "Resource": format!("{ARN}{path}"),
            }],
        })
    };
    let allowed = output(&TestEvent::from(token("/orders")), &pipeline).await;
    assert_eq!(allowed["policyDocument"], policy("Allow", "/orders"));
    assert_eq!(
        (&allowed["principalId"], &allowed["context"]["tier"]),
        (&json!("alice"), &json!("gold"))
    );
    let denied = output(&TestEvent::from(token("/admin")), &pipeline).await;
    assert_eq!(denied["policyDocument"], policy("Deny", "/admin"));

    let http = json!({
        "version": "2.0", "type": "REQUEST", "routeArn": format!("{ARN}/orders"), "rawPath": "/orders",
        "headers": { "authorization": "Bearer alice" },
        "requestContext": { "http": { "method": "GET" } },
    });
    let simple = output(&TestEvent::from(http), &pipeline).await;
    assert_eq!(simple, json!({ "isAuthorized": true, "context": { "tier": "gold" } }));

    let appsync = json!({ "authorizationToken": "alice", "requestContext": { "apiId": "a" } });
    assert_eq!(events::parsed(&TestEvent::from(appsync.clone())).kind(), Kind::Authorizer);
    let resolver = output(&TestEvent::from(appsync), &pipeline).await;
    assert_eq!(resolver, json!({ "isAuthorized": true, "resolverContext": { "tier": "gold" } }));
}

#[tokio::test]
async fn a_question_without_a_caller_gets_the_401_of_the_api() {
    let pipeline = authorizing();
    let two = json!({
        "type": "REQUEST", "methodArn": format!("{ARN}/orders"),
        "headers": { "authorization": "Bearer alice", "Authorization": "Bearer alice" },
    });
    let none = json!({ "type": "TOKEN", "authorizationToken": "eve", "methodArn": ARN });
    for question in [two, none] {
        let error = TestEvent::from(question).send(&pipeline).await.unwrap_err();
        assert_eq!((error.kind, &*error.message), (InvocationErrorKind::Refused, "Unauthorized"));
    }
}

#[tokio::test]
async fn a_message_of_kafka_or_firehose_is_json() {
    let seven = async |message: Message<u32>| match message.body {
        7 => Ok::<(), Problem>(()),
        _ => Err(Problem::bad_request("expected seven")),
    };
    let pipeline = Pipeline::builder(()).kafka("orders", seven).build().unwrap();
    let batch = TestEvent::kafka("orders").record("1", "7").record("2", "x");
    assert_eq!(batch.send(&pipeline).await.unwrap().failures(), ["orders-0@2"]);
}

#[tokio::test]
async fn no_source_gets_content_where_http_has_none() {
    let router = Router::new()
        .route("/204", get(async || (StatusCode::NO_CONTENT, "content")))
        .route("/304", get(async || (StatusCode::NOT_MODIFIED, "content")))
        .route("/head", axum::routing::any(async || "content"));
    let pipeline = Pipeline::builder(()).http(router).build().unwrap();
    for kind in [Kind::RestV1, Kind::HttpV1Payload, Kind::HttpV2, Kind::FunctionUrl, Kind::Alb] {
        for (method, path) in [
            (Method::GET, "/204"),
            (Method::GET, "/304"),
            (Method::HEAD, "/head"),
            (Method::HEAD, "/x/../"),
        ] {
            let output = output(&TestEvent::http(kind, method, path), &pipeline).await;
            assert_eq!(output["body"], "", "{kind} {path}");
        }
        assert_eq!(
            output(&TestEvent::http(kind, Method::GET, "/head"), &pipeline).await["body"],
            "content"
        );
    }
}

#[tokio::test]
async fn a_response_that_its_source_would_not_take_is_a_500() {
    let router = Router::new().route("/large", get(async || "x".repeat(2 * 1024 * 1024)));
    let pipeline = Pipeline::builder(()).http(router).build().unwrap();
    for (kind, status) in [(Kind::Alb, 500), (Kind::RestV1, 200), (Kind::FunctionUrl, 200)] {
        let processed = pipeline.process(TestEvent::http(kind, Method::GET, "/large").into()).await;
        assert_eq!(processed.status.unwrap().as_u16(), status, "{kind}");
        assert_eq!(
            processed.cause.is_some_and(|cause| cause.contains("1048576")),
            kind == Kind::Alb
        );
    }
}

#[tokio::test]
async fn a_function_url_delivers_its_cookies_twice_and_the_handler_gets_them_once() {
    let count = async |headers: http::HeaderMap| {
        let all: Vec<_> = headers.get_all(header::COOKIE).iter().collect();
        format!("{all:?}")
    };
    let pipeline =
        Pipeline::builder(()).http(Router::new().route("/", get(count))).build().unwrap();
    for kind in [Kind::FunctionUrl, Kind::HttpV2, Kind::RestV1] {
        let event = TestEvent::http(kind, Method::GET, "/").header("cookie", "a=1; b=2");
        assert_eq!(output(&event, &pipeline).await["body"], r#"["a=1; b=2"]"#, "{kind}");
    }
}
