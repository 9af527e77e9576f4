//! The connection is cut before or after each write: the claim, the answer, and the release.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use funcify::idempotency::{Idempotency, IdempotencyPolicy, IdempotencyProvider};
use funcify::register::{Register, RetryingRegister};
use funcify_backend_dynamodb::DynamoDbBackend;
use funcify_backend_redis::{RedisBackend, RedisConfig};

use super::over;
use crate::support::attempt::unique;
use crate::support::proxy::{FaultProxy, Mode};
use crate::support::redis::OwnRedis;
use crate::support::{aws, env};

const CUTS: [Mode; 4] = [Mode::CutRequest, Mode::CutResponse, Mode::ResetAfter(3), Mode::HalfClose];

/// A store with time limits for a busy machine, and its connection.
async fn cut_at_each_write(proxy: &FaultProxy, register: Arc<dyn Register>) {
    let mut policy = IdempotencyPolicy::default();
    policy.longest_claim = Duration::from_secs(30);
    for mode in CUTS {
        for cut_at in ["claim", "answer", "release"] {
            // A new store each time, because its first operation may take two seconds.
            let store: Arc<dyn IdempotencyProvider> =
                Arc::new(RetryingRegister::new(Arc::clone(&register)));
            let client = over(store, &policy);
            let (key, executions) = (unique("cut"), AtomicU32::new(0));
            if cut_at == "claim" {
                proxy.once(mode).await;
            }
            let first = called(&client, &key, &executions, proxy, mode, cut_at).await;
            assert_eq!(first, (cut_at != "release").then_some(1), "{mode:?} at {cut_at}");
            let next = called(&client, &key, &executions, proxy, mode, "").await;
            let expected = if cut_at == "release" { 2 } else { 1 };
            assert_eq!(next, Some(expected), "{mode:?} at {cut_at}");
            assert_eq!(executions.load(Relaxed), expected, "{mode:?} at {cut_at}");
        }
    }
    assert_eq!(proxy.faults(), 12, "each cut met an operation");
}

async fn called(
    client: &Idempotency,
    key: &str,
    executions: &AtomicU32,
    proxy: &FaultProxy,
    mode: Mode,
    cut_at: &str,
) -> Option<u32> {
    let call = client.run(key, &"payload", async |_| {
        let number = executions.fetch_add(1, Relaxed) + 1;
        if matches!(cut_at, "answer" | "release") {
            proxy.once(mode).await;
        }
        if cut_at == "release" { Err("failed") } else { Ok(number) }
    });
    call.await.ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_before_or_after_each_write_costs_no_execution_on_redis() {
    let redis = OwnRedis::start().await;
    let url = redis.url();
    let address = url.split("//").nth(1).unwrap().split('?').next().unwrap();
    let proxy = FaultProxy::start(address.trim_end_matches('/').parse().unwrap()).await;
    let config = RedisConfig::parse(&format!("redis://{}?timeout=5000", proxy.address())).unwrap();
    cut_at_each_write(&proxy, Arc::new(RedisBackend::new(config).unwrap())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_before_or_after_each_write_costs_no_execution_on_dynamodb() {
    aws::dynamodb().await;
    let endpoint = env::aws_endpoint("DYNAMODB");
    let proxy = FaultProxy::start(endpoint.trim_start_matches("http://").parse().unwrap()).await;
    let aws = aws::config(Some(&format!("http://{}", proxy.address()))).await;
    let register = DynamoDbBackend::new(aws::dynamodb_config(), &aws).unwrap();
    cut_at_each_write(&proxy, Arc::new(register)).await;
}
