//! Many at once: nothing is lost, and a storm ends.

use std::time::{Duration, Instant};

use funcify_core::Chance;
use funcify_core::register::{Register, Swap};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::{attempt, circuit, n_of, register, write};
use crate::support::env;
use crate::support::redis::OwnRedis;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn increments_by_64_tasks_are_exact() {
    let (register, key) = (register(&env::redis()), circuit("increments"));
    write(&register, &key, None, 0).await;
    let each = env::scaled(200) as u64;

    let mut tasks = JoinSet::new();
    for _ in 0..64 {
        let (register, key) = (register.clone(), key.clone());
        tasks.spawn(async move {
            for _ in 0..each {
                let mut current = register.read(&key).await.unwrap().unwrap();
                while let Swap::Conflict(found) =
                    attempt(&register, &key, Some(current.version), n_of(&current) + 1)
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

    assert_eq!(n_of(&register.read(&key).await.unwrap().unwrap()), 64 * each);
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Contender {
    /// Reads and swaps again at once after a conflict, as one writes it first.
    Naive,
    /// Waits first, goes on from what the conflict showed, and waits longer each time.
    Jittered,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_500_tasks_ends_with_each_swap_done_once() {
    let (operations, took) = storm(500, Contender::Jittered).await;
    let naive = env::scaled(500).max(100);
    let (naive_operations, naive_took) = storm(naive, Contender::Naive).await;

    println!("storm: 500 tasks, {operations} operations, {took:?}");
    println!("naive: {naive} tasks, {naive_operations} operations, {naive_took:?}");
    // A naive storm of n tasks costs about n² operations: each round has one winner.
    assert!(operations < 500 * 12, "{operations}");
    assert!(operations / 500 < naive_operations / naive as u64, "{naive_operations}");
}

/// Operations that the server counted, and the time until the last task was done.
async fn storm(tasks: usize, contender: Contender) -> (u64, Duration) {
    let redis = OwnRedis::start().await;
    let (register, key) = (register(&redis.url()), circuit("storm"));
    write(&register, &key, None, 0).await;
    redis.command(&["CONFIG", "RESETSTAT"]).await.unwrap();
    let began = Instant::now();

    let mut contenders = JoinSet::new();
    for seed in 0..tasks as u64 {
        let (register, key) = (register.clone(), key.clone());
        let chance = Chance::seeded(env::seed().wrapping_add(seed));
        contenders.spawn(async move {
            let mut bound =
                Duration::from_millis(if contender == Contender::Naive { 0 } else { 400 });
            sleep(chance.up_to(bound)).await;
            let mut current = register.read(&key).await.unwrap().unwrap();
            loop {
                match attempt(&register, &key, Some(current.version), n_of(&current) + 1)
                    .await
                    .unwrap()
                {
                    Swap::Done(_) => return,
                    Swap::Conflict(_) if contender == Contender::Naive => {
                        current = register.read(&key).await.unwrap().unwrap();
                    }
                    Swap::Conflict(found) => {
                        current = found.unwrap();
                        bound = (bound * 2).min(Duration::from_millis(800));
                        sleep(chance.up_to(bound)).await;
                        current = register.read(&key).await.unwrap().unwrap_or(current);
                    }
                }
            }
        });
    }
    while let Some(done) = contenders.join_next().await {
        done.unwrap();
    }
    let took = began.elapsed();

    assert_eq!(n_of(&register.read(&key).await.unwrap().unwrap()), tasks as u64);
    let stats = redis.command(&["INFO", "commandstats"]).await.unwrap();
    // Those inside a script are the script's: it looks at what it replaces.
    let swaps = calls(&stats, "evalsha") + calls(&stats, "eval");
    let reads = calls(&stats, "hmget") - swaps;
    (swaps + reads, took)
}

fn calls(stats: &str, command: &str) -> u64 {
    let line =
        stats.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
    line.map_or(0, |line| line.split(',').next().unwrap().parse().unwrap())
}
