//! Which kind is recognised from the members of an event.

use funcify::{
    pipeline::{Event, Kind},
    testing::TestEvent,
};
use http::Method;
use serde_json::{Value, json};

use crate::support::events;

fn kind(json: &Value) -> Kind {
    json.to_string().parse::<Event>().unwrap().kind()
}

fn sqs(body: &str) -> Value {
    json!({ "Records": [{ "eventSource": "aws:sqs", "body": body }] })
}

fn notification(message: &str) -> String {
    json!({ "Type": "Notification", "TopicArn": "arn:aws:sns:::t", "Message": message }).to_string()
}

#[test]
fn every_source_has_its_kind_and_the_kind_its_name() {
    let get = Method::GET;
    for (event, name) in [
        (events::rest_get("/"), "apigw-rest-v1"),
        (events::http_v1_payload(get.clone(), "/"), "apigw-http-v1-payload"),
        (events::http_get("/"), "apigw-http-v2"),
        (events::function_url(get.clone(), "/"), "function-url"),
        (events::websocket("$connect"), "websocket"),
        (events::alb(get.clone(), "/"), "alb"),
        (events::alb_multi_value(get.clone(), "/"), "alb"),
        (events::vpc_lattice_v1(get.clone(), "/"), "vpc-lattice-v1"),
        (events::vpc_lattice_v2(get.clone(), "/"), "vpc-lattice-v2"),
        (events::authorizer(&get, "/"), "authorizer"),
        (TestEvent::s3("b", "k"), "s3"),
        (events::s3_test_event("b"), "s3-test-event"),
        (TestEvent::sqs("q").record("1", "{}"), "sqs"),
        (TestEvent::sns("t", "hello"), "sns"),
        (TestEvent::eventbridge("shop", "Order Placed", json!({})), "eventbridge"),
        (TestEvent::dynamodb_stream("t").record("1", "a"), "dynamodb-stream"),
        (TestEvent::kinesis("s").record("1", "a"), "kinesis"),
        (TestEvent::from(json!({ "reindex": true })), "unknown"),
    ] {
        assert_eq!(events::parsed(&event).kind().to_string(), name);
    }
}

#[test]
fn envelopes_are_named_by_their_content() {
    let s3 = TestEvent::s3("b", "k").to_string();
    let test = events::s3_test_event("b").to_string();
    let bus = TestEvent::eventbridge("shop", "Order Placed", json!({})).to_string();
    for (event, name) in [
        (sqs(&s3), "sqs<s3"),
        (sqs(&test), "sqs<s3"),
        (sqs(&notification("hello")), "sqs<sns"),
        (sqs(&notification(&s3)), "sqs<sns<s3"),
        (sqs(&bus), "sqs<eventbridge"),
        (sqs("not JSON"), "sqs"),
        (sqs("{"), "sqs"),
        (sqs("{\"Records\":[]}"), "sqs"),
        (sqs("[]"), "sqs"),
    ] {
        assert_eq!(kind(&event).to_string(), name, "{event}");
    }
    assert_eq!(events::parsed(&TestEvent::sns("t", s3)).kind(), Kind::SnsS3);
    let created = json!({ "bucket": { "name": "b" }, "object": { "key": "k" } });
    let created = TestEvent::eventbridge("aws.s3", "Object Created", created);
    assert_eq!(events::parsed(&created).kind(), Kind::EventBridgeS3);
}

#[test]
fn an_event_that_is_not_a_request_is_never_recognised_as_one() {
    for event in [
        json!({ "type": "TOKEN", "authorizationToken": "t", "methodArn": "arn" }),
        json!({ "version": "2.0", "type": "REQUEST", "routeArn": "arn", "rawPath": "/",
            "requestContext": { "http": { "method": "GET" } } }),
        json!({ "type": "REQUEST", "methodArn": "arn", "path": "/", "httpMethod": "GET",
            "requestContext": { "connectionId": "c" } }),
        json!({ "authorizationToken": "t", "requestContext": { "apiId": "a" } }),
        json!({ "httpMethod": "GET", "path": "/" }),
        json!({ "method": "GET", "path": "/" }),
        json!({ "version": "2.0", "method": "GET", "path": "/", "requestContext": {} }),
        json!({ "requestContext": { "http": {} } }),
        json!({ "source": "aws.s3" }),
        json!({ "Records": [] }),
        json!({ "Records": 5 }),
        json!({ "Records": ["aws:s3"] }),
        json!({ "Records": [{ "eventSource": ["aws:s3"] }] }),
        json!({ "Records": [{ "eventSource": "aws:codecommit" }] }),
        json!([{ "eventSource": "aws:s3" }]),
        json!("aws:s3"),
        json!(null),
        json!(7),
    ] {
        let kind = kind(&event);
        assert!(matches!(kind, Kind::Authorizer | Kind::Unknown), "{event} is {kind}");
    }
}

#[test]
fn a_member_that_is_null_counts_as_absent() {
    let mut event = events::json(&events::rest_get("/"));
    for member in ["methodArn", "Records", "version", "rawPath", "raw_path", "authorizationToken"] {
        event[member] = Value::Null;
    }
    assert_eq!(kind(&event), Kind::RestV1);
}

#[test]
fn an_event_with_repeated_members_is_refused() {
    for text in [
        r#"{"path":"/a","path":"/b"}"#,
        r#"{"requestContext":{"stage":"a","stage":"b"}}"#,
        r#"{"requestContext":{"authorizer":{"a":1},"authorizer":{"b":1}}}"#,
        r#"{"requestContext":{"authorizer":null,"authorizer":{"b":1}}}"#,
        r#"{"requestContext":{"authorizer":{"a":1},"authorizer":null}}"#,
        r#"{"requestContext":{"authorizer":{"a":1},"\u0061uthorizer":{"b":1}}}"#,
        r#"{"requestContext":{"identity":null,"identity":{"userArn":"a"}}}"#,
        r#"{"requestContext":{},"requestContext":{"authorizer":{"b":1}}}"#,
        r#"{"requestContext":null,"requestContext":{"authorizer":{"b":1}}}"#,
        r#"{"requestContext":{"authorizer":{"b":1}},"requestContext":null}"#,
        r#"{"p\u0061th":"/a","path":"/b"}"#,
        "{",
        "",
        "{\"a\":1}}",
        "nul",
    ] {
        assert!(text.parse::<Event>().is_err(), "{text}");
    }
    let deep = |depth: usize| format!("{}{}", "{\"a\":".repeat(depth), "1") + &"}".repeat(depth);
    // No code that reads an event is recursive, so an event may have any depth and any number of values.
    for text in [deep(33), deep(100_000), format!("[{}1]", "1,".repeat(1_000_000))] {
        assert_eq!(text.parse::<Event>().unwrap().kind(), Kind::Unknown);
    }
}

#[test]
fn the_shipped_events_have_the_kinds_in_their_names() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/events");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    assert!(files.len() >= 12);
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let kind = text.parse::<Event>().unwrap().kind();
        let source = file.file_stem().unwrap().to_str().unwrap().split('-').nth(1).unwrap();
        let expected: &[Kind] = match source {
            "rest" => &[Kind::RestV1],
            "http" => &[Kind::HttpV2],
            "s3" => &[Kind::S3, Kind::S3TestEvent],
            "sqs" => &[Kind::Sqs],
            _ => &[Kind::Unknown],
        };
        assert!(expected.contains(&kind), "{} is {kind}", file.display());
    }
}
