//! The simulated store: it has latency, it can be down, it may throttle, and it counts its operations.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use funcify_core::{
    DeadlineExceeded, StoreError, StoreErrorKind,
    circuit::{CircuitRecord, CircuitState, CircuitStateProvider},
    engine::Chance,
    register::{PollPolicy, RecordName, Swap, Version, Versioned, WriteId},
    token::{TokenPersistenceProvider, TokenRecord},
};
use tokio::time::{Instant, sleep};

use super::world::World;

/// How long an operation waits for a store that is down: the deadline of an operation on a real store.
const TIMEOUT: Duration = Duration::from_millis(500);

/// Holds one circuit and one token. A write replaces only what its writer has read.
#[derive(Debug)]
pub(super) struct Store {
    world: Arc<World>,
    chance: Chance,
    circuit: Mutex<Held<CircuitRecord>>,
    token: Mutex<Held<TokenRecord>>,
    changes: Mutex<Vec<Change>>,
    is_down: AtomicBool,
    kind: StoreKind,
    quota: Option<Quota>,
    reads: AtomicU64,
    swaps: AtomicU64,
}

type Held<T> = Option<Versioned<T>>;

/// A written change of the circuit's state.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Change {
    pub(super) at: Duration,
    pub(super) state: CircuitState,
}

impl Store {
    pub(super) fn new(world: &Arc<World>) -> Arc<Self> {
        Self::of_kind(world, StoreKind::default())
    }

    pub(super) fn of_kind(world: &Arc<World>, kind: StoreKind) -> Arc<Self> {
        Arc::new(Self {
            world: Arc::clone(world),
            chance: world.chance(),
            circuit: Mutex::default(),
            token: Mutex::default(),
            changes: Mutex::default(),
            is_down: AtomicBool::new(false),
            quota: kind.requests_per_s.map(Quota::new),
            kind,
            reads: AtomicU64::new(0),
            swaps: AtomicU64::new(0),
        })
    }

    /// While it is down, every operation fails when its time is up.
    pub(super) fn set_down(&self, is_down: bool) {
        self.is_down.store(is_down, Ordering::Relaxed);
    }

    pub(super) fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    /// Requested writes, including refused ones: a store bills both.
    pub(super) fn swaps(&self) -> u64 {
        self.swaps.load(Ordering::Relaxed)
    }

    pub(super) fn operations(&self) -> u64 {
        self.reads() + self.swaps()
    }

    pub(super) fn record(&self) -> CircuitRecord {
        lock(&self.circuit).as_ref().map(|found| found.value.clone()).unwrap_or_default()
    }

    pub(super) fn state(&self) -> CircuitState {
        lock(&self.circuit).as_ref().map_or(CircuitState::Closed, |found| found.value.state)
    }

    /// When the circuit first went into `state` at or after `since`.
    pub(super) fn first(&self, state: CircuitState, since: Duration) -> Option<Duration> {
        let changes = lock(&self.changes);
        changes.iter().find(|c| c.at >= since && c.state == state).map(|change| change.at)
    }

    pub(super) fn changes(&self) -> Vec<Change> {
        lock(&self.changes).clone()
    }

    /// Takes half of an operation's latency, or all of its time if the store is down.
    async fn travel(&self) -> Result<(), StoreError> {
        if self.is_down.load(Ordering::Relaxed) {
            sleep(TIMEOUT).await;
            return Err(failure(self.kind.fails_as));
        }
        sleep(self.kind.latency.mul_f64(0.25 + 0.5 * self.chance.draw())).await;
        Ok(())
    }

    /// Takes one request from the quota, or fails.
    fn request(&self, failing: StoreErrorKind) -> Result<(), StoreError> {
        match &self.quota {
            Some(quota) if !quota.takes_one() => Err(failure(failing)),
            _ => Ok(()),
        }
    }

    async fn read<T: Clone>(&self, record: &Mutex<Held<T>>) -> Result<Held<T>, StoreError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.travel().await?;
        self.request(StoreErrorKind::Throttled)?;
        let found = lock(record).clone();
        self.travel().await?;
        if found.is_some() && self.swaps() > 1 {
            // The version before it shows whether the version found is valid.
            self.request(StoreErrorKind::Throttled)?;
        }
        Ok(found)
    }

    async fn swap<T: Clone>(
        &self,
        record: &Mutex<Held<T>>,
        expected: Option<Version>,
        id: WriteId,
        next: &T,
    ) -> Result<Swap<T>, StoreError> {
        self.swaps.fetch_add(1, Ordering::Relaxed);
        self.travel().await?;
        self.request(StoreErrorKind::Throttled)?;
        let swap = {
            let mut held = lock(record);
            if held.as_ref().map(|held| held.version) == expected {
                let version = Version::from(id);
                *held = Some(Versioned::new(next.clone(), version));
                Swap::Applied(version)
            } else {
                Swap::Conflict(held.clone())
            }
        };
        self.record_change();
        self.travel().await?;
        // A throttled store cannot say whether the write was the first on top of what it replaces.
        self.request(StoreErrorKind::Ambiguous)?;
        Ok(swap)
    }

    fn record_change(&self) {
        let state = self.state();
        let mut changes = lock(&self.changes);
        let known = changes.last().map_or(CircuitState::Closed, |change| change.state);
        if state != known {
            changes.push(Change { at: self.world.elapsed(), state });
        }
    }
}

#[async_trait]
impl CircuitStateProvider for Store {
    async fn circuit_state(
        &self,
        _: &RecordName,
    ) -> Result<Option<Versioned<CircuitRecord>>, StoreError> {
        self.read(&self.circuit).await
    }

    async fn update_state(
        &self,
        _: &RecordName,
        expected: Option<Version>,
        id: WriteId,
        next: &CircuitRecord,
    ) -> Result<Swap<CircuitRecord>, StoreError> {
        self.swap(&self.circuit, expected, id, next).await
    }
}

#[async_trait]
impl TokenPersistenceProvider for Store {
    async fn read(&self, _: &RecordName) -> Result<Option<Versioned<TokenRecord>>, StoreError> {
        self.read(&self.token).await
    }

    async fn write(
        &self,
        _: &RecordName,
        expected: Option<Version>,
        id: WriteId,
        next: &TokenRecord,
    ) -> Result<Swap<TokenRecord>, StoreError> {
        self.swap(&self.token, expected, id, next).await
    }

    fn poll_policy(&self) -> PollPolicy {
        self.kind.poll_policy
    }
}

/// What a store is like.
#[derive(Clone, Debug)]
pub(super) struct StoreKind {
    pub(super) poll_policy: PollPolicy,
    /// How long one operation takes on average.
    pub(super) latency: Duration,
    /// How many requests it serves in a second, if it has a quota. An operation is one or two requests,
    /// as in Parameter Store.
    pub(super) requests_per_s: Option<f64>,
    /// How operations fail while it is down.
    pub(super) fails_as: StoreErrorKind,
}

impl Default for StoreKind {
    /// A Redis in the same region.
    fn default() -> Self {
        Self {
            poll_policy: PollPolicy::default(),
            latency: Duration::from_millis(5),
            requests_per_s: None,
            fails_as: StoreErrorKind::Unavailable,
        }
    }
}

/// A token bucket that holds the requests of one second.
#[derive(Debug)]
struct Quota {
    per_s: f64,
    left: Mutex<(f64, Instant)>,
}

impl Quota {
    fn new(per_s: f64) -> Self {
        Self { per_s, left: Mutex::new((per_s, Instant::now())) }
    }

    fn takes_one(&self) -> bool {
        let mut bucket = lock(&self.left);
        let (left, since) = *bucket;
        let left = (left + since.elapsed().as_secs_f64() * self.per_s).min(self.per_s);
        let takes = left >= 1.0;
        *bucket = (if takes { left - 1.0 } else { left }, Instant::now());
        takes
    }
}

fn failure(kind: StoreErrorKind) -> StoreError {
    StoreError::new("simulated store", kind, DeadlineExceeded)
}

/// Locks the mutex even if a panic poisoned it: every value behind one is complete at any moment.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
