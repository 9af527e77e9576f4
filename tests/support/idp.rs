//! The identity provider in `tests/idp/provider.mjs`.
//!
//! A client's id begins with its authentication method (`basic`, `post`, `rsa`, `ec`). Each test can have a client of its
//! own, such as `basic-my-test`, and count its grants. Scopes: `orders:read orders:write`.

use reqwest::Client;
use serde_json::Value;

use super::env;

/// The resource whose tokens have this format (`rs256`, `es256`, `opaque`) and this lifetime in seconds.
pub(crate) fn resource(format: &str, seconds: u32) -> String {
    format!("urn:funcify-test:{format}:{seconds}")
}

/// How many tokens the provider has granted to this client.
pub(crate) async fn grants(client: &str) -> u64 {
    let count = get("/_count").await;
    count["grants"]["by_client"][client].as_u64().unwrap_or(0)
}

/// Fetches a document of the provider.
pub(crate) async fn get(path: &str) -> Value {
    let url = format!("{}{path}", env::idp());
    http().get(url).send().await.unwrap().error_for_status().unwrap().json().await.unwrap()
}

/// A client that ignores the proxies of the environment: everything here is on loopback.
pub(crate) fn http() -> Client {
    Client::builder().no_proxy().build().unwrap()
}
