//! Many writers at once: no write is lost, none is applied twice, and all of them finish.

use std::time::{Duration, Instant};

use funcify_backend_redis::RedisBackend;
use funcify_core::StoreErrorKind;
use funcify_core::engine::Chance;
use funcify_core::register::{Body, RecordKey, Register, Swap, Versioned, WriteId};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::{HOUR, circuit, register};
use crate::support::env;
use crate::support::redis::OwnRedis;

/// The counts in a record: two digits for each task. So the record shows whose writes it contains,
/// and stays short.
fn counts(of: &Versioned<Body>) -> Vec<u8> {
    let digits = of.value.as_ref()["by"].as_str().unwrap().as_bytes();
    digits.chunks(2).map(|count| (count[0] - b'a') * 16 + (count[1] - b'a')).collect()
}

fn counted(by: &[u8]) -> Body {
    let digit = |value: u8| char::from(b'a' + value);
    let by: String = by.iter().flat_map(|count| [digit(count / 16), digit(count % 16)]).collect();
    format!(r#"{{"by":"{by}"}}"#).parse::<Body>().unwrap()
}

async fn begin(register: &RedisBackend, key: &RecordKey, tasks: usize) {
    let (id, body) = (WriteId::random(), counted(&vec![0; tasks]));
    assert!(matches!(register.swap(key, None, id, &body, HOUR).await, Ok(Swap::Applied(_))));
}

/// Reads until there is a response: on a busy machine it may come too late.
async fn read(register: &RedisBackend, key: &RecordKey) -> Versioned<Body> {
    loop {
        if let Ok(found) = register.read(key).await {
            return found.unwrap();
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Contender {
    /// Reads and swaps again at once after a conflict.
    Naive,
    /// Swaps again at once, on the record that the conflict returned.
    Eager,
    /// Waits up to this time before it reads, and up to twice as long after each conflict. The
    /// bound is at least a quarter of the time that all tasks need for one attempt each, so that a
    /// slow machine means slower attempts and not more of them.
    Jittered(Duration),
}

/// Adds one to the count of `task`. After a lost response, the record shows whether that worked.
async fn add(
    register: &RedisBackend,
    key: &RecordKey,
    task: usize,
    contender: Contender,
    chance: &Chance,
) {
    let (mut waits, mut attempt) = (0, Duration::ZERO);
    let mut goal = None;
    let mut shown = None;
    loop {
        if let Contender::Jittered(bound) = contender {
            sleep(chance.up_to(bound.max(attempt) * (1 << waits))).await;
            waits = (waits + 1).min(3);
        }
        let began = Instant::now();
        let current = match shown.take().filter(|_| contender == Contender::Eager) {
            Some(current) => current,
            None => read(register, key).await,
        };
        let mut by = counts(&current);
        let goal = *goal.get_or_insert(by[task] + 1);
        if by[task] == goal {
            return;
        }
        by[task] = goal;
        let (id, next) = (WriteId::random(), counted(&by));
        match register.swap(key, Some(current.version), id, &next, HOUR).await {
            Ok(Swap::Applied(_)) => return,
            Ok(Swap::Conflict(found)) => {
                attempt = began.elapsed() * by.len() as u32 / 4;
                shown = found;
            }
            Err(error) => assert!(
                !matches!(error.kind(), StoreErrorKind::Denied | StoreErrorKind::Invalid),
                "{error:?}"
            ),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn increments_by_64_tasks_are_exact() {
    let (register, key) = (register(&env::redis()), circuit("increments"));
    begin(&register, &key, 64).await;
    let each = u8::try_from(env::scaled(200)).unwrap();

    let mut tasks = JoinSet::new();
    for task in 0..64 {
        let (register, key) = (register.clone(), key.clone());
        // A few tasks never pause, so that the others always have competition.
        let contender = match task % 16 {
            0 => Contender::Eager,
            _ => Contender::Jittered(Duration::from_millis(20)),
        };
        tasks.spawn(async move {
            let chance = Chance::from_entropy();
            for _ in 0..each {
                add(&register, &key, task, contender, &chance).await;
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }

    assert_eq!(counts(&read(&register, &key).await), vec![each; 64]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_500_tasks_ends_with_each_swap_applied_once() {
    let (operations, took) = storm(500, Contender::Jittered(Duration::from_millis(400))).await;
    // The naive storm is quadratic, so plain runs have a fifth of its tasks.
    let naive = env::scaled(500).max(100);
    let (naive_operations, naive_took) = storm(naive, Contender::Naive).await;

    println!("storm: 500 tasks, {operations} operations, {took:?}");
    println!("naive: {naive} tasks, {naive_operations} operations, {naive_took:?}");
    // After two conflicts the waits are spread over the time that all tasks need, and an attempt
    // meets one other write on average, later ones fewer. That makes about four attempts of two
    // operations each, whatever the load, and half as many again for a busy machine.
    assert!(operations < 500 * 12, "{operations}");
    // A naive storm of n tasks takes about n² operations, because each round has one winner.
    assert!(operations / 500 < naive_operations / naive as u64, "{naive_operations}");
}

/// The operations that the server counted, and the time until the last task finished.
async fn storm(tasks: usize, contender: Contender) -> (u64, Duration) {
    let redis = OwnRedis::start().await;
    let (register, key) = (register(&redis.url()), circuit("storm"));
    begin(&register, &key, tasks).await;
    redis.command(&["CONFIG", "RESETSTAT"]).await.unwrap();
    let began = Instant::now();

    let mut contenders = JoinSet::new();
    for task in 0..tasks {
        let (register, key) = (register.clone(), key.clone());
        let chance = Chance::seeded(env::seed().wrapping_add(task as u64));
        contenders.spawn(async move { add(&register, &key, task, contender, &chance).await });
    }
    while let Some(done) = contenders.join_next().await {
        done.unwrap();
    }
    let took = began.elapsed();
    let stats = redis.command(&["INFO", "commandstats"]).await.unwrap();

    assert_eq!(counts(&read(&register, &key).await), vec![1; tasks]);
    // Each script reads the record once, so the reads inside scripts are subtracted.
    let scripts = calls(&stats, "evalsha") + calls(&stats, "eval");
    (scripts + calls(&stats, "hmget").saturating_sub(scripts), took)
}

fn calls(stats: &str, command: &str) -> u64 {
    let name = format!("cmdstat_{command}:calls=");
    let line = stats.lines().find_map(|line| line.strip_prefix(&name));
    line.map_or(0, |line| line.split(',').next().unwrap().parse().unwrap())
}
