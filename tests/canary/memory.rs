//! What is left of the token in the memory of a process that has dropped everything.

use std::{
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    time::Duration,
};

use super::run::{Run, Sealing};
use super::store::Store;
use super::world::World;
use crate::support::process::Process;

/// How long the process lives after it has dropped everything.
const LINGERS: u32 = 20_000;

/// How often `secret` is in the memory that the process `id` may write to.
fn count_in_memory(id: u32, secret: &[u8]) -> usize {
    let maps = fs::read_to_string(format!("/proc/{id}/maps")).unwrap();
    let mut memory = File::open(format!("/proc/{id}/mem")).unwrap();
    let mut count = 0;
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let (range, _) = line.split_once(' ').unwrap();
        let (start, end) = range.split_once('-').unwrap();
        let [start, end] = [start, end].map(|at| u64::from_str_radix(at, 16).unwrap());
        let mut bytes = vec![0; usize::try_from(end - start).unwrap()];
        memory.seek(SeekFrom::Start(start)).unwrap();
        // Some mappings cannot be read, those of the kernel's own.
        if memory.read_exact(&mut bytes).is_ok() {
            for (at, window) in bytes.windows(secret.len()).enumerate() {
                if window == secret {
                    count += 1;
                    let around =
                        &bytes[at.saturating_sub(90)..(at + secret.len() + 40).min(bytes.len())];
                    println!("    {}", around.escape_ascii());
                }
            }
        }
    }
    count
}

/// The copies of the token while a member uses it, and after it has dropped everything.
async fn copies(world: &World, store: &Store, sealing: Sealing) -> [usize; 2] {
    let run = Run { world, store, sealing, unsafe_logs: false };
    let mut command = run.command("fleet_member", "/token");
    command.env_remove("RUST_LOG");
    command.args(["memory", "token", "forget", &LINGERS.to_string()]);
    let process = Process::start(command);
    process.prints(r#""step":"forget""#, Duration::from_secs(20)).await;
    let after = count_in_memory(process.id(), b"2YotnFZFEjr1zCsicMWpAA");
    store.everything().await;
    [0, after]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn little_of_a_dropped_token_is_left_in_memory() {
    let world = World::start().await;
    for store in [Store::Memory, Store::redis().await, Store::dynamodb().await, Store::ssm()] {
        for sealing in [Sealing::Unsealed, Sealing::Sealed] {
            let copies = copies(&world, &store, sealing).await;
            println!("{store:?}, {sealing:?}: {copies:?}");
        }
    }
}
