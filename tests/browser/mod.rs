//! `orders --serve` as a web page at another origin sees it, in a real browser.

mod driver;

use std::path::Path;
use std::time::Duration;

use axum::{Router, response::Html, routing::get};
use serde_json::json;
use tokio::net::TcpListener;

use crate::orders::orders;
use crate::support::process::Process;
use driver::Browser;

const SOON: Duration = Duration::from_secs(20);

/// Serves the page, and returns its origin.
async fn page() -> String {
    let router = Router::new().route("/", get(async || Html(include_str!("page.html"))));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    origin
}

/// The function, its address and a caller's token. The page at `shop` may call it.
async fn function(shop: &str) -> (Process, String, String) {
    let mut command = orders(&["--serve", "127.0.0.1:0"]);
    command.env("ORDERS_STREAM", "1").env("ORDERS_SHOP", shop);
    let process = Process::start(command);
    process.prints("listening on ", SOON).await;
    process.prints("eyJ", SOON).await;
    let stdout = process.stdout();
    let url = stdout.split("listening on ").nth(1).unwrap().lines().next().unwrap().to_owned();
    let token = stdout.lines().find(|line| line.starts_with("eyJ")).unwrap().to_owned();
    (process, url, token)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_at_another_origin_calls_the_function_with_its_token_and_cookies() {
    let (shop, stranger) = (page().await, page().await);
    let (_process, api, token) = function(&shop).await;
    let browser = Browser::start().await;

    browser.open(&format!("{shop}/#api={api}&token={token}")).await;
    browser.wait_for("window.done === true").await;
    save(&browser.screenshot().await);
    // What the page showed when the first piece of the stream was there.
    let first = browser.value("window.at_first").await;
    let first = first.as_str().unwrap();
    assert!(first.contains("piece 1:") && !first.contains("piece 3:"), "{first}");
    let seen = browser.value("window.seen").await;
    assert_eq!(
        seen,
        json!({
            "a bad token": [401, "Unauthorized"],
            "no route": [404, "Not Found"],
            "a bad path": [400, "Bad Request"],
            "an order": { "sku": "kettle", "quantity": 1 },
            "a method that is not allowed": "TypeError",
            // The function has got back the cookie that it set with the order.
            "pieces of a stream": [
                { "id": 7, "order": { "sku": "kettle", "quantity": 1 }, "is_last_read": true },
                { "id": 8, "order": { "sku": "lamp", "quantity": 2 }, "is_last_read": false },
                { "id": 9, "order": { "sku": "kettle", "quantity": 3 }, "is_last_read": false },
            ],
        })
    );

    // A page that the function does not know sees nothing, not even why.
    browser.open(&format!("{stranger}/#api={api}&token={token}")).await;
    browser.wait_for("window.done === true").await;
    let seen = browser.value("window.seen").await;
    for what in ["a bad token", "no route", "an order", "pieces of a stream"] {
        assert_eq!(seen[what], "TypeError", "{seen}");
    }
    browser.close().await;
}

/// Keeps the picture beside the logs of the servers, for a person who wants to see it.
fn save(png: &[u8]) {
    let logs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/test-servers/logs");
    assert!(png.starts_with(b"\x89PNG"), "the screenshot is no picture");
    if logs.is_dir() {
        std::fs::write(logs.join("browser.png"), png).unwrap();
    }
}
