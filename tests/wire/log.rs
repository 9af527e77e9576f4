//! The log of a function as Lambda reads it.

use funcify::testing::TestEvent;
use http::Method;
use serde_json::{Value, json};

use super::{Function, LIMIT};
use crate::support::events;

#[tokio::test]
async fn the_end_of_a_stream_is_logged_at_the_end_of_its_body() {
    let function = Function::start("streamed").await;
    function.answers(&events::function_url(Method::GET, "/pieces")).await;
    function.answers(&events::function_url(Method::GET, "/fails")).await;
    function.answers(&events::function_url(Method::GET, "/panics")).await;
    let lines = function.lines(3).await;
    let events: Vec<_> = lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
    let first = ["start", "made", "made", "made", "end"];
    let expected = [&first[..], &["start", "end"], &["start", "panic", "end"]].concat();
    assert_eq!(events, expected, "{lines:?}");
    for line in &lines {
        assert!(line["request_id"].is_string() && line["tenant_id"] == "acme", "{line}");
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'), "{line}");
        assert!(!line.to_string().contains("panicked at"), "{line}");
    }
    let ends: Vec<_> = lines.iter().filter(|line| line["event"] == "end").collect();
    let outcome = |line: &Value| json!([line["outcome"], line["status"], line["level"]]);
    assert_eq!(outcome(ends[0]), json!(["handled", 200, "INFO"]));
    assert_eq!(outcome(ends[1]), json!(["failed", 200, "ERROR"]));
    assert!(ends[1]["error"].as_str().unwrap().contains("no connection"), "{}", ends[1]);
    assert_eq!(outcome(ends[2]), json!(["failed", 200, "ERROR"]));
    assert!(ends[0]["duration_ms"].as_f64().unwrap() >= 60.0, "{}", ends[0]);
}

#[tokio::test]
async fn every_line_has_the_request_id_at_every_level() {
    for (variable, level, expected) in [
        ("AWS_LAMBDA_LOG_LEVEL", "WARN", &["record failed", "record failed", "end"][..]),
        ("AWS_LAMBDA_LOG_LEVEL", "ERROR", &["end"]),
        ("AWS_LAMBDA_LOG_LEVEL", "FATAL", &["end"]),
        ("RUST_LOG", "error", &["end"]),
        ("RUST_LOG", "funcify=warn", &["record failed", "record failed", "end"]),
    ] {
        let function = Function::start_with("buffered", LIMIT, |command, _| {
            command.env(variable, level);
        })
        .await;
        let batch = TestEvent::sqs("orders").record("1", "a").record("2", "b");
        function.answers(&batch).await;
        let lines = function.lines(1).await;
        let events: Vec<_> = lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
        assert_eq!(events, expected, "{variable}={level}");
        for line in &lines {
            assert!(line["request_id"].as_str().unwrap().starts_with("8476a536-"), "{line}");
            assert!(line["xray_trace_id"].is_string() && line["tenant_id"] == "acme", "{line}");
        }
        for (line, id) in
            lines.iter().filter(|line| line["event"] == "record failed").zip(["1", "2"])
        {
            assert_eq!((&line["record"], &line["route"]), (&json!(id), &json!("orders")));
            assert_eq!(line["error"], "Internal Server Error: the shelf is empty");
        }
    }
}

#[tokio::test]
async fn lines_of_text_have_the_same_fields() {
    let function = Function::start_with("buffered", LIMIT, |command, _| {
        command.env("AWS_LAMBDA_LOG_FORMAT", "Text");
    })
    .await;
    function.answers(&events::http_get("/text")).await;
    function.process.prints("outcome=handled", LIMIT).await;
    let stdout = function.process.stdout();
    for (line, event) in stdout.lines().zip(["start", "end"]) {
        let words: Vec<_> = line.split(' ').collect();
        assert!(words[0].ends_with('Z') && words[1..3] == ["INFO", event], "{line}");
        assert!(
            line.contains(" request_id=8476a536-") && line.contains(" tenant_id=acme"),
            "{line}"
        );
    }
}
