//! Many writers at once: no write is lost, and all of them finish.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use funcify_core::engine::Chance;
use funcify_core::register::{Body, RecordKey, Register, Swap, Versioned, WriteId};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::support::attempt::{HOUR, attempt, n_of, token, write};
use crate::support::{aws, env};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn increments_by_16_tasks_are_exact() {
    let (register, key) = (Arc::new(aws::dynamodb().await), token("increments"));
    write(&*register, &key, None, 0).await;
    let each = env::scaled(50) as u64;
    let mut tasks = JoinSet::new();
    for _ in 0..16 {
        let (register, key) = (Arc::clone(&register), key.clone());
        tasks.spawn(async move {
            for _ in 0..each {
                let mut current = register.read(&key).await.unwrap().unwrap();
                while let Swap::Conflict(found) =
                    attempt(&*register, &key, Some(current.version), n_of(&current) + 1)
                        .await
                        .unwrap()
                {
                    current = found.unwrap();
                }
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    assert_eq!(n_of(&register.read(&key).await.unwrap().unwrap()), 16 * each);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_500_tasks_ends_with_each_swap_applied_once() {
    // The server runs on the same machine, so plain runs have a fifth of the tasks.
    let tasks = env::scaled(500).max(100) as u64;
    let (operations, took) = storm(tasks, Duration::from_millis(6 * tasks)).await;
    let naive = env::scaled(200).max(50) as u64;
    let (naive_operations, naive_took) = storm(naive, Duration::ZERO).await;
    println!("storm: {tasks} tasks, {operations} operations, {took:?}");
    println!("naive: {naive} tasks, {naive_operations} operations, {naive_took:?}");
    assert!(operations < tasks * 12, "{operations}");
    assert!(operations / tasks < naive_operations / naive, "{naive_operations}");
}

/// Each task adds itself once. It waits up to `bound` first, and up to twice as long after each
/// conflict.
async fn storm(tasks: u64, bound: Duration) -> (u64, Duration) {
    let (register, key) = (Arc::new(aws::dynamodb().await), token("storm"));
    write(&*register, &key, None, 0).await;
    let (operations, began) = (Arc::new(AtomicU64::new(0)), Instant::now());
    let mut contenders = JoinSet::new();
    for task in 0..tasks {
        let (register, key) = (Arc::clone(&register), key.clone());
        let operations = Arc::clone(&operations);
        let chance = Chance::seeded(env::seed().wrapping_add(task));
        contenders.spawn(async move {
            let mut attempt = Duration::ZERO;
            for conflicts in 0.. {
                // At least an eighth of the time that all tasks need for one attempt each, and all
                // of it after three conflicts: a slow machine means slower attempts and not more of
                // them.
                let bound = if bound.is_zero() { bound } else { bound.max(attempt) };
                sleep(chance.up_to(bound * (1 << conflicts.min(3)))).await;
                let began = Instant::now();
                operations.fetch_add(2, Ordering::Relaxed);
                // So many tasks may overload the server.
                let Ok(Some(found)) = register.read(&key).await else {
                    sleep(Duration::from_millis(50)).await;
                    continue;
                };
                if has_signed(&found, task) || sign(&*register, &key, &found, task).await {
                    return;
                }
                attempt = began.elapsed() * tasks as u32 / 8;
            }
        });
    }
    while let Some(done) = contenders.join_next().await {
        done.unwrap();
    }
    let took = began.elapsed();
    assert_eq!(n_of(&register.read(&key).await.unwrap().unwrap()), tasks);
    (operations.load(Ordering::Relaxed), took)
}

/// Adds one and the number of the task, so that a task whose response was lost finds itself.
async fn sign(
    register: &dyn Register,
    key: &RecordKey,
    found: &Versioned<Body>,
    task: u64,
) -> bool {
    let last = signatures(found).into_iter().chain([task]).rev().take(64).collect::<Vec<_>>();
    let last = last.into_iter().rev().collect::<Vec<_>>();
    let next = serde_json::json!({ "n": n_of(found) + 1, "last": last }).to_string();
    let next = next.parse::<Body>().unwrap();
    let swap = register.swap(key, Some(found.version), WriteId::random(), &next, HOUR).await;
    matches!(swap, Ok(Swap::Applied(_)))
}

fn has_signed(found: &Versioned<Body>, task: u64) -> bool {
    signatures(found).contains(&task)
}

fn signatures(found: &Versioned<Body>) -> Vec<u64> {
    let last = found.value.as_ref().get("last").and_then(serde_json::Value::as_array);
    last.into_iter().flatten().map(|task| task.as_u64().unwrap()).collect()
}
