//! Events of every source in short form, as plain functions over `funcify::testing`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use funcify::{
    pipeline::{Event, Kind, Pipeline, Processed},
    testing::TestEvent,
};
use http::Method;
use lambda_runtime::{Context, LambdaEvent};
use serde_json::{Value, json, value::RawValue};

pub(crate) fn rest_request(method: Method, path: &str) -> TestEvent {
    TestEvent::http(Kind::RestV1, method, path)
}

pub(crate) fn rest_get(path: &str) -> TestEvent {
    rest_request(Method::GET, path)
}

pub(crate) fn rest_post(path: &str) -> TestEvent {
    rest_request(Method::POST, path)
}

pub(crate) fn http_request(method: Method, path: &str) -> TestEvent {
    TestEvent::http(Kind::HttpV2, method, path)
}

pub(crate) fn http_get(path: &str) -> TestEvent {
    http_request(Method::GET, path)
}

pub(crate) fn http_post(path: &str) -> TestEvent {
    http_request(Method::POST, path)
}

pub(crate) fn http_v1_payload(method: Method, path: &str) -> TestEvent {
    TestEvent::http(Kind::HttpV1Payload, method, path)
}

pub(crate) fn function_url(method: Method, path: &str) -> TestEvent {
    TestEvent::http(Kind::FunctionUrl, method, path)
}

pub(crate) fn alb(method: Method, path: &str) -> TestEvent {
    TestEvent::http(Kind::Alb, method, path)
}

pub(crate) fn alb_multi_value(method: Method, path: &str) -> TestEvent {
    alb(method, path).multi_value_headers()
}

pub(crate) fn vpc_lattice_v1(method: Method, path: &str) -> TestEvent {
    TestEvent::http(Kind::VpcLatticeV1, method, path)
}

pub(crate) fn vpc_lattice_v2(method: Method, path: &str) -> TestEvent {
    TestEvent::http(Kind::VpcLatticeV2, method, path)
}

/// A message of a WebSocket connection: `$connect`, `$disconnect`, `$default` or a key of its own.
pub(crate) fn websocket(route_key: &str) -> TestEvent {
    TestEvent::http(Kind::WebSocket, Method::POST, route_key)
}

/// The question of API Gateway to a Lambda authorizer about a request.
pub(crate) fn authorizer(method: &Method, path: &str) -> TestEvent {
    let mut event = json(&rest_request(method.clone(), path));
    event["type"] = json!("REQUEST");
    event["methodArn"] =
        json!(format!("arn:aws:execute-api:eu-west-1:123456789012:api/prod/{method}{path}"));
    TestEvent::from(event)
}

/// Several objects in one event. The keys are encoded.
pub(crate) fn s3(objects: &[(&str, &str)]) -> TestEvent {
    let records: Vec<Value> = objects
        .iter()
        .map(|(bucket, key)| json(&TestEvent::s3(bucket, key))["Records"][0].take())
        .collect();
    TestEvent::from(json!({ "Records": records }))
}

/// The message that S3 sends when somebody configures notifications of a bucket.
pub(crate) fn s3_test_event(bucket: &str) -> TestEvent {
    TestEvent::from(json!({
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Time": "2024-05-01T12:00:00.000Z",
        "Bucket": bucket,
        "RequestId": "5582815E1AEA5ADF",
        "HostId": "8cLeGAmw098X5cv4Zkwcmo8vvZa3eH3eKxsPzbB9wrR",
    }))
}

/// A batch of a FIFO queue. Each message has its id, its group and its body.
pub(crate) fn fifo(queue: &str, messages: &[(&str, &str, &str)]) -> TestEvent {
    let batch =
        messages.iter().fold(TestEvent::sqs(queue), |batch, (id, _, body)| batch.record(id, *body));
    let mut event = json(&batch);
    for (index, (_, group, _)) in messages.iter().enumerate() {
        event["Records"][index]["attributes"] = json!({ "MessageGroupId": group });
    }
    TestEvent::from(event)
}

/// The event as JSON that a test can change.
pub(crate) fn json(event: &TestEvent) -> Value {
    serde_json::from_str(&event.to_string()).unwrap()
}

/// The event as the pipeline sees it.
pub(crate) fn parsed(event: &TestEvent) -> Event {
    event.to_string().parse().unwrap()
}

/// Whether events of this kind are HTTP requests.
pub(crate) fn is_http(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::RestV1
            | Kind::HttpV1Payload
            | Kind::HttpV2
            | Kind::FunctionUrl
            | Kind::WebSocket
            | Kind::Alb
            | Kind::VpcLatticeV1
            | Kind::VpcLatticeV2
    )
}

/// Processes an event whose invocation Lambda ends in `left`.
pub(crate) async fn process_within(
    event: &TestEvent,
    pipeline: &Pipeline,
    left: Duration,
) -> Processed {
    let mut event: LambdaEvent<Box<RawValue>> = event.into();
    event.context.deadline = deadline_in(left);
    pipeline.process(event).await
}

/// The context of an invocation that Lambda ends in `left`.
pub(crate) fn context(left: Duration) -> Context {
    let mut context = LambdaEvent::from(&TestEvent::from(Value::Null)).context;
    context.deadline = deadline_in(left);
    context
}

fn deadline_in(left: Duration) -> u64 {
    let ends = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + left;
    u64::try_from(ends.as_millis()).unwrap()
}
