//! Many at once: nothing is lost, nothing counted twice, and a storm ends.

use std::time::{Duration, Instant};

use funcify_backend_redis::RedisBackend;
use funcify_core::engine::Chance;
use funcify_core::register::{Body, RecordKey, Register, Swap, Versioned, WriteId};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::{HOUR, circuit, register};
use crate::support::env;
use crate::support::redis::OwnRedis;

/// A record that counts for each task by itself, two digits a task, so that it tells whose write it
/// holds and is still read at once.
fn counts(of: &Versioned<Body>) -> Vec<u8> {
    let digits = of.value.members()["by"].as_str().unwrap().as_bytes();
    digits.chunks(2).map(|count| (count[0] - b'a') * 16 + (count[1] - b'a')).collect()
}

fn counted(by: &[u8]) -> Body {
    let digit = |value: u8| char::from(b'a' + value);
    let by: String = by.iter().flat_map(|count| [digit(count / 16), digit(count % 16)]).collect();
    Body::parse(&format!(r#"{{"by":"{by}"}}"#)).unwrap()
}

async fn begin(register: &RedisBackend, key: &RecordKey, tasks: usize) {
    let (id, body) = (WriteId::random(), counted(&vec![0; tasks]));
    assert!(matches!(register.swap(key, None, id, &body, HOUR).await, Ok(Swap::Applied(_))));
}

/// Until it answers: on a busy machine an answer may come too late.
async fn read(register: &RedisBackend, key: &RecordKey) -> Versioned<Body> {
    loop {
        if let Ok(found) = register.read(key).await {
            return found.unwrap();
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Contender {
    /// Reads and swaps again at once after a conflict, as one writes it first.
    Naive,
    /// Goes on at once from what the conflict showed.
    Carried,
    /// Waits up to this before it reads, and up to twice as long after each conflict; but at least up
    /// to a quarter of what all of them take for an attempt each, so that a slow machine makes it
    /// slower and not more numerous.
    Jittered(Duration),
}

/// Adds one to the count of `task`. An answer that did not come is settled by the record's content.
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
        let current = match shown.take().filter(|_| contender == Contender::Carried) {
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
            Err(error) => assert!(error.is_transient(), "{error:?}"),
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
        // A few press on without a pause, so that the others always meet someone.
        let contender = match task % 16 {
            0 => Contender::Carried,
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
async fn a_storm_of_500_tasks_ends_with_each_swap_done_once() {
    let (operations, took) = storm(500, Contender::Jittered(Duration::from_millis(400))).await;
    // The naive one is quadratic: plain runs take a fifth of it.
    let naive = env::scaled(500).max(100);
    let (naive_operations, naive_took) = storm(naive, Contender::Naive).await;

    println!("storm: 500 tasks, {operations} operations, {took:?}");
    println!("naive: {naive} tasks, {naive_operations} operations, {naive_took:?}");
    // After two conflicts the waits are spread over the time that all of them take, and an attempt
    // meets one other write on average, later ones less: about four attempts of two operations each,
    // whatever the load, and half as many again for what a machine does besides.
    assert!(operations < 500 * 12, "{operations}");
    // A naive storm of n tasks costs about n² operations: each round has one winner.
    assert!(operations / 500 < naive_operations / naive as u64, "{naive_operations}");
}

/// Operations that the server counted, and the time until the last task was done.
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
    // Each swap looks at what it replaces, so the looks inside scripts are taken off.
    let (swaps, looks) = (calls(&stats, "evalsha") + calls(&stats, "eval"), calls(&stats, "hmget"));
    (swaps + looks.saturating_sub(swaps), took)
}

fn calls(stats: &str, command: &str) -> u64 {
    let name = format!("cmdstat_{command}:calls=");
    let line = stats.lines().find_map(|line| line.strip_prefix(&name));
    line.map_or(0, |line| line.split(',').next().unwrap().parse().unwrap())
}
