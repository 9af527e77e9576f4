//! Many at once: nothing is lost, and a storm ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use funcify_core::Chance;
use funcify_core::register::{Register, Swap};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::support::attempt::{attempt, n_of, token, write};
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
async fn a_storm_of_500_tasks_ends_with_each_swap_done_once() {
    let (operations, took) = storm(500, Duration::from_millis(3_000)).await;
    let naive = env::scaled(500).max(50);
    let (naive_operations, naive_took) = storm(naive, Duration::ZERO).await;
    println!("storm: 500 tasks, {operations} operations, {took:?}");
    println!("naive: {naive} tasks, {naive_operations} operations, {naive_took:?}");
    assert!(operations < 500 * 12, "{operations}");
    assert!(operations / 500 < naive_operations / naive, "{naive_operations}");
}

/// Each task swaps once; it waits up to `bound` first, and up to that again after each conflict.
async fn storm(tasks: usize, bound: Duration) -> (usize, Duration) {
    let (register, key) = (Arc::new(aws::dynamodb().await), token("storm"));
    write(&*register, &key, None, 0).await;
    let (operations, began) = (Arc::new(AtomicUsize::new(0)), Instant::now());
    let mut contenders = JoinSet::new();
    for seed in 0..tasks as u64 {
        let (register, key) = (Arc::clone(&register), key.clone());
        let operations = Arc::clone(&operations);
        let chance = Chance::seeded(env::seed().wrapping_add(seed));
        contenders.spawn(async move {
            loop {
                sleep(chance.up_to(bound)).await;
                operations.fetch_add(2, Ordering::Relaxed);
                let current = register.read(&key).await.unwrap().unwrap();
                let next = n_of(&current) + 1;
                if let Swap::Done(_) =
                    attempt(&*register, &key, Some(current.version), next).await.unwrap()
                {
                    return;
                }
            }
        });
    }
    while let Some(done) = contenders.join_next().await {
        done.unwrap();
    }
    let took = began.elapsed();
    assert_eq!(n_of(&register.read(&key).await.unwrap().unwrap()), tasks as u64);
    (operations.load(Ordering::Relaxed), took)
}
