use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use funcify_core::register::{Body, RecordKey, Register, Swap, Version, WriteId};
use funcify_core::token::TokenRecord;
use funcify_core::{StoreErrorKind, engine::Chance};
use tokio::task::{JoinSet, yield_now};
use tokio::time::sleep;

use super::{Answer, Carried, History, HistoryPlan, Operation};

const KEEP_FOR: Duration = Duration::from_secs(3_600);

/// How often a read is tried before it counts as dropped.
const TRIES: u32 = 6;

/// Runs the clients and records their operations.
pub(super) async fn record(stores: &[Arc<dyn Register>], plan: HistoryPlan) -> History {
    let keys: Arc<[RecordKey]> = (0..plan.keys).map(|_| unused_key()).collect();
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
    /// The version of each record that this client saw last.
    known: HashMap<RecordKey, Option<Version>>,
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
                let version = found.map(|found| found.version);
                self.known.insert(key.clone(), version);
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
        let expected = self.known.get(&key).copied().flatten();
        let id = WriteId::from_bits(
            u128::from(self.chance.bits()) << 64 | u128::from(self.chance.bits()),
        );
        let body = format!(r#"{{"client":{}}}"#, self.number).parse::<Body>().unwrap();
        let called = self.tick();
        let mut ambiguous = false;
        loop {
            let answer = self.store.swap(&key, expected, id, &body, KEEP_FOR).await;
            let expected = expected.map(WriteId::from);
            let answer = match answer {
                Ok(Swap::Applied(version)) => {
                    self.known.insert(key.clone(), Some(version));
                    Answer::Done { expected, id }
                }
                Ok(Swap::Conflict(current)) => {
                    let current = current.map(|current| current.version);
                    self.known.insert(key.clone(), current);
                    let current = if self.judge_reads {
                        Carried::Exactly(current.map(WriteId::from))
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

fn unused_key() -> RecordKey {
    let mut name = WriteId::random().to_string();
    name.truncate(20);
    RecordKey::of::<TokenRecord>(format!("history-{name}").parse().unwrap())
}
