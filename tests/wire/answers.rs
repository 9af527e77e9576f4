//! The answers of every source, buffered and streamed, complete and broken.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use funcify::pipeline::Kind;
use funcify::testing::TestEvent;
use http::Method;
use serde_json::{Value, json};

use super::Function;
use super::message::Message;
use crate::support::events;
use crate::support::runtime_api::InvocationResult;

/// No caller may see it.
const SECRET: &str = "hunter2";

/// The requests that each source makes, with the status of the answer and its body if the answer is buffered.
const BUFFERED: [(Method, &str, u16, Option<&str>); 9] = [
    (Method::GET, "/text", 200, Some("hello")),
    (Method::GET, "/cookies", 200, Some("cookies")),
    (Method::GET, "/binary", 200, Some("AP8AAAAAAAAAAAE=")),
    (Method::GET, "/pieces", 200, Some("onetwothree")),
    (Method::GET, "/fails", 500, None),
    (Method::GET, "/panics", 500, None),
    (Method::GET, "/early", 500, None),
    (Method::GET, "/nowhere", 404, None),
    (Method::GET, "/a/../b", 400, None),
];

type Make = fn(Method, &str) -> TestEvent;

const SOURCES: [(&str, Make); 9] = [
    ("REST API", events::rest_request),
    ("HTTP API 1.0", events::http_v1_payload),
    ("HTTP API 2.0", events::http_request),
    ("function URL", events::function_url),
    ("ALB", events::alb),
    ("ALB, multi-value", events::alb_multi_value),
    ("VPC Lattice 1.0", events::vpc_lattice_v1),
    ("VPC Lattice 2.0", events::vpc_lattice_v2),
    ("WebSocket", |_, path| events::websocket(path.trim_start_matches('/'))),
];

/// The one request that answers an invocation.
fn only(mut sent: Vec<Message>) -> Message {
    assert_eq!(sent.len(), 1, "{sent:?}");
    let message = sent.remove(0);
    assert!(message.is_complete, "{message:?}");
    for bytes in [&message.body, &format!("{:?}", message.trailers).into_bytes()] {
        assert!(!String::from_utf8_lossy(bytes).contains(SECRET), "{message:?}");
    }
    message
}

#[tokio::test]
async fn a_buffered_answer_is_one_object_with_its_length() {
    let mut cases = 0;
    for how in ["buffered", "streamed"] {
        let function = Function::start(how).await;
        let mut invocation = 0;
        for (source, make) in SOURCES {
            let is_streamed = how == "streamed" && ["REST API", "function URL"].contains(&source);
            for (method, path, status, body) in BUFFERED {
                // The routes of a WebSocket are not these.
                if is_streamed || (source == "WebSocket" && path != "/text") {
                    continue;
                }
                function.answers(&make(method, path)).await;
                let sent = only(function.sent_for(invocation));
                invocation += 1;
                let case = format!("{how} {source} {path}: {sent:?}");
                assert!(sent.line.starts_with("POST /2018-06-01/runtime/invocation/"), "{case}");
                assert!(sent.line.ends_with("/response HTTP/1.1"), "{case}");
                assert_eq!(sent.header("content-length"), [sent.body.len().to_string()], "{case}");
                assert!(sent.header("transfer-encoding").is_empty(), "{case}");
                let answer: Value = serde_json::from_slice(&sent.body).expect(&case);
                assert_eq!(answer["statusCode"], status, "{case}");
                if let Some(body) = body {
                    assert_eq!(answer["body"], body, "{case}");
                }
                let has_cookies = ["HTTP API 2.0", "function URL"].contains(&source);
                assert_eq!(answer["cookies"].is_array(), has_cookies, "{case}");
                check_headers(&answer, &case);
                cases += 1;
            }
        }
    }
    println!("{cases} buffered answers");
}

/// No header of a connection is sent.
fn check_headers(metadata: &Value, case: &str) {
    for headers in ["headers", "multiValueHeaders"] {
        for name in ["content-length", "connection", "transfer-encoding"] {
            assert!(metadata[headers].get(name).is_none(), "{case}");
        }
    }
}

/// The requests whose answers are streamed: the status in the metadata, the body, and whether it breaks.
const STREAMED: [(Method, &str, u16, &[u8], bool); 13] = [
    (Method::GET, "/text", 200, b"hello", false),
    (Method::HEAD, "/text", 200, b"", false),
    (Method::POST, "/text", 200, b"hello", false),
    (Method::GET, "/cookies", 200, b"cookies", false),
    (Method::GET, "/binary", 200, &[0, 255, 0, 0, 0, 0, 0, 0, 0, 0, 1], false),
    (Method::GET, "/pieces", 200, b"onetwothree", false),
    (Method::GET, "/nothing", 204, b"", false),
    (Method::GET, "/unchanged", 304, b"", false),
    (Method::GET, "/fails", 200, b"one", true),
    (Method::GET, "/panics", 200, b"one", true),
    (Method::GET, "/early", 500, b"Internal Server Error", false),
    (Method::GET, "/nowhere", 404, b"Not Found", false),
    (Method::GET, "/a/../b", 400, b"Bad Request", false),
];

/// The metadata and the body of a stream. The test fails if it is not what Lambda asks for.
fn judged(sent: &Message, breaks: bool) -> Result<(Value, Vec<u8>), String> {
    let has = |name: &str, value: &str| match sent.header(name).contains(&value) {
        true => Ok(()),
        false => Err(format!("{name} is not {value}: {sent:?}")),
    };
    has("transfer-encoding", "chunked")?;
    has("lambda-runtime-function-response-mode", "streaming")?;
    has("content-type", "application/vnd.awslambda.http-integration-response")?;
    has("trailer", "lambda-runtime-function-error-type")?;
    has("trailer", "lambda-runtime-function-error-body")?;
    let delimiter = sent.body.windows(8).position(|bytes| bytes == [0; 8]);
    let delimiter = delimiter.ok_or("no delimiter")?;
    let metadata = serde_json::from_slice(&sent.body[..delimiter]).map_err(|e| e.to_string())?;
    let body = sent.body[delimiter + 8..].to_vec();
    let kind = sent.trailer("lambda-runtime-function-error-type");
    let why = sent.trailer("lambda-runtime-function-error-body");
    match (breaks, kind, why) {
        (false, None, None) => {}
        (true, Some("HANDLER_FAILED"), Some(why)) => {
            let why = STANDARD.decode(why).map_err(|e| e.to_string())?;
            let why: Value = serde_json::from_slice(&why).map_err(|e| e.to_string())?;
            let expected =
                json!({"errorType": "HANDLER_FAILED", "errorMessage": "the response ended early"});
            if why != expected {
                return Err(format!("the error is {why}"));
            }
        }
        _ => return Err(format!("the trailers are {:?}", sent.trailers)),
    }
    if String::from_utf8_lossy(&body).contains("Lambda-Runtime") {
        return Err("a trailer is in the body".to_owned());
    }
    Ok((metadata, body))
}

#[tokio::test]
async fn a_streamed_answer_is_metadata_eight_nuls_and_the_body_and_a_broken_one_has_trailers() {
    let function = Function::start("streamed").await;
    let mut invocation = 0;
    for (kind, cookies_in, type_in) in [
        (Kind::FunctionUrl, "/cookies", "/headers/content-type"),
        (Kind::RestV1, "/multiValueHeaders/set-cookie", "/multiValueHeaders/content-type/0"),
    ] {
        for (method, path, status, body, breaks) in STREAMED {
            let result = function.answers(&TestEvent::http(kind, method.clone(), path)).await;
            assert_eq!(matches!(result, InvocationResult::FunctionError(_)), breaks, "{path}");
            let sent = only(function.sent_for(invocation));
            invocation += 1;
            let case = format!("{kind} {method} {path}: {sent:?}");
            let (metadata, sent_body) = judged(&sent, breaks).expect(&case);
            assert_eq!(metadata["statusCode"], status, "{case}");
            check_headers(&metadata, &case);
            if status < 400 {
                assert_eq!(sent_body, body, "{case}");
            } else {
                let problem: Value = serde_json::from_slice(&sent_body).expect(&case);
                assert_eq!(problem["title"].as_str().unwrap().as_bytes(), body, "{case}");
            }
            if path == "/cookies" {
                assert_eq!(metadata.pointer(cookies_in), Some(&json!(["a=1", "b=2"])), "{case}");
            }
            if path == "/pieces" {
                let chunks: Vec<_> =
                    sent.chunks.iter().map(|c| String::from_utf8_lossy(c)).collect();
                assert_eq!(chunks[chunks.len() - 3..], ["one", "two", "three"], "{case}");
                // Its handler names no type. A function URL would take it for JSON.
                let unnamed = json!("application/octet-stream");
                assert_eq!(metadata.pointer(type_in), Some(&unnamed), "{case}");
            }
        }
    }
    println!("{invocation} streamed answers");
}

/// A mutant: the runtime itself writes the error into the body, and the secret with it.
#[tokio::test]
async fn the_runtimes_own_stream_that_fails_is_caught() {
    let function = Function::start("runtime").await;
    function.answers(&events::function_url(Method::GET, "/fails")).await;
    let sent = function.sent_for(0);
    let [sent] = sent.as_slice() else { panic!("{sent:?}") };
    assert!(sent.is_complete && judged(sent, true).is_err(), "{sent:?}");
}

#[tokio::test]
async fn a_stream_that_hangs_breaks_before_lambda_ends_the_invocation() {
    let function = Function::start_with("streamed", Duration::from_secs(1), |_, _| {}).await;
    for kind in [Kind::FunctionUrl, Kind::RestV1] {
        let result = function.answers(&TestEvent::http(kind, Method::GET, "/hangs")).await;
        assert!(matches!(result, InvocationResult::FunctionError(_)), "{result:?}");
    }
    for invocation in [0, 1] {
        let (metadata, body) = judged(&only(function.sent_for(invocation)), true).unwrap();
        assert_eq!((&metadata["statusCode"], body.as_slice()), (&json!(200), &b"one"[..]));
    }
}

#[tokio::test]
async fn a_connection_that_lambda_cuts_ends_the_invocation_and_the_next_one_is_served() {
    let function = Function::start("streamed").await;
    function.api.cut_after(100_000);
    function.answers(&events::function_url(Method::GET, "/endless")).await;
    function.api.cut_after(u64::MAX);
    let lines = function.lines(1).await;
    let end = lines.iter().find(|line| line["event"] == "end").unwrap();
    assert_eq!((&end["outcome"], &end["status"]), (&json!("failed"), &json!(200)), "{end}");
    let result = function.answers(&events::function_url(Method::GET, "/text")).await;
    assert!(matches!(result, InvocationResult::Ok(_)), "{result:?}");
}
