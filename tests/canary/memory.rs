//! What is left of the token in the memory of a process that has dropped everything.

use std::{
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    time::{Duration, Instant},
};

use tokio::time::sleep;

use super::run::{Run, Sealing};
use super::store::Store;
use super::world::{TOKEN, World};
use crate::support::process::Process;

const PATIENCE: Duration = Duration::from_secs(20);

/// The copies that are left of a token that was dropped, at most. Those that are left are in the buffers of the clients of
/// the stores, which wipe nothing: three in that of Redis, two in the AWS SDK. A sealed token never gets there.
fn most(store: &Store, sealing: Sealing) -> usize {
    match (store, sealing) {
        (_, Sealing::Sealed) if store.is_shared() => 0,
        (Store::Memory, _) => 0,
        // One to three were seen, as buffers happen to be used again.
        (Store::Redis(_) | Store::DynamoDb(_) | Store::Ssm(_), _) => 4,
    }
}

/// The part of the token that no escaping changes.
fn part_of_the_token() -> &'static [u8] {
    let parts = TOKEN.split(|letter: char| !letter.is_ascii_alphanumeric());
    parts.max_by_key(|part| part.len()).unwrap().as_bytes()
}

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
        // Some mappings of the kernel's own cannot be read.
        if memory.read_exact(&mut bytes).is_ok() {
            count += bytes.windows(secret.len()).filter(|window| *window == secret).count();
        }
    }
    count
}

fn member(world: &World, store: &Store, sealing: Sealing, steps: &str) -> Process {
    let run = Run { world, store, sealing, unsafe_logs: false };
    let mut command = run.command("fleet_member", "/token");
    command.env_remove("RUST_LOG").arg("memory").args(steps.split_whitespace());
    Process::start(command)
}

/// The copies in a process that has fetched the token, stored it, and dropped everything.
async fn left_after_everything_was_dropped(
    world: &World,
    store: &Store,
    sealing: Sealing,
) -> usize {
    let process = member(world, store, sealing, "token forget 20000");
    process.prints(r#""step":"forget""#, PATIENCE).await;
    assert!(process.stdout().contains(r#""minted":true"#), "{}", process.stdout());
    let left = count_in_memory(process.id(), part_of_the_token());
    store.everything().await;
    left
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_dropped_token_only_the_clients_of_the_stores_keep_copies() {
    let world = World::start().await;
    let mut too_many = Vec::new();
    for store in [Store::Memory, Store::redis().await, Store::dynamodb().await, Store::ssm()] {
        for sealing in [Sealing::Unsealed, Sealing::Sealed] {
            let left = left_after_everything_was_dropped(&world, &store, sealing).await;
            let most = most(&store, sealing);
            println!("{store:?}, {sealing:?}: {left} copies of the token, {most} allowed");
            if left > most {
                too_many.push((format!("{store:?}"), sealing, left));
            }
        }
    }
    assert!(too_many.is_empty(), "{too_many:?}");
}

/// The mutant: a process that keeps its token, in which the same search finds it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_is_in_use_is_found_in_memory() {
    let world = World::start().await;
    let process = member(&world, &Store::Memory, Sealing::Unsealed, "hold 20000");
    let until = Instant::now() + PATIENCE;
    // The token itself, and the header with it.
    while count_in_memory(process.id(), part_of_the_token()) < 2 {
        assert!(Instant::now() < until, "not found: {}", process.stdout());
        sleep(Duration::from_millis(50)).await;
    }
}
