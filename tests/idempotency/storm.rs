//! A hundred duplicates of a key at once, for many keys. Each key must have one execution and one answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use funcify::idempotency::{
    Idempotency, IdempotencyError, IdempotencyPolicy, IdempotencyProvider, IdempotencyRecord,
};
use funcify::register::{PollPolicy, RecordName, Swap, Version, Versioned, WriteId};
use funcify::{Deadline, StoreError, Stores};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::{over, with};
use crate::sharing::fleet;
use crate::support::attempt::unique;
use crate::support::env::{self, scaled};

const DUPLICATES: usize = 100;
const CLIENTS: usize = 4;

/// How long a caller calls again if the store answers too late. After such an operation, the other
/// operations of the process fail at once for a second or more.
const PATIENCE: Duration = Duration::from_secs(300);

/// The time of an invocation, which bounds how long an answer may take to be stored. Work whose answer is
/// not stored is done again.
const INVOCATION: Duration = Duration::from_secs(60);

/// How long the work takes.
const WORK: Duration = Duration::from_millis(20);

/// A store that counts the operations of all its clients.
#[derive(Debug)]
struct Counting {
    store: Arc<dyn IdempotencyProvider>,
    operations: Arc<Operations>,
}

#[derive(Debug, Default)]
struct Operations {
    reads: AtomicU64,
    writes: AtomicU64,
}

#[async_trait]
impl IdempotencyProvider for Counting {
    async fn read(
        &self,
        key: &RecordName,
    ) -> Result<Option<Versioned<IdempotencyRecord>>, StoreError> {
        self.operations.reads.fetch_add(1, Relaxed);
        self.store.read(key).await
    }

    async fn write(
        &self,
        key: &RecordName,
        expected: Option<Version>,
        id: WriteId,
        next: &IdempotencyRecord,
    ) -> Result<Swap<IdempotencyRecord>, StoreError> {
        self.operations.writes.fetch_add(1, Relaxed);
        self.store.write(key, expected, id, next).await
    }

    fn poll_policy(&self) -> PollPolicy {
        self.store.poll_policy()
    }
}

/// Clients of one store.
struct Clients {
    all: Vec<Idempotency>,
    operations: Arc<Operations>,
}

/// How many keys have their storm at the same time.
async fn storm(store: &str, clients: Clients, keys: usize, concurrent: usize) {
    let Clients { all: clients, operations } = clients;
    let (began, mut storms, mut begun) = (Instant::now(), JoinSet::new(), 0);
    while begun < keys || !storms.is_empty() {
        if begun < keys && storms.len() < concurrent {
            storms.spawn(storm_of_one_key(clients.clone()));
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
    let per_key = |count: &AtomicU64| count.load(Relaxed) as f64 / keys as f64;
    println!(
        "{store}: {keys} keys, {executions} executions, {replayed} replayed, {waited} waited, \
         {errors} store errors, {:.1} writes and {:.1} reads a key, in {:.1?}",
        per_key(&operations.writes),
        per_key(&operations.reads),
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

/// A busy server may answer too late. Then the work was not begun, and the caller calls again.
async fn called(client: &Idempotency, key: &str, executions: &AtomicU32) -> u32 {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        let call = client.run(key, &"payload", async |_| {
            let number = executions.fetch_add(1, Relaxed) + 1;
            sleep(WORK).await;
            Ok::<_, std::fmt::Error>(number)
        });
        match Deadline::within(INVOCATION).scope(call).await {
            Ok(answer) => return answer,
            Err(IdempotencyError::Unclaimed(_) | IdempotencyError::InProgress { .. }) => {}
            Err(error) => panic!("{key}: {error:?}"),
        }
        sleep(WORK * 10).await;
    }
    panic!("{key}: no answer")
}

async fn clients(url: &str, count: usize) -> Clients {
    let mut policy = IdempotencyPolicy::default();
    policy.wait = Duration::from_secs(20);
    let operations = Arc::new(Operations::default());
    let mut all = Vec::new();
    for _ in 0..count {
        let store = Stores::from_url(url).await.unwrap().idempotency;
        all.push(over(Arc::new(Counting { store, operations: Arc::clone(&operations) }), &policy));
    }
    Clients { all, operations }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_duplicates_of_each_key_are_one_execution_in_memory() {
    storm("memory", clients("memory:", 1).await, scaled(1_000), 5).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_duplicates_of_each_key_are_one_execution_on_redis() {
    let url = with(&fleet::redis().await, "timeout=5000");
    storm("redis", clients(&url, CLIENTS).await, scaled(1_000), 5).await;
}

/// One local server represents all of AWS, and is slow.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_duplicates_of_each_key_are_one_execution_on_dynamodb() {
    let url = with(&fleet::dynamodb().await, "timeout=10000");
    let keys = if env::long() { 1_000 } else { 20 };
    storm("dynamodb", clients(&url, CLIENTS).await, keys, 2).await;
}
