//! `orders --serve`: the function for curl and a browser.

use std::time::Duration;

use serde_json::Value;

use super::orders;
use crate::support::{idp::http, process::Process};

const SOON: Duration = Duration::from_secs(20);

/// The server, and the address and the caller's token that it prints.
async fn serving() -> (Process, String, String) {
    let process = Process::start(orders(&["--serve", "127.0.0.1:0"]));
    process.prints("listening on ", SOON).await;
    process.prints("eyJ", SOON).await;
    let stdout = process.stdout();
    let url = stdout.split("listening on ").nth(1).unwrap().lines().next().unwrap().to_owned();
    let token = stdout.lines().find(|line| line.starts_with("eyJ")).unwrap().to_owned();
    (process, url, token)
}

#[tokio::test]
async fn curl_gets_the_responses_of_an_http_api() {
    let (mut process, url, token) = serving().await;
    let client = http();
    let health = client.get(format!("{url}/health")).send().await.unwrap();
    assert_eq!((health.status().as_u16(), health.text().await.unwrap().as_str()), (200, "ok"));
    let stranger = client.get(format!("{url}/orders/7")).send().await.unwrap();
    assert_eq!(stranger.status(), 401);
    assert_eq!(stranger.headers()["www-authenticate"], "Bearer realm=\"api\"");

    let order = client.get(format!("{url}/orders/7")).bearer_auth(&token).send().await.unwrap();
    assert_eq!(order.status(), 200);
    let cookies: Vec<_> = order.headers().get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["last=7", "seen=1"]);
    let order: Value = order.json().await.unwrap();
    assert_eq!(order["stock"]["in_stock"], 42);
    let placed = client.post(format!("{url}/orders")).bearer_auth(&token);
    let placed = placed.json(&serde_json::json!({"sku": "lamp", "quantity": 2}));
    assert_eq!(placed.send().await.unwrap().status(), 201);

    // Log lines as text: no JSON, no token, and no colours, because this is not a terminal.
    process.prints("route=\"/orders/{id}\"", SOON).await;
    let log = process.stderr();
    assert!(log.lines().all(|line| line.contains("INFO")), "{log}");
    assert!(!log.contains('\u{1b}') && !log.contains("eyJ"), "{log}");
    interrupt(&process);
    assert_eq!(process.ended(SOON).await.code(), Some(0));
}

/// Sends the signal of CTRL-C.
fn interrupt(process: &Process) {
    let kill =
        std::process::Command::new("kill").args(["-INT", &process.id().to_string()]).status();
    assert!(kill.unwrap().success());
}

#[tokio::test]
async fn a_taken_port_is_reported_in_one_line_with_exit_code_2() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, _, stderr) = super::run(orders(&["--serve", &address])).await;
    assert_eq!((code, stderr.lines().count()), (2, 1), "{stderr}");
}
