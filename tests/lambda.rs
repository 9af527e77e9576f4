//! The built `orders` example as a Lambda function, with real deadlines.

use std::{
    fs,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::{
    events,
    process::{Process, example},
    runtime_api::{InvocationResult, RuntimeApi},
};

/// The timeout of most functions.
const LIMIT: Duration = Duration::from_secs(3);

/// The function in a sandbox of its own.
struct Function {
    api: RuntimeApi,
    process: Process,
}

impl Function {
    async fn start(limit: Duration, backend: &str) -> Self {
        let api = RuntimeApi::start(limit).await;
        let mut command = example("orders");
        command.envs(api.environment()).env("ORDERS_STAND_INS", "1").env_remove("RUST_LOG");
        command.env("FUNCIFY_BACKEND", backend);
        command.env_remove("FUNCIFY_TOKENS").env_remove("FUNCIFY_CIRCUITS");
        Self { api, process: Process::start(command) }
    }

    async fn handles(&self, event: &str) -> InvocationResult {
        self.api.invoke(event.to_owned()).await
    }

    /// The lines that it has logged until the end of this invocation, parsed from JSON.
    async fn lines_until_the_end_of(&self, invocation: usize) -> Vec<Value> {
        let until = Instant::now() + LIMIT;
        loop {
            let stdout = self.process.stdout();
            let lines: Vec<Value> =
                stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            if lines.iter().filter(|line| line["event"] == "end").count() >= invocation {
                return lines;
            }
            assert!(Instant::now() < until, "{stdout}{}", self.process.stderr());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

fn event(name: &str) -> String {
    let path = format!("{}/../examples/events/{name}.json", env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(path).unwrap()
}

/// The message with a quantity of 0.
const FAILS: &str = "2e1424d4-f796-459a-8184-9c92662be6da";

#[tokio::test]
async fn each_event_is_answered_in_its_own_format() {
    let function = Function::start(LIMIT, "memory:").await;

    let http = function.handles(&event("04-http-get-health-public")).await.json();
    assert_eq!((&http["statusCode"], &http["body"]), (&json!(200), &json!("ok")));
    assert!(http["headers"]["content-type"].is_string(), "{http}");
    let rest = function.handles(&event("09-rest-guard-refuses")).await.json();
    assert_eq!(rest["statusCode"], 403);
    assert!(rest["multiValueHeaders"]["content-type"].is_array(), "{rest}");
    let batch = function.handles(&event("13-sqs-one-of-three-fails")).await.json();
    assert_eq!(batch, json!({"batchItemFailures": [{"itemIdentifier": FAILS}]}));
    assert_eq!(function.handles(&event("06-s3-two-buckets")).await.json(), Value::Null);
    assert_eq!(function.api.streamed(), 0);
}

#[tokio::test]
async fn an_unroutable_or_malformed_event_fails_and_the_next_one_is_served() {
    let function = Function::start(LIMIT, "memory:").await;
    let deep = "[".repeat(200) + &"]".repeat(200);
    for (bad, expected) in [
        (event("08-unknown-event").as_str(), Some("NO_MATCHING_ROUTE")),
        ("null", Some("NO_MATCHING_ROUTE")),
        (r#"{"version": "2.0", "#, None),
        (deep.as_str(), None),
        ("", None),
    ] {
        let result = function.handles(bad).await;
        let InvocationResult::FunctionError(error) = result else { panic!("{bad}: {result:?}") };
        if let Some(expected) = expected {
            assert_eq!(error["errorType"], expected);
        }
        let next = function.handles(&event("04-http-get-health-public")).await.json();
        assert_eq!(next["statusCode"], 200, "after {bad}");
    }
}

#[tokio::test]
async fn with_too_little_time_nothing_is_started_and_the_output_comes_before_the_timeout() {
    let function = Function::start(Duration::from_millis(290), "memory:").await;
    let http = function.handles(&event("04-http-get-health-public")).await.json();
    assert_eq!(http["statusCode"], 503);
    // No message was started, so the invocation fails and all of them are delivered again.
    let batch = function.handles(&event("13-sqs-one-of-three-fails")).await;
    let InvocationResult::FunctionError(error) = batch else { panic!("{batch:?}") };
    assert_eq!(error["errorType"], "HANDLER_FAILED");
}

#[tokio::test]
async fn a_store_that_hangs_costs_time_but_no_invocation() {
    let hangs = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let backend = format!("redis://{}", hangs.local_addr().unwrap());
    let function = Function::start(LIMIT, &backend).await;
    let batch = function.handles(&event("13-sqs-one-of-three-fails")).await.json();
    let failed = batch["batchItemFailures"].as_array().unwrap();
    assert!(failed.contains(&json!({"itemIdentifier": FAILS})), "{batch}");
}

#[tokio::test]
async fn an_invocation_logs_one_line_when_it_starts_and_one_when_it_ends() {
    let function = Function::start(LIMIT, "memory:").await;
    function.handles(&event("04-http-get-health-public")).await.json();
    function.handles(&event("13-sqs-one-of-three-fails")).await.json();
    let lines = function.lines_until_the_end_of(2).await;

    let ended: Vec<_> = lines.iter().filter(|line| line["event"] == "end").collect();
    let [first, .., second] = ended.as_slice() else { panic!("{ended:?}") };
    assert_eq!(
        shape(first),
        json!({"level": "INFO", "event": "end", "kind": "apigw-http-v2", "route": "/health",
            "outcome": "handled", "status": 200, "cold_start": true})
    );
    assert_eq!(
        shape(second),
        json!({"level": "ERROR", "event": "end", "kind": "sqs", "route": "orders",
            "outcome": "failed", "cold_start": false})
    );
    let starts: Vec<_> = lines.iter().filter(|line| line["event"] == "start").map(shape).collect();
    let start = |kind: &str, cold: bool| json!({"level": "INFO", "event": "start", "kind": kind, "cold_start": cold});
    assert_eq!(starts, [start("apigw-http-v2", true), start("sqs", false)]);
    assert_ne!(first["request_id"], second["request_id"]);
}

#[tokio::test]
async fn the_metrics_of_an_invocation_are_one_line_of_what_changed() {
    let api = RuntimeApi::start(LIMIT).await;
    let mut command = example("orders");
    command.envs(api.environment()).env("ORDERS_STAND_INS", "1").env_remove("RUST_LOG");
    command.env("FUNCIFY_BACKEND", "memory:").env("FUNCIFY_METRICS", "emf:orders");
    let function = Function { api, process: Process::start(command) };
    function.handles(&event("04-http-get-health-public")).await.json();
    function.handles(&event("13-sqs-one-of-three-fails")).await.json();
    function.handles(&event("04-http-get-health-public")).await.json();
    let lines = function.lines_until_the_end_of(3).await;
    let lines: Vec<_> = lines.iter().filter(|line| line.get("_aws").is_some()).collect();
    for line in &lines {
        println!("{line}");
    }
    // The line of the third invocation may still be on its way.
    let [first, batch, ..] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!((&first["kind"], &first["route"]), (&json!("apigw-http-v2"), &json!("/health")));
    assert_eq!(first["funcify.pipeline.invocations.handled"], 1);
    assert_eq!(first["funcify.pipeline.cold_starts"], 1);
    assert!(first["funcify.pipeline.duration"].is_f64(), "{first}");
    assert_eq!(first["_aws"]["CloudWatchMetrics"][0]["Namespace"], "orders");
    assert_eq!(batch["funcify.pipeline.invocations.failed"], 1);
    assert_eq!(batch["funcify.pipeline.records.failed"], 1);
    assert_eq!(batch["funcify.pipeline.records.handled"], 2);
    assert_eq!(batch.get("funcify.pipeline.cold_starts"), None, "only what changed: {batch}");
    assert!(batch["request_id"].as_str().unwrap().starts_with("8476a536-"), "{batch}");
}

#[tokio::test]
async fn a_namespace_that_cloudwatch_refuses_is_told_at_the_start() {
    refuses_to_start(
        |command| {
            command.env("FUNCIFY_METRICS", "emf:AWS/Lambda");
        },
        "FUNCIFY_METRICS cannot be used",
    )
    .await;
}

/// The line without the members that differ from run to run. Each of those must be there.
fn shape(line: &Value) -> Value {
    let mut members = line.as_object().unwrap().clone();
    let mut take = |name: &str| members.remove(name).unwrap_or_else(|| panic!("{name}: {line}"));
    assert!(take("timestamp").as_str().unwrap().ends_with('Z'));
    assert!(take("request_id").as_str().unwrap().starts_with("8476a536-"));
    assert_eq!(take("tenant_id"), "acme");
    assert!(take("xray_trace_id").as_str().unwrap().starts_with("Root=1-"));
    assert!(take("target").is_string());
    if line["event"] == "end" {
        assert!(take("duration_ms").as_f64().unwrap() < 3_000.0);
    }
    members.remove("error");
    Value::Object(members)
}

/// Asserts that the process ends with exit code 2 and one line that contains `says`.
async fn refuses_to_start(change: impl FnOnce(&mut std::process::Command), says: &str) {
    let api = RuntimeApi::start(LIMIT).await;
    let mut command = example("orders");
    command.envs(api.environment()).env("ORDERS_STAND_INS", "1").env("FUNCIFY_BACKEND", "memory:");
    change(&mut command);
    let mut process = Process::start(command);
    let status = process.ended(Duration::from_secs(20)).await;
    let stderr = process.stderr();
    assert_eq!(
        (status.code(), stderr.lines().count()),
        (Some(2), 1),
        "{stderr}{}",
        process.stdout()
    );
    assert!(stderr.contains(says), "{stderr}");
}

#[tokio::test]
async fn one_line_names_the_fault_of_a_malformed_lambda_environment() {
    let api = "AWS_LAMBDA_RUNTIME_API";
    // Nobody listens there.
    refuses_to_start(
        |command| {
            command.env(api, "127.0.0.1:1");
        },
        "the Lambda runtime ended",
    )
    .await;
    refuses_to_start(
        |command| {
            command.env(api, "no address");
        },
        api,
    )
    .await;
    for name in ["FUNCTION_NAME", "FUNCTION_VERSION", "FUNCTION_MEMORY_SIZE"] {
        let name = format!("AWS_LAMBDA_{name}");
        refuses_to_start(
            |command| {
                command.env_remove(&name);
            },
            &name,
        )
        .await;
    }
    let size = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE";
    refuses_to_start(
        |command| {
            command.env(size, "much");
        },
        size,
    )
    .await;
}

#[tokio::test]
async fn a_function_url_is_streamed_and_other_events_get_complete_outputs() {
    let api = RuntimeApi::start(LIMIT).await;
    let mut command = example("orders");
    command.envs(api.environment()).env("ORDERS_STAND_INS", "1").env("ORDERS_STREAM", "1");
    command.env("FUNCIFY_BACKEND", "memory:").env_remove("RUST_LOG");
    let _process = Process::start(command);
    let url = events::function_url(http::Method::GET, "/health").to_string();
    let InvocationResult::Ok(streamed) = api.invoke(url).await else { panic!("no answer") };
    // A prelude of JSON, eight NULs, the body.
    let end = streamed.windows(8).position(|bytes| bytes == [0; 8]).unwrap();
    let prelude: Value = serde_json::from_slice(&streamed[..end]).unwrap();
    assert_eq!((&prelude["statusCode"], &streamed[end + 8..]), (&json!(200), &b"ok"[..]));
    assert_eq!(api.streamed(), 1);
    let http = api.invoke(event("04-http-get-health-public")).await.json();
    assert_eq!((&http["statusCode"], &http["body"]), (&json!(200), &json!("ok")));
    let batch = api.invoke(event("13-sqs-one-of-three-fails")).await.json();
    assert_eq!(batch, json!({"batchItemFailures": [{"itemIdentifier": FAILS}]}));
    assert_eq!(api.streamed(), 1);
}

#[tokio::test]
async fn each_of_many_concurrent_invocations_gets_its_own_output() {
    let api = RuntimeApi::start(LIMIT).await;
    let mut command = example("orders");
    command.envs(api.environment()).env("ORDERS_STAND_INS", "1").env_remove("RUST_LOG");
    // Lambda sets this variable for an instance that takes several invocations concurrently.
    command.env("FUNCIFY_BACKEND", "memory:").env("AWS_LAMBDA_MAX_CONCURRENCY", "8");
    let _process = Process::start(command);
    let (health, rest, batch) = (
        event("04-http-get-health-public"),
        event("09-rest-guard-refuses"),
        event("13-sqs-one-of-three-fails"),
    );
    let round = async || {
        tokio::join!(
            api.invoke(health.clone()),
            api.invoke(rest.clone()),
            api.invoke(batch.clone())
        )
    };
    let rounds = futures_util::future::join_all((0..16).map(|_| round())).await;
    for (health, rest, batch) in rounds {
        assert_eq!(
            (&health.json()["statusCode"], &rest.json()["statusCode"]),
            (&json!(200), &json!(403))
        );
        assert_eq!(batch.json(), json!({"batchItemFailures": [{"itemIdentifier": FAILS}]}));
    }
}
