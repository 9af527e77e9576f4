//! What identity providers and other services answer.

use std::time::Duration;

use funcify::{
    Api, Stores,
    api::segment,
    token::{ClientCredentials, ClientSecret, Endpoint, TokenGetter, TokenPolicy},
};
use serde_json::{Value, json};

use crate::{Case, case, served::serve};

/// Longer than a request takes, however slow the machine that counts is.
const PATIENCE: Duration = Duration::from_secs(600);

pub(super) fn cases() -> Vec<Case> {
    vec![
        case("bytes of a granted token", 4_000, |size| {
            granted(200, &json!({ "access_token": "t".repeat(size), "token_type": "Bearer" }))
        }),
        case("members of a grant", 500, |size| {
            let mut grant = json!({ "access_token": "t", "token_type": "Bearer" });
            for member in 0..size {
                grant[format!("m{member}")] = json!({ "a": [member] });
            }
            granted(200, &grant)
        }),
        case("words of a granted scope", 1_000, |size| {
            let scope = "orders:read ".repeat(size);
            granted(200, &json!({ "access_token": "t", "token_type": "Bearer", "scope": scope }))
        }),
        case("bytes of a refusal", 10_000, |size| {
            refused(
                400,
                &json!({ "error": "invalid_scope", "error_description": "x".repeat(size) }),
            )
        }),
        case("bytes of a reply that is too large", 100_000, |size| {
            refused(200, &json!({ "access_token": "t".repeat(size) }))
        }),
        case("nodes of an answer", 1_000, |size| answered(&json!(vec![json!({ "a": 1 }); size]))),
        case("bytes of an answer of another type", 20_000, |size| {
            answered(&json!("x".repeat(size)))
        }),
        case("segments of an api's path", 500, |size| {
            climbing(format!("{}/%252e%252e%252fadmin", "/a%2520b".repeat(size)))
        }),
        case("percent signs of an api's path", 500, |size| {
            climbing(format!("/{}2e.%2f{}/..", "%25".repeat(size), segment(&"%".repeat(size))))
        }),
    ]
}

fn getter(status: u16, reply: &Value) -> TokenGetter {
    let url = serve(status, "application/json", reply.to_string());
    let endpoint = Endpoint::TokenUrl(format!("{url}/token"));
    let mut credentials = ClientCredentials::new(endpoint, "orders", ClientSecret::from("secret"));
    credentials.scope = Some("orders:read".to_owned());
    let mut policy = TokenPolicy::default();
    (policy.request_timeout, policy.lease) = (PATIENCE, 2 * PATIENCE);
    let stores = Stores::new(funcify_backend_memory::MemoryBackend::default());
    TokenGetter::builder(credentials, stores.tokens).policy(policy).build().unwrap()
}

fn granted(status: u16, reply: &Value) -> impl Future<Output = ()> + use<> {
    let getter = getter(status, reply);
    async move {
        getter.token().await.unwrap();
    }
}

fn refused(status: u16, reply: &Value) -> impl Future<Output = ()> + use<> {
    let getter = getter(status, reply);
    async move {
        getter.token().await.unwrap_err();
    }
}

fn answered(answer: &Value) -> impl Future<Output = ()> + use<> {
    let url = serve(200, "application/json", answer.to_string());
    let api = Api::new("warehouse", &url).unwrap().timeout(PATIENCE);
    async move {
        drop(api.get::<Vec<Value>>("/stock").await);
    }
}

/// A path that is refused, so that nothing is sent.
fn climbing(path: String) -> impl Future<Output = ()> {
    let api = Api::new("warehouse", "http://127.0.0.1:1").unwrap();
    async move {
        api.get::<Value>(&path).await.unwrap_err();
    }
}
