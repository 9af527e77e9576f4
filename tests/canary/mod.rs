//! No secret is in anything that a process of a fleet prints at `trace`, nor in what a sealed store holds.
//!
//! The processes are the examples `fleet_member` and `orders`, on every store, sealed and unsealed, with a provider that
//! grants, one that refuses and sends everything back, and one that sends nonsense.

mod memory;
mod run;
mod store;
mod world;

use std::time::Instant;

use run::{Run, Sealing};
use store::Store;
use world::World;

use crate::support::canary::Search;

/// Runs the fleet on this store, and searches what it printed and stored.
async fn search(world: &World, store: &Store, sealing: Sealing, unsafe_logs: bool) -> Search {
    let run = Run { world, store, sealing, unsafe_logs };
    let mut search = Search::default();
    let printed = run.everything().await;
    let canaries = world.canaries();
    for (process, text) in printed {
        search.look_at(&format!("what {process} printed"), &text, &canaries);
    }
    let stored = store.everything().await;
    match sealing {
        Sealing::Sealed => search.look_at("the store", &stored, &canaries),
        Sealing::Unsealed if store.is_shared() => {
            let token = world.token();
            assert!(token.found_in(&stored).is_some(), "an unsealed token must be found: {stored}");
        }
        Sealing::Unsealed => {}
    }
    search
}

async fn shows_nothing(store: Store) {
    let began = Instant::now();
    let world = World::start().await;
    let mut all = Search::default();
    for sealing in [Sealing::Unsealed, Sealing::Sealed] {
        let found = search(&world, &store, sealing, false).await;
        println!("{store:?}, {sealing:?}: {} lines, {} bytes", found.lines, found.bytes);
        all.lines += found.lines;
        all.bytes += found.bytes;
        all.hits.extend(found.hits);
    }
    println!(
        "{store:?}: {} canaries in {} lines, {} bytes: {} hits, {:?}",
        world.canaries().len(),
        all.lines,
        all.bytes,
        all.hits.len(),
        began.elapsed()
    );
    assert!(all.lines > 50, "a log at `trace` has more lines: {}", all.lines);
    assert!(all.hits.is_empty(), "{:#?}", all.hits);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_memory_no_secret_is_printed_or_stored() {
    shows_nothing(Store::Memory).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_redis_no_secret_is_printed_or_stored() {
    shows_nothing(Store::redis().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_dynamodb_no_secret_is_printed_or_stored() {
    shows_nothing(Store::dynamodb().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_ssm_no_secret_is_printed_or_stored() {
    shows_nothing(Store::ssm()).await;
}

/// The mutant: without the filter, the log of the AWS SDK shows the token, and that of lambda_runtime the events with the
/// tokens of callers. The search finds both. (The SDK for SSM hides the values of parameters by itself.)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_unsafe_logs_tokens_are_printed_and_found() {
    let world = World::start().await;
    let stores = [
        (Store::dynamodb().await, &["token", "caller's token"] as &[_]),
        (Store::ssm(), &["caller's token"]),
    ];
    for (store, shown) in stores {
        let found = search(&world, &store, Sealing::Unsealed, true).await;
        println!("{store:?} with unsafe logs: {} bytes, {} hits", found.bytes, found.hits.len());
        for name in shown {
            let is_found = found.hits.iter().any(|hit| hit.starts_with(&format!("{name} in what")));
            assert!(is_found, "{name}: {:?}", found.hits);
        }
    }
}
