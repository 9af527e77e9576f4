//! A store that is far away works with the option `timeout`. Without it, the error names the option.

use std::sync::Arc;
use std::time::Duration;

use funcify::token::{ClientSecret, TokenGetter};
use funcify::{Deadline, Stores, error_chain};
use funcify_backend_dynamodb::{DynamoDbBackend, DynamoDbConfig};
use funcify_backend_ssm::{SsmBackend, SsmConfig};
use funcify_core::circuit::CircuitRecord;
use funcify_core::register::{Register, RetryingRegister, WriteId};
use funcify_test_support::FakeGrant;

use crate::support::attempt::{circuit, unique};
use crate::support::proxy::{FaultProxy, Mode};
use crate::support::redis::OwnRedis;
use crate::support::{aws, env};
use crate::token::fleet::{at_once, credentials};

/// How long each instance of the fleet may take.
const TIME: Duration = Duration::from_secs(25);

/// Five instances, each with its own connection, need a token at once.
async fn one_grant_for_five(stores: Vec<Stores>) {
    let (provider, key) = (FakeGrant::new(), unique("far"));
    let getter = |stores: Stores| {
        let builder =
            TokenGetter::builder(credentials(ClientSecret::from("secret")), stores.tokens);
        builder.key(key.as_str()).grant(provider.clone()).build().unwrap()
    };
    let getters: Vec<_> = stores.into_iter().map(getter).collect();
    assert_eq!(getters.len(), 5);
    at_once(&getters, async |getter| {
        Deadline::within(TIME).scope(getter.token()).await.unwrap();
    })
    .await;
    let alone: u64 = getters.iter().map(|getter| getter.metrics().without_store).sum();
    assert_eq!((provider.grants(), alone), (1, 0), "grants, and instances without the store");
}

/// With the default limits the store cannot be reached, and the error says what to do.
async fn the_error_names_the_option(register: impl Register) {
    let (store, key) = (RetryingRegister::new(register), circuit("near"));
    for _ in 0..2 {
        let read = store.read_record::<CircuitRecord>(&key.name).await;
        let error = error_chain(&read.unwrap_err());
        assert!(
            error.contains("raise its option `timeout` (now 500 ms)")
                || error.contains("raise its option `connect_timeout` (now 250 ms)"),
            "{error}"
        );
    }
}

async fn behind(endpoint: &str, delay: u64) -> FaultProxy {
    let address = endpoint.trim_start_matches("http://").parse().unwrap();
    let proxy = FaultProxy::start(address).await;
    proxy.set(Mode::Delay(Duration::from_millis(delay))).await;
    proxy
}

fn with(url: &str, option: &str) -> String {
    let mark = if url.contains('?') { '&' } else { '?' };
    format!("{url}{mark}{option}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f07_a_redis_210_ms_away_serves_a_fleet() {
    let redis = OwnRedis::start().await;
    let proxy = FaultProxy::start(redis.address()).await;
    // The delay is so long that no answer comes within the default limits, however the connection is made.
    proxy.set(Mode::Delay(Duration::from_millis(600))).await;
    let url = format!("redis://{}", proxy.address());
    the_error_names_the_option(crate::redis::register(&url)).await;
    proxy.set(Mode::Delay(Duration::from_millis(210))).await;
    let mut stores = Vec::new();
    for _ in 0..5 {
        stores.push(Stores::from_url(&with(&url, "timeout=1500")).await.unwrap());
    }
    one_grant_for_five(stores).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(own_dynamodb, ignore = "DynamoDB is your own, and this test needs a proxy before it")]
async fn f07_a_dynamodb_280_ms_away_serves_a_fleet() {
    aws::dynamodb().await;
    // The default limits leave no time for a TLS handshake, which takes two more round trips.
    let proxy = behind(&env::aws_endpoint("DYNAMODB"), 560).await;
    let aws = aws::config(Some(&format!("http://{}", proxy.address()))).await;
    let backend =
        |url: &str| DynamoDbBackend::new(DynamoDbConfig::parse(url).unwrap(), &aws).unwrap();
    the_error_names_the_option(backend(&env::dynamodb())).await;
    proxy.set(Mode::Delay(Duration::from_millis(280))).await;
    let far = with(&env::dynamodb(), "timeout=3000");
    one_grant_for_five((0..5).map(|_| Stores::new(backend(&far))).collect()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(own_ssm, ignore = "SSM is your own, and this test needs a proxy before it")]
async fn f07_an_ssm_280_ms_away_serves_a_fleet() {
    // Every request is so late that the 400 ms of an attempt are not enough if it has to resolve the name.
    let proxy = behind(&env::aws_endpoint("SSM"), 280).await;
    let aws = aws::config(Some(&format!("http://{}", proxy.address()))).await;
    let backend = |url: &str| SsmBackend::new(SsmConfig::parse(url).unwrap(), &aws).unwrap();
    let far = with(&env::ssm(), "timeout=4000");
    one_grant_for_five((0..5).map(|_| Stores::new(backend(&far))).collect()).await;
    // A write takes two requests, which do not fit into half a second. The first write opens the connection.
    let near = RetryingRegister::new(backend(&env::ssm()));
    let name = circuit("near").name;
    let record = CircuitRecord::default();
    proxy.set(Mode::Pass).await;
    near.swap_record(&name, None, WriteId::random(), &record).await.unwrap();
    proxy.set(Mode::Delay(Duration::from_millis(280))).await;
    let late = near.swap_record(&name, None, WriteId::random(), &record).await;
    let error = error_chain(&late.unwrap_err());
    assert!(error.contains("raise its option `timeout` (now 500 ms)"), "{error}");
    drop(Arc::new(proxy));
}
