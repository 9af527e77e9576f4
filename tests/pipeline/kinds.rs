use funcify::{
    pipeline::{Event, Kind},
    testing,
};
use http::Method;
use serde_json::{Value, json};

fn kind(json: &Value) -> Kind {
    Event::parse(&json.to_string()).unwrap().kind()
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
        (testing::rest_get("/").event(), "apigw-rest-v1"),
        (testing::http_v1_payload(get.clone(), "/").event(), "apigw-http-v1-payload"),
        (testing::http_get("/").event(), "apigw-http-v2"),
        (testing::function_url(get.clone(), "/").event(), "function-url"),
        (testing::websocket("$connect").event(), "websocket"),
        (testing::alb(get.clone(), "/").event(), "alb"),
        (testing::alb_multi_value(get.clone(), "/").event(), "alb"),
        (testing::vpc_lattice_v1(get.clone(), "/").event(), "vpc-lattice-v1"),
        (testing::vpc_lattice_v2(get.clone(), "/").event(), "vpc-lattice-v2"),
        (testing::authorizer(&get, "/").event(), "authorizer"),
        (testing::s3_put("b", "k").event(), "s3"),
        (testing::s3_test_event("b").event(), "s3-test-event"),
        (testing::sqs("q").message("1", "{}").event(), "sqs"),
        (testing::sns("t", "hello").event(), "sns"),
        (testing::eventbridge("shop", "Order Placed", json!({})).event(), "eventbridge"),
        (testing::dynamodb_stream("t").record("1", "a").event(), "dynamodb-stream"),
        (testing::kinesis("s").record("1", "a").event(), "kinesis"),
        (testing::TestEvent::new(json!({ "reindex": true })).event(), "unknown"),
    ] {
        assert_eq!(event.kind().to_string(), name);
    }
}

#[test]
fn envelopes_are_named_by_what_they_hold() {
    let s3 = testing::s3_put("b", "k").json();
    let test = testing::s3_test_event("b").json();
    let bus = testing::eventbridge("shop", "Order Placed", json!({})).json();
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
    assert_eq!(testing::sns("t", s3).event().kind(), Kind::SnsS3);
    let created = json!({ "bucket": { "name": "b" }, "object": { "key": "k" } });
    let created = testing::eventbridge("aws.s3", "Object Created", created);
    assert_eq!(created.event().kind(), Kind::EventBridgeS3);
}

#[test]
fn what_is_no_request_is_never_taken_for_one() {
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
        json!({ "records": { "t-0": [{ "topic": "t" }] }, "eventSource": "aws:kafka" }),
        json!([{ "eventSource": "aws:s3" }]),
        json!("aws:s3"),
        json!(null),
        json!(7),
    ] {
        let kind = kind(&event);
        assert!(!kind.is_http(), "{event} is {kind}");
        assert!(matches!(kind, Kind::Authorizer | Kind::Unknown), "{event} is {kind}");
    }
}

#[test]
fn a_member_that_is_null_is_absent() {
    let mut event: Value = serde_json::from_str(&testing::rest_get("/").json()).unwrap();
    for member in ["methodArn", "Records", "version", "rawPath", "raw_path", "authorizationToken"] {
        event[member] = Value::Null;
    }
    assert_eq!(kind(&event), Kind::RestV1);
}

#[test]
fn an_event_that_contradicts_itself_or_is_too_large_is_refused() {
    for text in [
        r#"{"path":"/a","path":"/b"}"#,
        r#"{"requestContext":{"stage":"a","stage":"b"}}"#,
        r#"{"p\u0061th":"/a","path":"/b"}"#,
        "{",
        "",
        "{\"a\":1}}",
        "nul",
    ] {
        assert!(Event::parse(text).is_err(), "{text}");
    }
    let deep = |depth: usize| format!("{}{}", "{\"a\":".repeat(depth), "1") + &"}".repeat(depth);
    assert!(Event::parse(&deep(32)).is_ok());
    assert!(Event::parse(&deep(33)).is_err());
    assert!(Event::parse(&deep(100_000)).is_err());
    assert!(Event::parse(&format!("[{}1]", "1,".repeat(10_000))).is_err());
}

#[test]
fn the_shipped_events_are_of_the_kinds_that_their_names_say() {
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
        let kind = Event::parse(&text).unwrap().kind();
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
