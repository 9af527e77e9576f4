use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use funcify_core::engine::{Chance, Claimant, Clock, KeyStatus, SystemClock};
use funcify_core::idempotency::IdempotencyRecord;
use funcify_core::register::{
    Body, Record, RecordKey, Register, Swap, Version, Versioned, WriteId,
};
use funcify_core::token::TokenRecord;
use funcify_core::{StoreErrorKind, Timestamp};
use tokio::task::{JoinSet, yield_now};
use tokio::time::sleep;

use super::{Answer, Carried, History, HistoryPlan, Operation};

const KEEP_FOR: Duration = Duration::from_secs(3_600);

/// How often a read is tried before it counts as dropped.
const TRIES: u32 = 6;

/// Runs the clients and records their operations.
pub(super) async fn record(stores: &[Arc<dyn Register>], plan: HistoryPlan) -> History {
    let keys: Arc<[RecordKey]> = (0..plan.keys).map(|_| unused_key(plan)).collect();
    let clock = Arc::new(AtomicU64::new(0));
    let mut clients = JoinSet::new();
    for (number, store) in (0..plan.clients).zip(stores.iter().cycle()) {
        let client = Client {
            number,
            store: Arc::clone(store),
            keys: Arc::clone(&keys),
            clock: Arc::clone(&clock),
            chance: Chance::seeded(plan.seed ^ (number as u64 + 1).wrapping_mul(0x9e37_79b9)),
            known: HashMap::new(),
            idempotency: plan.idempotency,
            judge_reads: !plan.stale_reads,
            history: History::default(),
        };
        clients.spawn(client.run(plan.operations));
    }
    let mut whole = History::default();
    while let Some(client) = clients.join_next().await {
        let history = client.unwrap();
        whole.dropped_reads += history.dropped_reads;
        for (key, operations) in history.records {
            whole.records.entry(key).or_default().extend(operations);
        }
    }
    whole
}

struct Client {
    number: usize,
    store: Arc<dyn Register>,
    keys: Arc<[RecordKey]>,
    clock: Arc<AtomicU64>,
    chance: Chance,
    /// The version of each record that this client saw last, with its content.
    known: HashMap<RecordKey, Option<(Version, Body)>>,
    idempotency: bool,
    judge_reads: bool,
    history: History,
}

impl Client {
    async fn run(mut self, operations: usize) -> History {
        for _ in 0..operations {
            let key = self.keys[self.up_to(self.keys.len())].clone();
            if self.up_to(3) == 0 {
                self.read(key).await;
            } else {
                self.swap(key).await;
            }
            // Stores that answer at once would let each client run to its end.
            for _ in 0..self.up_to(3) {
                yield_now().await;
            }
        }
        self.history
    }

    /// Repeats a read that fails: it has no effect, and the answer of the last attempt counts.
    async fn read(&mut self, key: RecordKey) {
        for attempt in 1..=TRIES {
            let called = self.tick();
            if let Ok(found) = self.store.read(&key).await {
                let version = found.as_ref().map(|found| found.version);
                self.known.insert(key.clone(), found.map(content));
                if self.judge_reads {
                    self.note(key, called, Answer::Read { found: version.map(WriteId::from) });
                }
                return;
            }
            sleep(Duration::from_millis(10) * attempt).await;
        }
        self.history.dropped_reads += 1;
    }

    async fn swap(&mut self, key: RecordKey) {
        let known = self.known.get(&key).cloned().flatten();
        let expected = known.as_ref().map(|(version, _)| *version);
        let id = WriteId::from_bits(
            u128::from(self.chance.bits()) << 64 | u128::from(self.chance.bits()),
        );
        let body = self.next(known.map(|(_, body)| body));
        let called = self.tick();
        let mut ambiguous = false;
        loop {
            let answer = self.store.swap(&key, expected, id, &body, KEEP_FOR).await;
            let expected = expected.map(WriteId::from);
            let answer = match answer {
                Ok(Swap::Applied(version)) => {
                    self.known.insert(key.clone(), Some((version, body)));
                    Answer::Done { expected, id }
                }
                Ok(Swap::Conflict(current)) => {
                    let version = current.as_ref().map(|current| current.version);
                    self.known.insert(key.clone(), current.map(content));
                    let current = if self.judge_reads {
                        Carried::Exactly(version.map(WriteId::from))
                    } else {
                        Carried::Anything
                    };
                    if ambiguous {
                        Answer::Unknown { expected, id }
                    } else {
                        Answer::Conflict { expected, id, current }
                    }
                }
                Err(error) if error.kind() == StoreErrorKind::Ambiguous => {
                    ambiguous = true;
                    if self.up_to(2) == 0 {
                        yield_now().await;
                        continue;
                    }
                    Answer::Unknown { expected, id }
                }
                Err(_) if ambiguous => Answer::Unknown { expected, id },
                // Not applied: nothing may ever show this id.
                Err(_) => return,
            };
            return self.note(key, called, answer);
        }
    }

    /// What this client writes on top of what it knows.
    fn next(&self, known: Option<Body>) -> Body {
        if !self.idempotency {
            return format!(r#"{{"client":{}}}"#, self.number).parse().unwrap();
        }
        let stored = known.map(|body| serde_json::from_str(&body.to_string()).unwrap());
        let (record, now) = (stored.unwrap_or_default(), SystemClock.now());
        let next = next_record(record, self.up_to(2) == 0, now);
        serde_json::to_string(&next).unwrap().parse().unwrap()
    }

    fn note(&mut self, key: RecordKey, called: u64, answer: Answer) {
        let (client, returned) = (self.number, self.tick());
        let operation = Operation { client, called, returned, answer };
        self.history.records.entry(key).or_default().push(operation);
    }

    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    fn up_to(&self, bound: usize) -> usize {
        (self.chance.draw() * bound as f64) as usize
    }
}

fn content(found: Versioned<Body>) -> (Version, Body) {
    (found.version, found.value)
}

/// A claim on what is free or over, and an answer or a release on a claim.
fn next_record(record: IdempotencyRecord, succeeds: bool, now: Timestamp) -> IdempotencyRecord {
    let (length, watched) = (Duration::from_secs(60), Duration::ZERO);
    match record.status {
        KeyStatus::InProgress if succeeds => {
            record.completed(Some("{\"Ok\":1}".to_owned()), KEEP_FOR, now)
        }
        KeyStatus::InProgress => record.released(now),
        KeyStatus::Released | KeyStatus::Completed => {
            record.claimed(&Claimant { fingerprint: "history", length, watched }, now)
        }
    }
}

fn unused_key(plan: HistoryPlan) -> RecordKey {
    fn of<T: Record>() -> RecordKey {
        let mut name = WriteId::random().to_string();
        name.truncate(20);
        RecordKey::of::<T>(format!("history-{name}").parse().unwrap())
    }
    if plan.idempotency { of::<IdempotencyRecord>() } else { of::<TokenRecord>() }
}
