//! The fleet's store: typed, with latency and moods, and it keeps count.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use funcify_core::{
    DeadlineExceeded, StoreError, StoreErrorKind,
    circuit::{CircuitName, CircuitRecord, CircuitState, CircuitStateProvider},
    engine::{Chance, OPERATION},
    register::{PollPolicy, Swap, Version, Versioned, WriteId},
    token::{TokenKey, TokenPersistenceProvider, TokenRecord},
};
use tokio::time::sleep;

use super::world::World;

/// What one operation takes on average.
const LATENCY: Duration = Duration::from_millis(5);

/// One circuit and one token, replaced only by whoever read them last.
#[derive(Debug)]
pub(super) struct Store {
    world: Arc<World>,
    chance: Chance,
    circuit: Mutex<Shelf<CircuitRecord>>,
    token: Mutex<Shelf<TokenRecord>>,
    changes: Mutex<Vec<Change>>,
    mood: Mutex<Mood>,
    pace: PollPolicy,
    reads: AtomicU64,
    swaps: AtomicU64,
}

type Shelf<T> = Option<Versioned<T>>;

/// How the store behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum Mood {
    #[default]
    Up,
    /// No operation ends before its time is up.
    Down,
}

/// A change of the circuit's state, as it was written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Change {
    pub(super) at: Duration,
    pub(super) state: CircuitState,
}

impl Store {
    pub(super) fn new(world: &Arc<World>) -> Arc<Self> {
        Self::paced(world, PollPolicy::default())
    }

    /// A store that asks to be looked at so often.
    pub(super) fn paced(world: &Arc<World>, pace: PollPolicy) -> Arc<Self> {
        Arc::new(Self {
            world: Arc::clone(world),
            chance: world.chance(),
            circuit: Mutex::default(),
            token: Mutex::default(),
            changes: Mutex::default(),
            mood: Mutex::default(),
            pace,
            reads: AtomicU64::new(0),
            swaps: AtomicU64::new(0),
        })
    }

    pub(super) fn is(&self, mood: Mood) {
        *lock(&self.mood) = mood;
    }

    pub(super) fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    /// Writes that were asked for, refused ones too: a store bills both.
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

    /// Half of the way to the store and back, or as long as anyone waits for it.
    async fn travel(&self) -> Result<(), StoreError> {
        if *lock(&self.mood) == Mood::Down {
            sleep(OPERATION).await;
            let kind = StoreErrorKind::Unavailable;
            return Err(StoreError::new("simulated store", kind, DeadlineExceeded));
        }
        sleep(LATENCY.mul_f64(0.25 + 0.5 * self.chance.draw())).await;
        Ok(())
    }

    async fn read<T: Clone>(&self, shelf: &Mutex<Shelf<T>>) -> Result<Shelf<T>, StoreError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.travel().await?;
        let found = lock(shelf).clone();
        self.travel().await?;
        Ok(found)
    }

    async fn swap<T: Clone>(
        &self,
        shelf: &Mutex<Shelf<T>>,
        expected: Option<Version>,
        id: WriteId,
        next: &T,
    ) -> Result<Swap<T>, StoreError> {
        self.swaps.fetch_add(1, Ordering::Relaxed);
        self.travel().await?;
        let swap = {
            let mut held = lock(shelf);
            if held.as_ref().map(|held| held.version) == expected {
                let version = Version::new(id);
                *held = Some(Versioned::new(next.clone(), version));
                Swap::Applied(version)
            } else {
                Swap::Conflict(held.clone())
            }
        };
        self.note_change();
        self.travel().await?;
        Ok(swap)
    }

    fn note_change(&self) {
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
        _: &CircuitName,
    ) -> Result<Option<Versioned<CircuitRecord>>, StoreError> {
        self.read(&self.circuit).await
    }

    async fn update_state(
        &self,
        _: &CircuitName,
        expected: Option<Version>,
        id: WriteId,
        next: &CircuitRecord,
    ) -> Result<Swap<CircuitRecord>, StoreError> {
        self.swap(&self.circuit, expected, id, next).await
    }
}

#[async_trait]
impl TokenPersistenceProvider for Store {
    async fn read(&self, _: &TokenKey) -> Result<Option<Versioned<TokenRecord>>, StoreError> {
        self.read(&self.token).await
    }

    async fn write(
        &self,
        _: &TokenKey,
        expected: Option<Version>,
        id: WriteId,
        next: &TokenRecord,
    ) -> Result<Swap<TokenRecord>, StoreError> {
        self.swap(&self.token, expected, id, next).await
    }

    fn poll_policy(&self) -> PollPolicy {
        self.pace
    }
}

/// Locks what is whole at any moment: a panic elsewhere does not spoil it.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
