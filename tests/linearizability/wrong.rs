//! Mutants that are not linearizable. The same histories must catch each of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use funcify_backend_memory::MemoryBackend;
use funcify_core::register::{
    Body, PollPolicy, RecordKey, Register, Swap, Version, Versioned, WriteId,
};
use funcify_core::{StoreError, StoreErrorKind, engine::Chance};
use tokio::task::yield_now;

use super::memory::{plan, wires};
use crate::support::env::seed;
use crate::support::linearize::{Verdict, check};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    /// Overwrites, whatever version is expected.
    Blind,
    /// Compares the version, and writes a little later.
    LooksThenWrites,
    /// Compares with the version that this client read last.
    JudgesByItsCache,
    /// Answers some reads from an old read.
    ReadsItsCache,
    /// Reports a conflict when the reply of an applied write was lost.
    LostReplyIsAConflict,
    /// Reports some applied writes as unavailable.
    RefusalThatWrites,
    /// Reports some writes as applied and loses them.
    LosesWrites,
    /// Reports some writes as a conflict and applies them.
    AppliesConflicts,
    /// Applies some writes a second time, much later.
    Repeats,
}

const ALL: [Wrong; 9] = [
    Wrong::Blind,
    Wrong::LooksThenWrites,
    Wrong::JudgesByItsCache,
    Wrong::ReadsItsCache,
    Wrong::LostReplyIsAConflict,
    Wrong::RefusalThatWrites,
    Wrong::LosesWrites,
    Wrong::AppliesConflicts,
    Wrong::Repeats,
];

/// One client of a correct store, with one flaw.
#[derive(Debug)]
struct WrongClient {
    wrong: Wrong,
    store: MemoryBackend,
    chance: Chance,
    cache: Mutex<HashMap<RecordKey, Option<Versioned<Body>>>>,
    before: Mutex<Option<(RecordKey, WriteId, Body)>>,
}

impl WrongClient {
    fn new(wrong: Wrong, store: &MemoryBackend, seed: u64) -> Self {
        let (cache, before) = (Mutex::default(), Mutex::default());
        Self { wrong, store: store.clone(), chance: Chance::seeded(seed), cache, before }
    }

    /// One in five.
    fn now_and_then(&self) -> bool {
        self.chance.draw() < 0.2
    }

    async fn version(&self, key: &RecordKey) -> Result<Option<Version>, StoreError> {
        Ok(self.store.read(key).await?.map(|found| found.version))
    }

    async fn write(
        &self,
        key: &RecordKey,
        id: WriteId,
        body: &Body,
    ) -> Result<Swap<Body>, StoreError> {
        let current = self.version(key).await?;
        self.store.swap(key, current, id, body, Duration::ZERO).await
    }
}

#[async_trait]
impl Register for WrongClient {
    async fn read(&self, key: &RecordKey) -> Result<Option<Versioned<Body>>, StoreError> {
        let cached = self.cache.lock().unwrap().get(key).cloned();
        if let Some(cached) = cached
            && self.wrong == Wrong::ReadsItsCache
            && self.now_and_then()
        {
            return Ok(cached);
        }
        let found = self.store.read(key).await?;
        self.cache.lock().unwrap().insert(key.clone(), found.clone());
        Ok(found)
    }

    async fn swap(
        &self,
        key: &RecordKey,
        expected: Option<Version>,
        id: WriteId,
        body: &Body,
        keep_for: Duration,
    ) -> Result<Swap<Body>, StoreError> {
        let cached = self.cache.lock().unwrap().get(key).cloned();
        let cached = cached.map(|cached| cached.map(|cached| cached.version));
        match self.wrong {
            Wrong::Blind => return self.write(key, id, body).await,
            Wrong::LooksThenWrites => {
                let seen = self.version(key).await?;
                yield_now().await;
                if seen == expected {
                    return self.write(key, id, body).await;
                }
            }
            Wrong::JudgesByItsCache if cached == Some(expected) => {
                return self.write(key, id, body).await;
            }
            Wrong::LosesWrites if self.now_and_then() && self.version(key).await? == expected => {
                return Ok(Swap::Applied(Version::from(id)));
            }
            Wrong::Repeats if self.now_and_then() => {
                let before = self.before.lock().unwrap().take();
                if let Some((key, id, body)) = before {
                    self.write(&key, id, &body).await?;
                }
            }
            _ => {}
        }
        let swap = self.store.swap(key, expected, id, body, keep_for).await?;
        match (&swap, self.wrong) {
            (Swap::Applied(_), Wrong::LostReplyIsAConflict) if self.now_and_then() => {
                Ok(Swap::Conflict(self.store.read(key).await?))
            }
            (Swap::Applied(_), Wrong::RefusalThatWrites) if self.now_and_then() => {
                Err(StoreError::new("wrong", StoreErrorKind::Unavailable, "it was applied"))
            }
            (Swap::Applied(_), Wrong::Repeats) => {
                *self.before.lock().unwrap() = Some((key.clone(), id, body.clone()));
                Ok(swap)
            }
            (Swap::Conflict(_), Wrong::AppliesConflicts) if self.now_and_then() => {
                self.write(key, id, body).await?;
                Ok(swap)
            }
            _ => Ok(swap),
        }
    }

    fn poll_policy(&self) -> PollPolicy {
        PollPolicy::default()
    }
}

#[tokio::test(start_paused = true)]
async fn every_wrong_register_is_caught() {
    for wrong in ALL {
        caught(wrong, false, 0.0).await;
    }
}

#[tokio::test(start_paused = true)]
async fn every_wrong_register_is_caught_behind_failing_wires_too() {
    for wrong in ALL {
        caught(wrong, false, 0.1).await;
    }
}

/// Where reads may be stale, the swaps alone must catch a wrong register.
#[tokio::test(start_paused = true)]
async fn wrong_swaps_are_caught_where_reads_may_be_stale() {
    for wrong in ALL.into_iter().filter(|wrong| *wrong != Wrong::ReadsItsCache) {
        caught(wrong, true, 0.0).await;
    }
}

#[tokio::test(start_paused = true)]
async fn stale_reads_are_forgiven_where_the_store_says_so() {
    let seed = seed();
    for number in 0..200 {
        if let Some(stuck) =
            broken(Wrong::ReadsItsCache, true, 0.0, seed.wrapping_add(number)).await
        {
            panic!("{stuck}");
        }
    }
}

/// Within a few hundred histories.
async fn caught(wrong: Wrong, stale_reads: bool, rate: f64) {
    let seed = seed();
    for number in 0..300 {
        if broken(wrong, stale_reads, rate, seed.wrapping_add(number)).await.is_some() {
            return;
        }
    }
    panic!("{wrong:?} passes 300 histories");
}

/// Why one history on this register has no explanation, if it has none.
async fn broken(wrong: Wrong, stale_reads: bool, rate: f64, seed: u64) -> Option<String> {
    let plan = crate::support::linearize::HistoryPlan { stale_reads, ..plan(seed) };
    let store = MemoryBackend::new();
    let mut stores: Vec<Arc<dyn Register>> = Vec::new();
    for client in 0..plan.clients as u64 {
        let client: Arc<dyn Register> =
            Arc::new(WrongClient::new(wrong, &store, plan.seed.wrapping_add(client)));
        let alone = crate::support::linearize::HistoryPlan { clients: 1, ..plan };
        stores.extend(wires(&client, alone, rate));
    }
    match check(&stores, plan).await {
        Verdict::NotLinearizable(key, stuck) => Some(format!("{key}: {stuck}")),
        Verdict::Linearizable(_) | Verdict::DoesNotCount(_) => None,
    }
}
