//! The example on each store, and with a real identity provider.

use aws_config::BehaviorVersion;
use funcify_backend_dynamodb::{DynamoDbBackend, DynamoDbConfig};

use super::{REPLAYED, REPLAYED_AGAIN, assert_as_shipped, json_of, orders, run};
use crate::support::{env, idp};

/// The URL with one more option.
fn with(url: &str, option: &str) -> String {
    let mark = if url.contains('?') { '&' } else { '?' };
    format!("{url}{mark}{option}")
}

/// A prefix for keys that no other test and no earlier run uses.
fn prefix(purpose: &str) -> String {
    format!("prefix=funcify-test-{purpose}-{:x}", env::seed())
}

/// The path in Parameter Store with one more segment.
fn below(url: &str, step: &str) -> String {
    let (path, options) = url.split_once('?').unwrap_or((url, ""));
    format!("{path}/{step}-{:x}?{options}", env::seed())
}

async fn create_table(url: &str) {
    let aws = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let backend = DynamoDbBackend::new(DynamoDbConfig::parse(url).unwrap(), &aws).unwrap();
    backend.create_table().await.unwrap();
}

async fn runs_as_shipped_on(url: &str, replayed: u64) {
    let mut command = orders(&["--json"]);
    command.env("FUNCIFY_BACKEND", url);
    let (events, summary) = json_of(command).await;
    assert_as_shipped(&events, &summary, replayed);
}

#[tokio::test]
async fn on_redis_it_runs_as_on_memory_and_runs_again() {
    let url = with(&env::redis(), &prefix("orders"));
    runs_as_shipped_on(&url, REPLAYED).await;
    // The token and the circuits of the first run do not disturb the second run. The work of the first run is
    // not repeated.
    runs_as_shipped_on(&url, REPLAYED_AGAIN).await;
}

#[tokio::test]
async fn on_dynamodb_it_runs_as_on_memory() {
    let url = with(&env::dynamodb(), &prefix("orders"));
    create_table(&url).await;
    runs_as_shipped_on(&url, REPLAYED).await;
}

#[tokio::test]
async fn on_ssm_it_runs_as_on_memory_with_another_store_for_what_was_done() {
    let url = below(&env::ssm(), "orders");
    let mut command = orders(&["--json"]);
    command.env("FUNCIFY_BACKEND", &url).env("FUNCIFY_IDEMPOTENCY", "memory:");
    let (events, summary) = json_of(command).await;
    assert_as_shipped(&events, &summary, REPLAYED);

    let mut command = orders(&["--json"]);
    command.env("FUNCIFY_BACKEND", &url);
    let (code, stdout, stderr) = run(command).await;
    assert_eq!((code, stdout.as_str(), stderr.lines().count()), (2, "", 1), "{stderr}");
    assert!(stderr.contains("FUNCIFY_IDEMPOTENCY"), "{stderr}");
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_reported_and_every_event_runs() {
    let mut command = orders(&["--json"]);
    command.env("FUNCIFY_BACKEND", "redis://127.0.0.1:1");
    let (code, stdout, stderr) = run(command).await;
    assert_eq!((code, stdout.lines().count()), (0, 20), "{stdout}");
    assert_eq!(stderr.lines().count(), 3, "{stderr}");
    assert!(stderr.contains("payments and messages are refused"), "{stderr}");
    assert!(stderr.contains("the token is not shared"), "{stderr}");
    assert!(stderr.contains("circuits are not shared"), "{stderr}");
}

#[tokio::test]
async fn two_processes_cost_the_certified_provider_one_grant() {
    let url = with(&env::redis(), &prefix("orders-idp"));
    let client = format!("basic-orders-{:x}", env::seed());
    for own in [1, 0] {
        let mut command = orders(&["--json", "--idp", &env::idp()]);
        command.env("FUNCIFY_BACKEND", &url);
        command.env("FUNCIFY_CLIENT_ID", &client);
        command.env("FUNCIFY_CLIENT_SECRET", env::idp_secret());
        let (events, summary) = json_of(command).await;
        assert_eq!(events[0]["status"], 200, "{}", events[0]);
        assert_eq!(summary["grants"], own);
    }
    assert_eq!(idp::grants(&client).await, 1);
}

#[tokio::test]
async fn a_wrong_secret_fails_the_calls_and_is_not_printed() {
    let mut command = orders(&["--json", "--idp", &env::idp()]);
    command.env("FUNCIFY_CLIENT_ID", "basic-orders-wrong");
    command.env("FUNCIFY_CLIENT_SECRET", "canary");
    let (code, stdout, stderr) = run(command).await;
    assert_eq!(code, 0);
    let first = stdout.lines().next().unwrap();
    assert!(first.contains(r#""outcome":"failed""#), "{first}");
    assert!(!format!("{stdout}{stderr}").contains("canary"));
}
