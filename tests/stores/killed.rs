//! f11: a process that is killed during a write leaves the old record or the new one.

use std::time::Duration;

use funcify::Stores;
use funcify::circuit::CircuitRecord;
use funcify_core::engine::Chance;
use funcify_core::register::{RecordName, Swap, Versioned, WriteId};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::sharing::fleet;
use crate::support::attempt::unique;
use crate::support::env;
use crate::support::process::Process;

/// How many writers run, and are killed, at the same time.
const CONCURRENT: usize = 4;

/// The epoch that the test writes after a kill. No writer reaches it.
const SUCCESSOR: u64 = 7_000_000;

/// How long a process of a debug build may take to start or to end on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The record in the store after a kill.
type Found = Option<Versioned<CircuitRecord>>;

/// Checks that the store has the complete record of the last acknowledged write, or of the one after it. It
/// may be empty only if no write was acknowledged.
fn check(acknowledged: u64, found: &Found) -> Result<(), String> {
    let epoch = match found {
        None => 0,
        Some(found) if found.corruption.is_some() => return Err(format!("corrupt: {found:?}")),
        Some(found) => found.value.epoch,
    };
    match epoch.checked_sub(acknowledged) {
        None => Err(format!("{acknowledged} was acknowledged, the store holds {epoch}")),
        Some(0 | 1) => Ok(()),
        Some(_) => Err(format!("{acknowledged} was acknowledged, the store already holds {epoch}")),
    }
}

/// Starts a writer and kills it `after` it was ready. Returns the last acknowledged epoch.
async fn kill_a_writer(store: &str, name: &str, after: Duration) -> u64 {
    let mut command = fleet::command(name, "write 1000000");
    command.env("FUNCIFY_BACKEND", store);
    let mut writer = Process::start(command);
    writer.prints(r#""step":"ready""#, TIMEOUT).await;
    sleep(after).await;
    writer.kill();
    writer.ended(TIMEOUT).await;
    let stdout = writer.stdout();
    // A line without its end does not count.
    let mut lines = stdout.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let wrote = lines.rfind(|line| line["step"] == "wrote");
    wrote.map_or(0, |line| line["epoch"].as_u64().unwrap())
}

/// Kills one writer, checks what it left, and writes on top of it.
async fn kill_once(stores: &Stores, store: &str, most: Duration, chance: &Chance) -> u64 {
    let name = unique("killed");
    let acknowledged = kill_a_writer(store, &name, chance.up_to(most)).await;
    let name: RecordName = name.parse().unwrap();
    for _ in 0..50 {
        // A busy server may respond too late. After that, operations fail at once for a second.
        let Ok(found) = stores.circuits.circuit_state(&name).await else {
            sleep(Duration::from_millis(200)).await;
            continue;
        };
        if found.as_ref().is_some_and(|found| found.value.epoch == SUCCESSOR) {
            return acknowledged;
        }
        check(acknowledged, &found).unwrap();
        let mut next = CircuitRecord::default();
        next.epoch = SUCCESSOR;
        let version = found.map(|found| found.version);
        let swap = stores.circuits.update_state(&name, version, WriteId::random(), &next).await;
        // The last request of the killed writer may still arrive. Then this write conflicts.
        if let Ok(Swap::Applied(_)) = swap {
            return acknowledged;
        }
    }
    panic!("a killed process still writes");
}

async fn kill_writers(store: String, kills: usize, most: Duration) {
    let stores = Stores::from_url(&store).await.unwrap();
    let mut writers = JoinSet::new();
    for writer in 0..CONCURRENT {
        let (store, stores) = (store.clone(), stores.clone());
        let chance = Chance::seeded(env::seed().wrapping_add(writer as u64));
        writers.spawn(async move {
            let mut midway = 0;
            for _ in 0..kills.div_ceil(CONCURRENT) {
                midway += usize::from(kill_once(&stores, &store, most, &chance).await > 0);
            }
            midway
        });
    }
    let mut midway = 0;
    while let Some(writer) = writers.join_next().await {
        midway += writer.unwrap();
    }
    let kind = store.split(':').next().unwrap();
    println!("{kind}: {kills} writers killed, {midway} of them between two writes or in one");
    assert!(midway * 2 > kills, "most were killed before they wrote: {midway}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f11_a_writer_that_is_killed_leaves_the_old_record_or_the_new_on_redis() {
    kill_writers(fleet::redis().await, env::scaled(1_000), Duration::from_millis(60)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f11_a_writer_that_is_killed_leaves_the_old_record_or_the_new_on_dynamodb() {
    kill_writers(fleet::dynamodb().await, env::scaled(1_000), Duration::from_millis(400)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f11_a_writer_that_is_killed_leaves_the_old_record_or_the_new_on_ssm() {
    kill_writers(fleet::ssm().await, env::scaled(1_000), Duration::from_millis(400)).await;
}

/// The mutants: the records that remain in a store that loses, tears or repeats writes.
#[test]
fn a_lost_a_repeated_and_a_torn_write_are_caught() {
    use funcify_core::register::{Corruption, Version};
    let stored = |epoch| {
        let mut record = CircuitRecord::default();
        record.epoch = epoch;
        Versioned::new(record, Version::from(WriteId::from_bits(1)))
    };
    for (acknowledged, right) in [(0, None), (0, Some(stored(1))), (3, Some(stored(3)))] {
        check(acknowledged, &right).unwrap();
    }
    let torn = Versioned { corruption: Some(Corruption::NotAnObject), ..stored(0) };
    for (acknowledged, wrong) in
        [(3, None), (3, Some(stored(2))), (3, Some(stored(5))), (0, Some(torn))]
    {
        assert!(check(acknowledged, &wrong).is_err(), "{acknowledged} {wrong:?}");
    }
}
