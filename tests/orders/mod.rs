//! Runs the built example `orders` as a user does.

mod backends;
mod refusals;
mod serve;

use std::{env, process::Command, time::Duration};

use serde_json::{Value, json};

use crate::support::process::{Process, example};

/// The command. Environment variables of the tests that the example would read are removed.
pub(crate) fn orders(arguments: &[&str]) -> Command {
    let mut command = example("orders");
    for (name, _) in env::vars_os() {
        let of_ours = name.to_string_lossy();
        if ["FUNCIFY_", "ORDERS_", "AWS_LAMBDA_"].iter().any(|own| of_ours.starts_with(own)) {
            command.env_remove(name);
        }
    }
    command.args(arguments);
    command
}

/// Runs the command, and returns its exit code, standard output and standard error.
async fn run(command: Command) -> (i32, String, String) {
    let mut process = Process::start(command);
    let status = process.ended(Duration::from_secs(60)).await;
    (status.code().unwrap(), process.stdout(), process.stderr())
}

/// Runs the command with `--json`, and returns the events and the summary.
async fn json_of(command: Command) -> (Vec<Value>, Value) {
    let (code, stdout, stderr) = run(command).await;
    assert_eq!(code, 0, "{stderr}");
    let mut lines: Vec<Value> =
        stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let summary = lines.pop().unwrap();
    (lines, summary["summary"].clone())
}

/// A file's name, and its event's kind, route, outcome and status.
type Ended<'a> = (&'a str, &'a str, Option<&'a str>, &'a str, Option<u16>);

const SHIPPED: [Ended<'static>; 19] = [
    ("01-rest-get-order", "apigw-rest-v1", Some("/orders/{id}"), "handled", Some(200)),
    ("02-rest-post-order", "apigw-rest-v1", Some("/orders"), "handled", Some(201)),
    ("03-http-get-orders", "apigw-http-v2", Some("/orders"), "handled", Some(200)),
    ("04-http-get-health-public", "apigw-http-v2", Some("/health"), "handled", Some(200)),
    ("05-s3-put-encoded-key", "s3", Some("uploads"), "handled", None),
    ("06-s3-two-buckets", "s3", Some("uploads,archive"), "handled", None),
    ("07-s3-bucket-name-with-dots", "s3", Some("uploads.*"), "handled", None),
    ("08-unknown-event", "unknown", None, "unmatched", None),
    ("09-rest-guard-refuses", "apigw-rest-v1", None, "refused", Some(403)),
    ("10-rest-post-bad-body", "apigw-rest-v1", Some("/orders"), "handled", Some(400)),
    (
        "11-http-get-order-without-token",
        "apigw-http-v2",
        Some("/orders/{id}"),
        "refused",
        Some(401),
    ),
    (
        "12-http-get-order-expired-token",
        "apigw-http-v2",
        Some("/orders/{id}"),
        "refused",
        Some(401),
    ),
    ("13-sqs-one-of-three-fails", "sqs", Some("orders"), "failed", None),
    ("14-rest-no-such-route", "apigw-rest-v1", None, "unmatched", Some(404)),
    ("15-s3-test-event", "s3-test-event", None, "handled", None),
    ("16-rest-path-in-disguise", "apigw-rest-v1", None, "refused", Some(400)),
    ("17-http-pay-order", "apigw-http-v2", Some("/orders/{id}/payments"), "handled", Some(201)),
    (
        "18-http-pay-order-again",
        "apigw-http-v2",
        Some("/orders/{id}/payments"),
        "handled",
        Some(201),
    ),
    ("19-sqs-delivered-again", "sqs", Some("orders"), "handled", None),
];

/// What is replayed in the first run: the repeated payment and the repeated message.
const REPLAYED: u64 = 2;

/// What is replayed in a second run on the same store: the payments, and the messages that did not fail.
const REPLAYED_AGAIN: u64 = 5;

/// Asserts the result of each shipped event, one grant for all of them, closed circuits, and how much was replayed.
fn assert_as_shipped(events: &[Value], summary: &Value, replayed: u64) {
    let seen: Vec<_> = events
        .iter()
        .map(|line| {
            let text = |name: &str| line[name].as_str();
            let status = line["status"].as_u64().map(|status| u16::try_from(status).unwrap());
            let (file, kind) = (text("file").unwrap(), text("kind").unwrap());
            (file, kind, text("route"), text("outcome").unwrap(), status)
        })
        .collect();
    assert_eq!(seen, SHIPPED);
    assert_eq!((&summary["grants"], &summary["replayed"]), (&json!(1), &json!(replayed)));
    assert_eq!(summary["circuits"], json!({"identity-provider": "closed", "warehouse": "closed"}));
    assert!(summary["ms"].is_u64(), "{summary}");
}

#[tokio::test]
async fn each_shipped_event_has_its_expected_result_and_all_cost_one_grant() {
    let (events, summary) = json_of(orders(&["--json"])).await;
    assert_as_shipped(&events, &summary, REPLAYED);
    for event in &events {
        let members: Vec<_> = event.as_object().unwrap().keys().collect();
        assert_eq!(members, ["file", "kind", "outcome", "response", "route", "status"]);
    }
    let response = |file: &str| {
        let event = events.iter().find(|event| event["file"] == file).unwrap();
        event["response"].clone()
    };
    let order = response("01-rest-get-order");
    assert_eq!(order["multiValueHeaders"]["set-cookie"], json!(["last=7", "seen=1"]));
    let order: Value = serde_json::from_str(order["body"].as_str().unwrap()).unwrap();
    assert_eq!((&order["id"], &order["stock"]["in_stock"]), (&json!(7), &json!(42)));
    assert_eq!(response("08-unknown-event")["errorType"], "NO_MATCHING_ROUTE");
    let failed = json!({"batchItemFailures":
        [{"itemIdentifier": "2e1424d4-f796-459a-8184-9c92662be6da"}]});
    assert_eq!(response("13-sqs-one-of-three-fails"), failed);
    let [paid, again] = ["17-http-pay-order", "18-http-pay-order-again"].map(response);
    assert_eq!(
        (&paid["body"], &paid["headers"]["idempotent-replayed"]),
        (&again["body"], &Value::Null)
    );
    assert_eq!(again["headers"]["idempotent-replayed"], "true");
    assert!(paid["body"].as_str().unwrap().contains("p-1"), "{paid}");
    let how = response("12-http-get-order-expired-token")["headers"]["www-authenticate"].clone();
    assert!(how.as_str().unwrap().contains("expired"), "{how}");
}

#[tokio::test]
async fn a_person_reads_one_line_for_each_event_and_what_is_a_stand_in() {
    let (code, stdout, stderr) = run(orders(&[])).await;
    assert_eq!((code, stderr.as_str()), (0, ""));
    for (file, kind, route, outcome, status) in SHIPPED {
        let lines: Vec<_> = stdout.lines().filter(|line| line.starts_with(file)).collect();
        let [line] = lines.as_slice() else { panic!("{file} in {lines:?}") };
        let status = status.map_or("-".to_owned(), |status| status.to_string());
        let words: Vec<_> = line.split_whitespace().skip(1).take(4).collect();
        assert_eq!(words, [kind, route.unwrap_or("-"), outcome, &status]);
    }
    for text in [
        "stand-in at http://127.0.0.1:",
        "FUNCIFY_BACKEND is not set",
        "grants    1 ",
        "replayed  2 ",
    ] {
        assert!(stdout.contains(text), "{text}: {stdout}");
    }
    assert!(!stdout.contains("eyJ"), "no token is shown");
}

#[tokio::test]
async fn given_files_run_in_their_order() {
    let events = format!("{}/../examples/events", env!("CARGO_MANIFEST_DIR"));
    let [last, first] = ["14-rest-no-such-route", "04-http-get-health-public"]
        .map(|name| format!("{events}/{name}.json"));
    let (events, summary) = json_of(orders(&["--json", &last, &first])).await;
    let names: Vec<_> = events.iter().map(|event| event["file"].as_str().unwrap()).collect();
    assert_eq!(names, [&last, &first], "as they were given");
    let statuses: Vec<_> = events.iter().map(|event| event["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [404, 200]);
    assert_eq!(summary["grants"], 0, "nothing called the warehouse");
}

#[tokio::test]
async fn a_closed_standard_output_ends_it_quietly() {
    let mut command = orders(&["--json"]);
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let ended =
        tokio::task::spawn_blocking(move || child.wait_with_output().unwrap()).await.unwrap();
    let stderr = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(0), "{stderr}");
    assert!(
        !stderr.contains("panicked") && stderr.contains("FUNCIFY_BACKEND is not set"),
        "{stderr}"
    );
}

#[tokio::test]
async fn help_succeeds() {
    let (code, stdout, stderr) = run(orders(&["--help"])).await;
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(stdout.starts_with("orders [--json]"));
}
