//! f10: several pooled connections are dead, after a thaw or because a NAT has dropped them. The first
//! attempt may use a dead connection. The second one uses a new connection.

use std::sync::Arc;
use std::time::Duration;

use funcify_backend_aws::{SdkConfig, sdk_config};
use funcify_backend_dynamodb::{DynamoDbBackend, DynamoDbConfig};
use funcify_backend_ssm::{SsmBackend, SsmConfig};
use funcify_core::circuit::CircuitRecord;
use funcify_core::engine::TimeLimits;
use funcify_core::register::{Register, RetryingRegister};
use futures_util::future::join_all;

use crate::support::attempt::circuit;
use crate::support::proxy::{FaultProxy, Mode};
use crate::support::redis::OwnRedis;
use crate::support::{aws, env};

const POOLED: usize = 6;

/// Opens this many connections at once, makes all of them dead, and reads once.
async fn one_operation_succeeds(proxy: &FaultProxy, register: impl Register, pooled: usize) {
    let store = RetryingRegister::new(register);
    let name = circuit("vanished").name;
    let read = || store.read_record::<CircuitRecord>(&name);
    // The answers are late, so that each request opens its own connection.
    proxy.set(Mode::Delay(Duration::from_millis(150))).await;
    for read in join_all((0..pooled).map(|_| read())).await {
        read.unwrap();
    }
    let opened = proxy.connections();
    assert!(opened >= pooled as u64, "{opened} connections");

    proxy.set(Mode::Vanish).await;
    let late = proxy.faults();
    let found = read().await;

    assert!(found.is_ok(), "{found:?}");
    assert!(proxy.faults() > late, "an attempt met a dead connection");
    assert_eq!(proxy.connections(), opened + 1, "and the next one opened another");
}

/// The configuration of a store that is opened by URL.
async fn of_the_facade() -> SdkConfig {
    let limits = TimeLimits::default();
    let new_client = move || {
        let client = reqwest::Client::builder().connect_timeout(limits.connect_timeout());
        Ok(client.no_proxy().build()?)
    };
    sdk_config(limits, new_client).await
}

async fn before(service: &str) -> (FaultProxy, String) {
    let endpoint = env::aws_endpoint(service);
    let proxy = FaultProxy::start(endpoint.trim_start_matches("http://").parse().unwrap()).await;
    let url = format!("http://{}", proxy.address());
    (proxy, url)
}

/// The time limit for a test server that may be busy.
const TIMEOUT: Duration = Duration::from_secs(4);

#[tokio::test]
#[cfg_attr(own_dynamodb, ignore = "DynamoDB is your own, and this test needs a proxy before it")]
async fn f10_six_dead_connections_cost_one_attempt_on_dynamodb() {
    aws::dynamodb().await;
    let (proxy, url) = before("DYNAMODB").await;
    let client = aws_sdk_dynamodb::config::Builder::from(&of_the_facade().await).endpoint_url(url);
    let client = aws_sdk_dynamodb::Client::from_conf(client.build());
    let config = DynamoDbConfig::parse(&env::dynamodb()).unwrap().with_timeout(TIMEOUT);
    let register = DynamoDbBackend::with_client(&client, config).unwrap();
    one_operation_succeeds(&proxy, register, POOLED).await;
}

#[tokio::test]
#[cfg_attr(own_ssm, ignore = "SSM is your own, and this test needs a proxy before it")]
async fn f10_six_dead_connections_cost_one_attempt_on_ssm() {
    let (proxy, url) = before("SSM").await;
    let client = aws_sdk_ssm::config::Builder::from(&of_the_facade().await).endpoint_url(url);
    let client = aws_sdk_ssm::Client::from_conf(client.build());
    let config = SsmConfig::parse(&env::ssm()).unwrap().with_timeout(TIMEOUT);
    let config = config.with_attempt_timeout(TIMEOUT * 2 / 5);
    let register = SsmBackend::with_client(&client, config).unwrap();
    one_operation_succeeds(&proxy, register, POOLED).await;
}

/// Redis has one connection for all operations.
#[tokio::test]
async fn f10_the_dead_connection_costs_one_attempt_on_redis() {
    let redis = OwnRedis::start().await;
    let proxy = FaultProxy::start(redis.address()).await;
    let register = crate::redis::register(&format!("redis://{}", proxy.address()));
    let store = RetryingRegister::new(register);
    let name = circuit("vanished").name;
    store.read_record::<CircuitRecord>(&name).await.unwrap();
    for opened in 1..4 {
        proxy.set(Mode::Vanish).await;
        assert!(store.read_record::<CircuitRecord>(&name).await.is_ok());
        assert_eq!((proxy.faults(), proxy.connections()), (opened, opened + 1));
    }
    drop(Arc::new(redis));
}
