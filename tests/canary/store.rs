//! Each store, and everything that it holds, read without any backend.

use std::fmt;

use aws_sdk_dynamodb::types::AttributeValue;

use super::world::PASSWORD;
use crate::sharing::fleet;
use crate::support::{attempt::unique, aws, env, redis::OwnRedis};

pub(super) enum Store {
    Memory,
    /// A server of this test's own, with a password.
    Redis(OwnRedis),
    /// The prefix of the keys.
    DynamoDb(String),
    /// The path of the parameters.
    Ssm(String),
}

impl Store {
    pub(super) async fn redis() -> Self {
        Self::Redis(OwnRedis::start_with(&["--requirepass", PASSWORD]).await)
    }

    pub(super) async fn dynamodb() -> Self {
        fleet::dynamodb().await;
        Self::DynamoDb(unique("canary"))
    }

    pub(super) fn ssm() -> Self {
        let url = env::ssm();
        let path = url.trim_start_matches("ssm://").split('?').next().unwrap().to_owned();
        Self::Ssm(format!("{path}/{}", unique("canary")))
    }

    pub(super) fn is_shared(&self) -> bool {
        !matches!(self, Self::Memory)
    }

    pub(super) fn url(&self) -> String {
        let with = |url: String, option: &str| {
            let mark = if url.contains('?') { '&' } else { '?' };
            format!("{url}{mark}{option}")
        };
        match self {
            Self::Memory => "memory:".to_owned(),
            Self::Redis(redis) => format!("redis://:{PASSWORD}@{}", redis.address()),
            Self::DynamoDb(prefix) => with(env::dynamodb(), &format!("prefix={prefix}")),
            Self::Ssm(path) => {
                let url = env::ssm();
                let options = url.split_once('?').map_or("", |(_, options)| options);
                format!("ssm://{path}?{options}")
            }
        }
    }

    /// Everything that it holds, as text. It is forgotten where that is easy.
    pub(super) async fn everything(&self) -> String {
        match self {
            Self::Memory => String::new(),
            Self::Redis(_) => on_redis(&self.url()).await,
            Self::DynamoDb(prefix) => on_dynamodb(prefix).await,
            Self::Ssm(path) => on_ssm(path).await,
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "memory",
            Self::Redis(_) => "redis",
            Self::DynamoDb(_) => "dynamodb",
            Self::Ssm(_) => "ssm",
        })
    }
}

async fn on_redis(url: &str) -> String {
    let client = redis::Client::open(url).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut connection).await.unwrap();
    let mut everything = String::new();
    for key in keys {
        let fields: Vec<String> =
            redis::cmd("HGETALL").arg(&key).query_async(&mut connection).await.unwrap();
        everything.push_str(&format!("{key} {}\n", fields.join("\n")));
    }
    let _: () = redis::cmd("FLUSHALL").query_async(&mut connection).await.unwrap();
    everything
}

async fn on_dynamodb(prefix: &str) -> String {
    let url = env::dynamodb();
    let table = url.trim_start_matches("dynamodb://").split('?').next().unwrap();
    let client = aws_sdk_dynamodb::Client::new(&aws::config(None).await);
    let found = client
        .scan()
        .table_name(table)
        .filter_expression("begins_with(pk, :prefix)")
        .expression_attribute_values(":prefix", AttributeValue::S(format!("{prefix}:")))
        .consistent_read(true)
        .send()
        .await
        .unwrap();
    let mut everything = String::new();
    for item in found.items() {
        for (name, value) in item {
            match value {
                AttributeValue::S(text) => everything.push_str(&format!("{name} {text}\n")),
                other => everything.push_str(&format!("{name} {other:?}\n")),
            }
        }
        let key = item["pk"].clone();
        client.delete_item().table_name(table).key("pk", key).send().await.unwrap();
    }
    everything
}

async fn on_ssm(path: &str) -> String {
    let client = aws_sdk_ssm::Client::new(&aws::config(None).await);
    let get = client.get_parameters_by_path().path(path).recursive(true).with_decryption(true);
    let found = get.send().await.unwrap();
    let mut everything = String::new();
    for parameter in found.parameters() {
        let name = parameter.name().unwrap();
        let history = client.get_parameter_history().name(name).with_decryption(true);
        for version in history.send().await.unwrap().parameters() {
            everything.push_str(&format!("{name} {}\n", version.value().unwrap()));
        }
        client.delete_parameter().name(name).send().await.unwrap();
    }
    everything
}
