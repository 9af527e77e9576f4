//! The real stores, through their real clients. Each client of a history has a register of its own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use funcify_backend_redis::{RedisBackend, RedisConfig};
use funcify_core::engine::Chance;
use funcify_core::register::Register;
use tokio::time::sleep;

use super::blind::Blind;
use crate::support::aws;
use crate::support::env::{redis, scaled, seed};
use crate::support::linearize::{Counts, HistoryPlan, Verdict, check};
use crate::support::redis::OwnRedis;

/// The registers of one history, one for each client.
type Registers = Vec<Arc<dyn Register>>;

const CLIENTS: usize = 4;

fn on_redis(url: &str) -> Registers {
    let config = RedisConfig::parse(url).unwrap().with_prefix("funcify-test");
    let register = || RedisBackend::new(config.clone()).unwrap();
    (0..CLIENTS).map(|_| Arc::new(register()) as _).collect()
}

async fn on_dynamodb() -> Registers {
    let mut registers = Registers::new();
    for _ in 0..CLIENTS {
        registers.push(Arc::new(aws::dynamodb().await));
    }
    registers
}

async fn on_ssm() -> Registers {
    let mut registers = Registers::new();
    for _ in 0..CLIENTS {
        registers.push(Arc::new(aws::ssm().await));
    }
    registers
}

fn plan(chance: &Chance, operations: usize, stale_reads: bool) -> HistoryPlan {
    let keys = 1 + (chance.bits() % 2) as usize;
    HistoryPlan {
        clients: CLIENTS,
        operations,
        keys,
        seed: chance.bits(),
        stale_reads,
        idempotency: false,
    }
}

/// The results of a number of histories.
#[derive(Debug, Default)]
struct Tally {
    linearizable: usize,
    not_counted: usize,
    total: Counts,
}

impl Tally {
    async fn take(&mut self, registers: &[Arc<dyn Register>], plan: HistoryPlan) {
        match check(registers, plan).await {
            Verdict::Linearizable(counts) => {
                self.linearizable += 1;
                self.total.operations += counts.operations;
                self.total.done += counts.done;
                self.total.unknown += counts.unknown;
            }
            Verdict::DoesNotCount(_) => self.not_counted += 1,
            Verdict::NotLinearizable(key, stuck) => panic!("{plan:?} on {key}: {stuck}"),
        }
    }
}

async fn are_linearizable(store: &str, registers: Registers, wanted: usize, stale_reads: bool) {
    of_kind_are_linearizable(store, registers, wanted, stale_reads, false).await;
}

async fn of_kind_are_linearizable(
    store: &str,
    registers: Registers,
    wanted: usize,
    stale_reads: bool,
    idempotency: bool,
) {
    let (began, chance, mut tally) = (Instant::now(), Chance::seeded(seed()), Tally::default());
    while tally.linearizable < wanted {
        let plan = HistoryPlan { idempotency, ..plan(&chance, 10, stale_reads) };
        tally.take(&registers, plan).await;
        assert!(tally.not_counted <= wanted, "{store}: {tally:?}");
    }
    println!("{store}: {tally:?} in {:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn histories_on_redis_are_linearizable() {
    are_linearizable("redis", on_redis(&redis()), scaled(1_800), false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn histories_on_dynamodb_are_linearizable() {
    are_linearizable("dynamodb", on_dynamodb().await, scaled(500), false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn histories_of_claims_and_answers_are_linearizable() {
    let redis = on_redis(&redis());
    of_kind_are_linearizable("redis", redis, scaled(500), false, true).await;
    of_kind_are_linearizable("dynamodb", on_dynamodb().await, scaled(200), false, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn histories_of_swaps_on_ssm_are_linearizable() {
    are_linearizable("ssm", on_ssm().await, scaled(500), true).await;
}

/// Redis is killed at a random moment of each history and restarted with its log. Writes in flight have
/// an unknown outcome, and no acknowledged write is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f11_histories_on_a_redis_that_is_killed_and_restarted_are_linearizable() {
    let wanted = scaled(200);
    let (began, chance, mut tally) = (Instant::now(), Chance::seeded(seed()), Tally::default());
    let log = Log::new();
    let mut redis = OwnRedis::start_with(&log.options()).await;
    let registers = on_redis(&redis.url());
    while tally.linearizable < wanted {
        let plan = HistoryPlan { keys: 1, ..plan(&chance, 25, false) };
        let history = tally.take(&registers, plan);
        let kill = async {
            sleep(chance.up_to(Duration::from_millis(12))).await;
            redis.kill();
            redis.restart().await;
        };
        tokio::join!(history, kill);
        assert!(tally.not_counted <= 5 * wanted, "{tally:?}");
    }
    println!("redis, killed and restarted: {tally:?} in {:?}", began.elapsed());
    assert!(tally.total.unknown > 0, "no kill met a write: nothing was tested");
}

/// A directory for the log of one Redis, deleted after the test.
struct Log(std::path::PathBuf);

impl Log {
    fn new() -> Self {
        let name = crate::support::attempt::unique("funcify-test-log");
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    /// Redis acknowledges a write only when it is on disk.
    fn options(&self) -> [&str; 6] {
        ["--appendonly", "yes", "--appendfsync", "always", "--dir", self.0.to_str().unwrap()]
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

/// The mutant: the same histories on the same store, by clients that overwrite.
async fn blind_writes_are_caught(store: &str, registers: Registers, stale_reads: bool) {
    let blind: Registers =
        registers.into_iter().map(|register| Arc::new(Blind(register)) as _).collect();
    let chance = Chance::seeded(seed());
    for number in 1..=50 {
        let verdict = check(&blind, plan(&chance, 10, stale_reads)).await;
        if matches!(verdict, Verdict::NotLinearizable(..)) {
            return println!("{store}: the blind write is caught by history {number}");
        }
    }
    panic!("{store}: a blind write passes 50 histories");
}

#[tokio::test]
async fn mutant_a_blind_write_on_redis_is_caught() {
    blind_writes_are_caught("redis", on_redis(&redis()), false).await;
}

#[tokio::test]
async fn mutant_a_blind_write_on_dynamodb_is_caught() {
    blind_writes_are_caught("dynamodb", on_dynamodb().await, false).await;
}

#[tokio::test]
async fn mutant_a_blind_write_on_ssm_is_caught() {
    blind_writes_are_caught("ssm", on_ssm().await, true).await;
}

/// The mutant: a server that loses acknowledged writes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mutant_a_redis_that_restarts_empty_is_caught() {
    let mut redis = OwnRedis::start().await;
    let registers = on_redis(&redis.url());
    let chance = Chance::seeded(seed());
    for _ in 0..50 {
        let history = check(&registers, HistoryPlan { keys: 1, ..plan(&chance, 25, false) });
        let kill = async {
            sleep(chance.up_to(Duration::from_millis(12))).await;
            redis.restart().await;
        };
        if let (Verdict::NotLinearizable(..), ()) = tokio::join!(history, kill) {
            return;
        }
    }
    panic!("a store that forgets passes 50 histories");
}
