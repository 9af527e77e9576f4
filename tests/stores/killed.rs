//! f11: a process that is killed while it writes leaves the old record or the new one.

use std::time::Duration;

use funcify::Stores;
use funcify::circuit::{CircuitName, CircuitRecord};
use funcify_core::Chance;
use funcify_core::register::{Swap, Versioned, WriteId};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::sharing::fleet;
use crate::support::attempt::unique;
use crate::support::env;
use crate::support::process::Process;

/// How many writers are killed at a time.
const LANES: usize = 4;

/// The epoch that the next writer writes. No killed writer gets that far.
const HEIR: u64 = 7_000_000;

/// For a debug build on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the store holds after a writer was killed.
type Found = Option<Versioned<CircuitRecord>>;

/// The record must be that of the last acknowledged write or of the one after it, and complete.
fn judge(acknowledged: u64, found: &Found) -> Result<(), String> {
    let epoch = match found {
        None => 0,
        Some(found) if found.corruption.is_some() => return Err(format!("damaged: {found:?}")),
        Some(found) => found.value.epoch,
    };
    match epoch.checked_sub(acknowledged) {
        None => Err(format!("{acknowledged} was acknowledged, {epoch} is there")),
        Some(0 | 1) => Ok(()),
        Some(_) => Err(format!("{acknowledged} was acknowledged, {epoch} is there already")),
    }
}

/// Lets a process write until it is killed `after` it was ready. Answers what was acknowledged.
async fn kill_a_writer(store: &str, name: &str, after: Duration) -> u64 {
    let mut command = fleet::command(name, "write 1000000");
    command.env("FUNCIFY_BACKEND", store);
    let mut writer = Process::start(command);
    writer.prints(r#""step":"ready""#, PATIENCE).await;
    sleep(after).await;
    writer.kill();
    writer.ended(PATIENCE).await;
    let stdout = writer.stdout();
    // A line that was cut off in the middle was not printed.
    let mut lines = stdout.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let wrote = lines.rfind(|line| line["step"] == "wrote");
    wrote.map_or(0, |line| line["epoch"].as_u64().unwrap())
}

/// One death: what it left is judged, and somebody else goes on from there.
async fn die_once(stores: &Stores, store: &str, most: Duration, chance: &Chance) -> u64 {
    let name = unique("killed");
    let acknowledged = kill_a_writer(store, &name, chance.up_to(most)).await;
    let name: CircuitName = name.parse().unwrap();
    for _ in 0..50 {
        // A busy server may answer too late.
        let Ok(found) = stores.circuits.circuit_state(&name).await else { continue };
        if found.as_ref().is_some_and(|found| found.value.epoch == HEIR) {
            return acknowledged;
        }
        judge(acknowledged, &found).unwrap();
        let next = CircuitRecord { epoch: HEIR, ..CircuitRecord::default() };
        let version = found.map(|found| found.version);
        let swap = stores.circuits.update_state(&name, version, WriteId::random(), &next).await;
        // The last request of the dead may still have been on its way: then it is a conflict.
        if let Ok(Swap::Applied(_)) = swap {
            return acknowledged;
        }
    }
    panic!("a dead process still writes");
}

async fn die(store: String, deaths: usize, most: Duration) {
    let stores = Stores::from_url(&store).await.unwrap();
    let mut lanes = JoinSet::new();
    for lane in 0..LANES {
        let (store, stores) = (store.clone(), stores.clone());
        let chance = Chance::seeded(env::seed().wrapping_add(lane as u64));
        lanes.spawn(async move {
            let mut midway = 0;
            for _ in 0..deaths.div_ceil(LANES) {
                midway += usize::from(die_once(&stores, &store, most, &chance).await > 0);
            }
            midway
        });
    }
    let mut midway = 0;
    while let Some(lane) = lanes.join_next().await {
        midway += lane.unwrap();
    }
    let kind = store.split(':').next().unwrap();
    println!("{kind}: {deaths} writers killed, {midway} of them between two writes or in one");
    assert!(midway * 2 > deaths, "they died before they wrote: {midway}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f11_a_writer_that_is_killed_leaves_the_old_record_or_the_new_on_redis() {
    die(fleet::redis().await, env::scaled(1_000), Duration::from_millis(60)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f11_a_writer_that_is_killed_leaves_the_old_record_or_the_new_on_dynamodb() {
    die(fleet::dynamodb().await, env::scaled(1_000), Duration::from_millis(400)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f11_a_writer_that_is_killed_leaves_the_old_record_or_the_new_on_ssm() {
    die(fleet::ssm().await, env::scaled(1_000), Duration::from_millis(400)).await;
}

/// What a store that loses, tears or repeats writes would leave.
#[test]
fn the_check_catches_a_record_that_no_correct_store_leaves() {
    use funcify_core::register::{Corruption, Version};
    let there = |epoch| {
        let record = CircuitRecord { epoch, ..CircuitRecord::default() };
        Versioned::new(record, Version::new(WriteId::from_bits(1)))
    };
    for (acknowledged, right) in [(0, None), (0, Some(there(1))), (3, Some(there(3)))] {
        judge(acknowledged, &right).unwrap();
    }
    let torn = Versioned { corruption: Some(Corruption::NotAnObject), ..there(0) };
    for (acknowledged, wrong) in
        [(3, None), (3, Some(there(2))), (3, Some(there(5))), (0, Some(torn))]
    {
        assert!(judge(acknowledged, &wrong).is_err(), "{acknowledged} {wrong:?}");
    }
}
