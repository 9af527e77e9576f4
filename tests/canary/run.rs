//! The processes of the fleet, and what they print.

use std::{process::Command, time::Duration};

use serde_json::json;

use super::store::Store;
use super::world::{SECRET, World};
use crate::support::{
    process::{Process, example},
    runtime_api::RuntimeApi,
};

/// Longer than any of them takes.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sealing {
    Unsealed,
    Sealed,
}

#[derive(Clone, Copy)]
pub(super) struct Run<'a> {
    pub(super) world: &'a World,
    pub(super) store: &'a Store,
    pub(super) sealing: Sealing,
    pub(super) unsafe_logs: bool,
}

impl Run<'_> {
    /// What each process printed, with its name.
    pub(super) async fn everything(&self) -> Vec<(&'static str, String)> {
        let (granted, signed, refused, garbled, function) = tokio::join!(
            self.member("granted", "/token", "token token fail 4 call read", false),
            self.member("signed", "/token", "token read", true),
            self.member("refused", "/refusing/token", "token", false),
            self.member("garbled", "/garbled/token", "token", false),
            self.function(),
        );
        assert!(granted.contains(r#""minted":true"#), "{granted}");
        assert!(signed.contains(r#""minted":true"#), "{signed}");
        assert!(refused.contains("refused with 401"), "{refused}");
        assert!(garbled.contains("response cannot be used"), "{garbled}");
        vec![
            ("a member", granted),
            ("a member that signs", signed),
            ("a member that is refused", refused),
            ("a member with a garbled reply", garbled),
            ("the function", function),
        ]
    }

    pub(super) fn command(&self, name: &str, token_url: &str) -> Command {
        let mut command = example(name);
        for variable in
            ["FUNCIFY_TOKENS", "FUNCIFY_CIRCUITS", "FUNCIFY_SEAL_KEYS", "FUNCIFY_ISSUER"]
        {
            command.env_remove(variable);
        }
        command.env("RUST_LOG", "trace").env_remove("FUNCIFY_UNSAFE_LOGS");
        command.env("FUNCIFY_BACKEND", self.store.url());
        if matches!(self.store, Store::Ssm(_)) {
            // It refuses the keys of idempotency.
            command.env("FUNCIFY_IDEMPOTENCY", "memory:");
        }
        command.env("FUNCIFY_TOKEN_URL", format!("{}{token_url}", self.world.url));
        command.env("FUNCIFY_CLIENT_ID", "warehouse").env("FUNCIFY_CLIENT_SECRET", SECRET);
        if self.sealing == Sealing::Sealed {
            command.env("FUNCIFY_SEAL_KEYS", World::seal_keys());
        }
        if self.unsafe_logs {
            command.env("FUNCIFY_UNSAFE_LOGS", "1");
        }
        command
    }

    async fn member(&self, name: &str, token_url: &str, steps: &str, signs: bool) -> String {
        let mut command = self.command("fleet_member", token_url);
        command.arg(name).args(steps.split_whitespace());
        if signs {
            command.env("FLEET_MEMBER_KEY", &self.world.key);
        }
        let mut process = Process::start(command);
        process.ended(PATIENCE).await;
        process.stdout() + &process.stderr()
    }

    /// The example `orders` as a Lambda function, with requests of a caller.
    async fn function(&self) -> String {
        let api = RuntimeApi::start(Duration::from_secs(20)).await;
        let mut command = self.command("orders", "/token");
        command.envs(api.environment()).env_remove("ORDERS_STAND_INS");
        command.env("ORDERS_ISSUER", &self.world.url).env("ORDERS_AUDIENCE", "orders");
        command.env("ORDERS_JWKS_URL", format!("{}/jwks", self.world.url));
        command.env("ORDERS_WAREHOUSE_URL", &self.world.url);
        let process = Process::start(command);

        let jwt = &self.world.jwt;
        let (signed, signature) = jwt.rsplit_once('.').unwrap();
        let other = if signature.starts_with('A') { 'B' } else { 'A' };
        let altered = format!("{signed}.{other}{}", &signature[1..]);
        let order = r#"{"sku":"kettle","quantity":1}"#;
        let answers = [
            api.invoke(request("GET", "/orders/7", jwt, "")).await.json(),
            api.invoke(request("GET", "/orders/7", &altered, "")).await.json(),
            api.invoke(request("GET", "/orders/7", &format!("{jwt}.x"), "")).await.json(),
            api.invoke(request("POST", "/orders", jwt, order)).await.json(),
            api.invoke(request("POST", "/orders", jwt, &format!(r#"{{"sku":"{jwt}"}}"#)))
                .await
                .json(),
        ];
        let statuses = answers.each_ref().map(|answer| answer["statusCode"].as_u64().unwrap());
        process.prints("\"end\"", PATIENCE).await;
        let printed = process.stdout() + &process.stderr();
        assert_eq!(statuses, [200, 401, 401, 502, 422], "{answers:?} {printed}");
        printed + &answers.map(|answer| answer.to_string()).join("\n")
    }
}

/// A request as an HTTP API delivers it.
fn request(method: &str, path: &str, jwt: &str, body: &str) -> String {
    json!({
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "",
        "headers": {
            "authorization": format!("Bearer {jwt}"), "content-type": "application/json",
            "traceparent": format!("00-{jwt}"), "tracestate": jwt,
        },
        "requestContext": { "http": { "method": method, "path": path }, "stage": "$default" },
        "body": body, "isBase64Encoded": false,
    })
    .to_string()
}
