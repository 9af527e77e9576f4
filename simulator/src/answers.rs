//! A simulated store of idempotency keys, which counts the writes that must never happen.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use funcify::idempotency::{IdempotencyProvider, IdempotencyRecord};
use funcify_core::{
    DeadlineExceeded, StoreError, StoreErrorKind,
    engine::{Chance, KeyStatus},
    register::{PollPolicy, RecordName, Swap, Version, Versioned, WriteId},
};
use tokio::time::sleep;

use super::{store::lock, world::World};

/// How long an operation takes on average: as long as in a Redis in the same region.
const LATENCY: Duration = Duration::from_millis(5);

/// Decides whether a write takes effect, given the current version, the version that the write expects, and
/// the record that it writes. A correct store compares the two versions.
pub(super) type Accepts = fn(Option<Version>, Option<Version>, &IdempotencyRecord) -> bool;

/// Holds the record of each key.
pub(super) struct Answers {
    records: Mutex<BTreeMap<RecordName, Versioned<IdempotencyRecord>>>,
    chance: Chance,
    accepts: Accepts,
    operations: AtomicU64,
    stale_completions: AtomicU64,
}

impl Answers {
    pub(super) fn new(world: &World, accepts: Accepts) -> Arc<Self> {
        Arc::new(Self {
            records: Mutex::default(),
            chance: world.chance(),
            accepts,
            operations: AtomicU64::new(0),
            stale_completions: AtomicU64::new(0),
        })
    }

    /// The number of requested reads and writes.
    pub(super) fn operations(&self) -> u64 {
        self.operations.load(Ordering::Relaxed)
    }

    /// The number of answers that a claimant stored after another one had taken over its key.
    pub(super) fn stale_completions(&self) -> u64 {
        self.stale_completions.load(Ordering::Relaxed)
    }

    async fn travel(&self) {
        sleep(LATENCY.mul_f64(0.25 + 0.5 * self.chance.draw())).await;
    }
}

/// The connection of one process.
#[derive(Clone)]
pub(super) struct Connection {
    answers: Arc<Answers>,
    is_dead: Arc<AtomicBool>,
    stall: Arc<Mutex<Duration>>,
}

impl Connection {
    pub(super) fn new(answers: &Arc<Answers>) -> Self {
        Self { answers: Arc::clone(answers), is_dead: Arc::default(), stall: Arc::default() }
    }

    /// Lets the process die. From now on it sends nothing, not even the write that frees its key.
    pub(super) fn die(&self) {
        self.is_dead.store(true, Ordering::Relaxed);
    }

    /// Delays the next request by this time.
    pub(super) fn stall(&self, lasting: Duration) {
        *lock(&self.stall) = lasting;
    }

    async fn request(&self) -> Result<(), StoreError> {
        let stall = std::mem::take(&mut *lock(&self.stall));
        sleep(stall).await;
        if self.is_dead.load(Ordering::Relaxed) {
            let kind = StoreErrorKind::Unavailable;
            return Err(StoreError::new("simulated store", kind, DeadlineExceeded));
        }
        self.answers.operations.fetch_add(1, Ordering::Relaxed);
        self.answers.travel().await;
        Ok(())
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("is_dead", &self.is_dead).finish_non_exhaustive()
    }
}

#[async_trait]
impl IdempotencyProvider for Connection {
    async fn read(
        &self,
        key: &RecordName,
    ) -> Result<Option<Versioned<IdempotencyRecord>>, StoreError> {
        self.request().await?;
        let found = lock(&self.answers.records).get(key).cloned();
        self.answers.travel().await;
        Ok(found)
    }

    async fn write(
        &self,
        key: &RecordName,
        expected: Option<Version>,
        id: WriteId,
        next: &IdempotencyRecord,
    ) -> Result<Swap<IdempotencyRecord>, StoreError> {
        self.request().await?;
        let swap = {
            let mut records = lock(&self.answers.records);
            let current = records.get(key).cloned();
            if (self.answers.accepts)(current.as_ref().map(|it| it.version), expected, next) {
                if current.is_some_and(|current| is_stale(&current.value, next)) {
                    self.answers.stale_completions.fetch_add(1, Ordering::Relaxed);
                }
                let version = Version::from(id);
                records.insert(key.clone(), Versioned::new(next.clone(), version));
                Swap::Applied(version)
            } else {
                Swap::Conflict(current)
            }
        };
        self.answers.travel().await;
        Ok(swap)
    }

    fn poll_policy(&self) -> PollPolicy {
        PollPolicy::default()
    }
}

/// Whether `next` is the answer of a claim that another claim has replaced.
fn is_stale(current: &IdempotencyRecord, next: &IdempotencyRecord) -> bool {
    next.status == KeyStatus::Completed && next.fence < current.fence
}
