//! Records as a store holds them, and replies as a store sends them.

use std::{sync::Arc, time::Duration};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use funcify::{
    CircuitBreaker, CircuitPolicy, Stores,
    token::{ClientCredentials, ClientSecret, Endpoint, TokenGetter},
};
use funcify_backend_dynamodb::{DynamoDbBackend, DynamoDbConfig};
use funcify_backend_memory::MemoryBackend;
use funcify_backend_redis::RedisBackend;
use funcify_backend_ssm::{SsmBackend, SsmConfig};
use funcify_core::{
    circuit::{CircuitRecord, CountRule},
    register::{RecordKey, Register, WriteId},
    token::TokenRecord,
};
use funcify_test_support::FakeGrant;
use redis::{Cmd, Pipeline, RedisFuture, Value, aio::ConnectionLike};
use serde_json::{Map, json};

use crate::{Case, case, served::serve};

const ID: &str = "000102030405060708090a0b0c0d0e0f";

pub(super) fn cases() -> Vec<Case> {
    vec![
        case("members of a token record", 500, |size| {
            let mut record = unknown(size);
            record.insert("expires_at".to_owned(), json!(1));
            with_token(serde_json::Value::Object(record).to_string())
        }),
        case("bytes of a token record", 10_000, |size| {
            with_token(json!({ "token": "t".repeat(size), "scope": "s ".repeat(size) }).to_string())
        }),
        case("bytes of a sealed record", 4_000, |size| {
            let token = format!("sealed:v1:one:{}", "A".repeat(size));
            with_token(json!({ "token": token, "expires_at": 1 }).to_string())
        }),
        case("failures of a circuit record", 500, |size| {
            let failures: Vec<_> = (0..size).map(|at| json!([size - at, "1b2c3d4e"])).collect();
            with_circuit(json!({ "state": "closed", "failures": failures }).to_string())
        }),
        case("probes of a circuit record", 500, |size| {
            let probes: Vec<_> = (0..size).map(|at| json!([ID, at])).collect();
            with_circuit(json!({ "state": "half_open", "probes": probes }).to_string())
        }),
        case("buckets of a circuit record", 500, |size| {
            let cells: Vec<_> = (0..size).map(|cell| json!([cell, 1, 0, 0, 1, 0, 0])).collect();
            let buckets = json!({ "at": 1, "cells": cells });
            with_circuit(json!({ "state": "closed", "buckets": buckets }).to_string())
        }),
        case("members of a circuit record", 200, |size| {
            with_circuit(serde_json::Value::Object(unknown(size)).to_string())
        }),
        case("bytes of a record that is too large", 500_000, |size| {
            with_circuit(format!("[{}]", "[],".repeat(size)))
        }),
        case("members of a redis reply", 500, |size| {
            redis_reply(&serde_json::Value::Object(unknown(size)).to_string())
        }),
        case("bytes of a redis reply that is too large", 420_000, |size| {
            redis_reply(&"[".repeat(size))
        }),
        case("members of a dynamodb reply", 500, |size| {
            let member = |member: usize| (format!("m{member}"), json!({ "N": member.to_string() }));
            dynamodb_reply((0..size).map(member).collect())
        }),
        case("values of a dynamodb reply", 250, |size| {
            let list = vec![json!({ "M": { "a": { "S": "b" } } }); size];
            dynamodb_reply(Map::from_iter([("list".to_owned(), json!({ "L": list }))]))
        }),
        case("members of an ssm reply", 50, |size| {
            ssm_reply(&json!({ "f": 1, "base": null, "id": ID, "rec": unknown(size) }).to_string())
        }),
        case("bytes of an ssm reply that is too large", 20_000, |size| {
            ssm_reply(&"[".repeat(size))
        }),
    ]
}

fn unknown(size: usize) -> Map<String, serde_json::Value> {
    (0..size).map(|member| (format!("unknown{member}"), json!([member, "value"]))).collect()
}

/// A getter that reads this record, and replaces it.
fn with_token(record: String) -> impl Future<Output = ()> {
    let memory = MemoryBackend::default();
    let key = RecordKey::of::<TokenRecord>("BEARER_TOKEN".parse().unwrap());
    memory.inject(&key, Some(ID.parse::<WriteId>().unwrap()), &record);
    let stores = Stores::new(memory);
    let stores = stores.sealed("one:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap();
    let endpoint = Endpoint::TokenUrl("https://login.example/token".to_owned());
    let credentials = ClientCredentials::new(endpoint, "orders", ClientSecret::from("secret"));
    let getter =
        TokenGetter::builder(credentials, stores.tokens).grant(FakeGrant::new()).build().unwrap();
    async move {
        getter.token().await.unwrap();
    }
}

/// A breaker that reads this record, and calls through it.
fn with_circuit(record: String) -> impl Future<Output = ()> {
    let memory = MemoryBackend::default();
    let key = RecordKey::of::<CircuitRecord>("auth0".parse().unwrap());
    let stores = Stores::new(memory.clone());
    let policy = CircuitPolicy::new(CountRule::new(3, Duration::from_secs(60)));
    let circuit = CircuitBreaker::new("auth0", policy, stores.circuits).unwrap();
    async move {
        memory.inject(&key, Some(ID.parse::<WriteId>().unwrap()), &record);
        for _ in 0..3 {
            drop(circuit.call(async || Err::<(), _>("broken")).await);
        }
    }
}

fn redis_reply(record: &str) -> impl Future<Output = ()> + use<> {
    let reply = format!("*2\r\n$32\r\n{ID}\r\n${}\r\n{record}\r\n", record.len());
    let reply: Arc<[u8]> = reply.into_bytes().into();
    async move {
        let register = RedisBackend::with_client(Canned(reply), "funcify").unwrap();
        let key = RecordKey::of::<CircuitRecord>("auth0".parse().unwrap());
        assert!(register.read(&key).await.unwrap().is_some());
    }
}

/// A connection on which every command gets the same reply.
#[derive(Clone)]
struct Canned(Arc<[u8]>);

impl ConnectionLike for Canned {
    fn req_packed_command<'a>(&'a mut self, _: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async { redis::parse_redis_value(&self.0) })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        _: &'a Pipeline,
        _: usize,
        _: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn get_db(&self) -> i64 {
        0
    }
}

fn aws(url: &str) -> SdkConfig {
    let credentials = Credentials::new("test", "test", None, None, "test");
    let http = aws_smithy_http_client::Builder::new().build_http();
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .endpoint_url(url)
        .http_client(http)
        .build()
}

/// Longer than a request takes, however slow the machine that counts is.
const PATIENCE: Duration = Duration::from_secs(600);

fn dynamodb_reply(mut item: Map<String, serde_json::Value>) -> impl Future<Output = ()> {
    item.insert("pk".to_owned(), json!({ "S": "funcify:circuit:auth0" }));
    item.insert("write_id".to_owned(), json!({ "S": ID }));
    let url = serve(200, "application/x-amz-json-1.0", json!({ "Item": item }).to_string());
    let config = DynamoDbConfig::new("fleet").with_attempt_timeout(PATIENCE);
    let register = DynamoDbBackend::new(config, &aws(&url)).unwrap();
    read(register)
}

fn ssm_reply(value: &str) -> impl Future<Output = ()> + use<> {
    let parameter = json!({ "Parameter": { "Name": "p", "Value": value, "Version": 1 } });
    let url = serve(200, "application/x-amz-json-1.1", parameter.to_string());
    let config = SsmConfig::new("/fleet").with_attempt_timeout(PATIENCE);
    let register = SsmBackend::new(config, &aws(&url)).unwrap();
    read(register)
}

async fn read(register: impl Register) {
    let key = RecordKey::of::<CircuitRecord>("auth0".parse().unwrap());
    assert!(register.read(&key).await.unwrap().is_some());
}
