//! `orders` under the real `cargo lambda watch`, which `tests/run` starts.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{env, idp::http};

/// It starts the function at the first event.
const SOON: Duration = Duration::from_secs(60);

/// What `cargo lambda invoke` prints for an example event.
async fn invoked(event: &'static str) -> Value {
    let (program, port) = env::cargo_lambda();
    let file = format!("{}/../examples/events/{event}.json", env!("CARGO_MANIFEST_DIR"));
    let output = tokio::task::spawn_blocking(move || {
        let mut command = Command::new(program);
        command.args(["lambda", "invoke", "orders", "-A", "127.0.0.1", "-P", &port]);
        command.args(["--data-file", &file]).output().unwrap()
    });
    let output = output.await.unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{event}: {output:?}"))
}

#[tokio::test]
async fn cargo_lambda_watch_runs_the_function_for_http_sqs_and_s3() {
    let (_, port) = env::cargo_lambda();
    let until = Instant::now() + SOON;
    let url = |path: &str| format!("http://127.0.0.1:{port}/lambda-url/orders{path}");
    let get = async |path: &str| http().get(url(path)).timeout(SOON).send().await.unwrap();
    // Until the function has started, the emulator may have none for this call.
    while get("/health").await.status() != 200 {
        assert!(
            Instant::now() < until,
            "the function does not start: target/test-servers/logs/cargo-lambda.log"
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(get("/health").await.text().await.unwrap(), "ok");
    let refused = get("/orders").await;
    assert_eq!(refused.status(), 401);
    assert_eq!(refused.headers()["content-type"], "application/problem+json");
    assert_eq!(get("/nowhere").await.status(), 404);
    let feed = get("/orders/feed").await.text().await.unwrap();
    assert_eq!(feed.lines().count(), 3, "{feed}");

    let answer = invoked("04-http-get-health-public").await;
    assert_eq!((&answer["statusCode"], &answer["body"]), (&json!(200), &json!("ok")));
    assert_eq!(invoked("03-http-get-orders").await["statusCode"], 401);
    assert_eq!(invoked("09-rest-guard-refuses").await["statusCode"], 403);
    let failed = "2e1424d4-f796-459a-8184-9c92662be6da";
    assert_eq!(
        invoked("13-sqs-one-of-three-fails").await,
        json!({"batchItemFailures": [{"itemIdentifier": failed}]})
    );
    assert_eq!(invoked("06-s3-two-buckets").await, Value::Null);
}
