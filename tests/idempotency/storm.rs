//! A hundred duplicates at once, key by key: one execution each, and one answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use funcify::idempotency::{Idempotency, IdempotencyError, IdempotencyPolicy};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::{client, with};
use crate::sharing::fleet;
use crate::support::attempt::unique;
use crate::support::env::{self, scaled};

const DUPLICATES: usize = 100;
const CLIENTS: usize = 4;

/// How many keys have their storm at once.
const CONCURRENT: usize = 5;

/// As long as the work takes.
const WORK: Duration = Duration::from_millis(20);

async fn storm(store: &str, clients: &[Idempotency], keys: usize) {
    let (began, mut storms, mut begun) = (Instant::now(), JoinSet::new(), 0);
    while begun < keys || !storms.is_empty() {
        if begun < keys && storms.len() < CONCURRENT {
            storms.spawn(storm_of_one_key(clients.to_vec()));
            begun += 1;
        } else if let Some(stormed) = storms.join_next().await {
            stormed.unwrap();
        }
    }
    let mut counts = [0; 4];
    for metrics in clients.iter().map(Idempotency::metrics) {
        let new = [metrics.executions, metrics.replayed, metrics.waited, metrics.store_errors];
        for (count, new) in counts.iter_mut().zip(new) {
            *count += new;
        }
    }
    let [executions, replayed, waited, errors] = counts;
    println!(
        "{store}: {keys} keys, {executions} executions, {replayed} replayed, {waited} waited, \
         {errors} store errors in {:.1?}",
        began.elapsed()
    );
    assert_eq!(executions, keys as u64);
}

async fn storm_of_one_key(clients: Vec<Idempotency>) {
    let (key, executions) = (unique("storm"), Arc::new(AtomicU32::new(0)));
    let mut calls = JoinSet::new();
    for number in 0..DUPLICATES {
        let client = clients[number % clients.len()].clone();
        let (key, executions) = (key.clone(), Arc::clone(&executions));
        calls.spawn(async move { called(&client, &key, &executions).await });
    }
    while let Some(answer) = calls.join_next().await {
        assert_eq!(answer.unwrap(), 1, "{key}");
    }
    assert_eq!(executions.load(Relaxed), 1, "{key}");
}

/// A busy server may answer too late. Nothing was begun then, and the caller comes back.
async fn called(client: &Idempotency, key: &str, executions: &AtomicU32) -> u32 {
    for _ in 0..50 {
        let call = client.run(key, &"payload", async |_| {
            let number = executions.fetch_add(1, Relaxed) + 1;
            sleep(WORK).await;
            Ok::<_, std::fmt::Error>(number)
        });
        match call.await {
            Ok(answer) => return answer,
            Err(IdempotencyError::Unclaimed(_) | IdempotencyError::InProgress { .. }) => {}
            Err(error) => panic!("{key}: {error:?}"),
        }
        sleep(WORK).await;
    }
    panic!("{key}: no answer")
}

async fn clients(url: &str) -> Vec<Idempotency> {
    let mut policy = IdempotencyPolicy::default();
    policy.wait = Duration::from_secs(20);
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(client(url, &policy).await);
    }
    clients
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_duplicates_of_each_key_are_one_execution_in_memory() {
    let one = client("memory:", &IdempotencyPolicy::default()).await;
    storm("memory", &[one], scaled(1_000)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_duplicates_of_each_key_are_one_execution_on_redis() {
    let url = with(&fleet::redis().await, "timeout=5000");
    storm("redis", &clients(&url).await, scaled(1_000)).await;
}

/// One local server represents all of AWS, and is slow.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_duplicates_of_each_key_are_one_execution_on_dynamodb() {
    let url = with(&fleet::dynamodb().await, "timeout=10000");
    let keys = if env::long() { 1_000 } else { 20 };
    storm("dynamodb", &clients(&url).await, keys).await;
}
