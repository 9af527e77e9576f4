//! The simulated store of circuits and tokens. It has latency, can be down or throttle, and counts its
//! operations.

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
use tokio::time::sleep;

use super::world::World;

/// How long an operation waits for a store that is down. The default `timeout` of a real store is the same.
const TIMEOUT: Duration = Duration::from_millis(500);

/// A store with one circuit and one token. A write takes effect only if the record is the one that its
/// writer read.
#[derive(Debug)]
pub(super) struct Store {
    world: Arc<World>,
    chance: Chance,
    circuit: Mutex<Held<CircuitRecord>>,
    token: Mutex<Held<TokenRecord>>,
    changes: Mutex<Vec<Change>>,
    is_down: AtomicBool,
    kind: StoreKind,
    latency_micros: AtomicU64,
    /// The quotas of reads and of writes, if they are limited.
    quotas: Mutex<Option<[Quota; 2]>>,
    reads: AtomicU64,
    swaps: AtomicU64,
}

type Held<T> = Option<Versioned<T>>;

/// The indices of the two quotas.
const READS: usize = 0;
const WRITES: usize = 1;

/// A token bucket that fills at a steady rate and holds the requests of one second.
#[derive(Clone, Copy, Debug)]
struct Quota {
    a_second: f64,
    left: f64,
    at: Duration,
}

impl Quota {
    fn takes(&mut self, now: Duration) -> bool {
        let filled = now.saturating_sub(self.at).as_secs_f64() * self.a_second;
        self.left = (self.left + filled).min(self.a_second);
        self.at = now;
        let takes = self.left >= 1.0;
        if takes {
            self.left -= 1.0;
        }
        takes
    }
}

fn whole_micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// A change of the circuit's state that was written.
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
        let store = Arc::new(Self {
            world: Arc::clone(world),
            chance: world.chance(),
            circuit: Mutex::default(),
            token: Mutex::default(),
            changes: Mutex::default(),
            is_down: AtomicBool::new(false),
            latency_micros: AtomicU64::new(whole_micros(kind.latency)),
            quotas: Mutex::default(),
            kind,
            reads: AtomicU64::new(0),
            swaps: AtomicU64::new(0),
        });
        if let Some(quota) = store.kind.quota {
            store.set_quota(quota);
        }
        store
    }

    /// Makes the store go down or come back. While it is down, every operation fails after its timeout.
    pub(super) fn set_down(&self, is_down: bool) {
        self.is_down.store(is_down, Ordering::Relaxed);
    }

    /// Sets how long an operation takes on average from now on.
    pub(super) fn set_latency(&self, latency: Duration) {
        self.latency_micros.store(whole_micros(latency), Ordering::Relaxed);
    }

    /// From now on, serves `a_second` reads and as many writes a second, and throttles the others.
    pub(super) fn set_quota(&self, a_second: f64) {
        let quota = Quota { a_second, left: a_second, at: self.world.elapsed() };
        *lock(&self.quotas) = Some([quota, quota]);
    }

    /// Takes one request from the quota of reads or of writes. Fails with the kind `failing` if there is
    /// none left.
    fn take(&self, which: usize, failing: StoreErrorKind) -> Result<(), StoreError> {
        let now = self.world.elapsed();
        let mut quotas = lock(&self.quotas);
        let quota = quotas.as_mut().and_then(|quotas| quotas.get_mut(which));
        if quota.is_none_or(|quota| quota.takes(now)) {
            return Ok(());
        }
        let throttled = failure(StoreErrorKind::Throttled);
        Err(match failing {
            StoreErrorKind::Ambiguous => StoreError::new("simulated store", failing, throttled),
            _ => throttled,
        })
    }

    pub(super) fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    /// The number of requested writes, including refused ones: a store bills both.
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

    /// When the circuit first changed to `state` at or after `since`.
    pub(super) fn first(&self, state: CircuitState, since: Duration) -> Option<Duration> {
        let changes = lock(&self.changes);
        changes.iter().find(|c| c.at >= since && c.state == state).map(|change| change.at)
    }

    pub(super) fn changes(&self) -> Vec<Change> {
        lock(&self.changes).clone()
    }

    /// Waits for half of an operation's latency. If the store is down, waits for the timeout and fails.
    async fn travel(&self) -> Result<(), StoreError> {
        if self.is_down.load(Ordering::Relaxed) {
            sleep(TIMEOUT).await;
            return Err(failure(self.kind.fails_as));
        }
        let latency = Duration::from_micros(self.latency_micros.load(Ordering::Relaxed));
        sleep(latency.mul_f64(0.25 + 0.5 * self.chance.draw())).await;
        Ok(())
    }

    /// Waits for the timeout and fails, as often as a store of this kind does not answer.
    async fn may_hang(&self) -> Result<(), StoreError> {
        if self.kind.hanging == 0.0 || self.chance.draw() >= self.kind.hanging {
            return Ok(());
        }
        sleep(TIMEOUT).await;
        Err(failure(StoreErrorKind::Timeout))
    }

    async fn read<T: Clone>(&self, record: &Mutex<Held<T>>) -> Result<Held<T>, StoreError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.may_hang().await?;
        self.travel().await?;
        self.take(READS, StoreErrorKind::Throttled)?;
        let found = lock(record).clone();
        self.travel().await?;
        if self.kind.reads_history && found.is_some() && self.swaps() > 1 {
            // The previous version shows whether this one is valid, and takes another read.
            self.take(READS, StoreErrorKind::Throttled)?;
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
        self.may_hang().await?;
        self.travel().await?;
        self.take(WRITES, StoreErrorKind::Throttled)?;
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
        if self.kind.reads_history {
            // If this read is throttled, it is unknown whether the write was the first one on top of the
            // version that it replaces.
            self.take(READS, StoreErrorKind::Ambiguous)?;
        }
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
    fn poll_policy(&self) -> PollPolicy {
        self.kind.poll_policy
    }

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

/// The properties of a store.
#[derive(Clone, Debug)]
pub(super) struct StoreKind {
    pub(super) poll_policy: PollPolicy,
    /// How long one operation takes on average.
    pub(super) latency: Duration,
    /// How many reads, and how many writes, the store serves in a second, if it has a quota.
    pub(super) quota: Option<f64>,
    /// Whether an operation needs another read that shows which versions are valid, as in Parameter Store.
    pub(super) reads_history: bool,
    /// How operations fail while the store is down.
    pub(super) fails_as: StoreErrorKind,
    /// The part of all operations that get no answer while the store is not down.
    pub(super) hanging: f64,
}

impl Default for StoreKind {
    /// The properties of a Redis in the same region.
    fn default() -> Self {
        Self {
            poll_policy: PollPolicy::default(),
            latency: Duration::from_millis(5),
            quota: None,
            reads_history: false,
            fails_as: StoreErrorKind::Unavailable,
            hanging: 0.0,
        }
    }
}

fn failure(kind: StoreErrorKind) -> StoreError {
    StoreError::new("simulated store", kind, DeadlineExceeded)
}

/// Locks the mutex even if a panic has poisoned it, because no panic can leave these values half written.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
