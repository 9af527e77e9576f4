//! The identity provider of `tests/idp/provider.mjs`, as a test sees it.
//!
//! A client's id begins with how it proves itself (`basic`, `post`, `rsa`, `ec`), so each test can have a client of its own
//! (`basic-my-test`) and count the grants of that one alone. Scopes: `orders:read orders:write`.

use reqwest::Client;
use serde_json::Value;

use super::env;

/// The resource that asks for tokens of this format (`rs256`, `es256`, `opaque`) and this lifetime in seconds.
pub(crate) fn resource(format: &str, seconds: u32) -> String {
    format!("urn:funcify-test:{format}:{seconds}")
}

/// How many tokens this client was granted since the provider started.
pub(crate) async fn grants(client: &str) -> u64 {
    let count = get("/_count").await;
    count["grants"]["by_client"][client].as_u64().unwrap_or(0)
}

/// A document of the provider's.
pub(crate) async fn get(path: &str) -> Value {
    let url = format!("{}{path}", env::idp());
    http().get(url).send().await.unwrap().error_for_status().unwrap().json().await.unwrap()
}

/// A client that ignores the proxies of the environment: everything here is on loopback.
pub(crate) fn http() -> Client {
    Client::builder().no_proxy().build().unwrap()
}
