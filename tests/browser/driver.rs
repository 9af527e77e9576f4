//! A headless Chromium, by the WebDriver protocol.

use std::process::Command;
use std::time::{Duration, Instant};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::support::idp::http;
use crate::support::process::Process;

const SOON: Duration = Duration::from_secs(60);

/// A browser with one window. It ends with [`Browser::close`].
pub(super) struct Browser {
    _driver: Process,
    session: String,
}

impl Browser {
    pub(super) async fn start() -> Self {
        let mut command = Command::new("chromedriver");
        command.arg("--port=0");
        assert!(
            Command::new("chromedriver").arg("--version").output().is_ok(),
            "chromedriver is missing: run tests/run, which installs it, or install chromium and chromium-driver"
        );
        let driver = Process::start(command);
        driver.prints("successfully on port ", SOON).await;
        let stdout = driver.stdout();
        let port = stdout.split("successfully on port ").nth(1).unwrap();
        let port: String = port.chars().take_while(char::is_ascii_digit).collect();
        let url = format!("http://127.0.0.1:{port}/session");
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--no-proxy-server",
            "--window-size=900,700",
        ];
        let options = json!({ "args": arguments });
        let capabilities = json!({ "alwaysMatch": { "goog:chromeOptions": options } });
        let session = post(&url, &json!({ "capabilities": capabilities })).await;
        let id = session["sessionId"].as_str().unwrap_or_else(|| panic!("{session}"));
        Self { _driver: driver, session: format!("{url}/{id}") }
    }

    pub(super) async fn open(&self, page: &str) {
        post(&format!("{}/url", self.session), &json!({ "url": page })).await;
    }

    /// The value of an expression of JavaScript in the page.
    pub(super) async fn value(&self, expression: &str) -> Value {
        let script = json!({ "script": format!("return {expression};"), "args": [] });
        post(&format!("{}/execute/sync", self.session), &script).await
    }

    /// Waits until the expression is true.
    pub(super) async fn wait_for(&self, expression: &str) {
        let until = Instant::now() + SOON;
        while self.value(expression).await != true {
            let seen = self.value("document.body.innerText").await;
            assert!(Instant::now() < until, "{expression} is not true; the page shows {seen}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The window as a PNG.
    pub(super) async fn screenshot(&self) -> Vec<u8> {
        let reply = http().get(format!("{}/screenshot", self.session)).send().await.unwrap();
        let reply: Value = reply.json().await.unwrap();
        STANDARD.decode(reply["value"].as_str().unwrap()).unwrap()
    }

    pub(super) async fn close(self) {
        http().delete(&self.session).send().await.unwrap();
    }
}

/// The value in the reply of the driver.
async fn post(url: &str, body: &Value) -> Value {
    let reply = http().post(url).timeout(SOON).json(body).send().await.unwrap();
    let (status, mut reply) = (reply.status(), reply.json::<Value>().await.unwrap());
    assert!(status.is_success(), "{url}: {reply}");
    reply["value"].take()
}
