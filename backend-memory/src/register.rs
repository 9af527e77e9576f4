use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use funcify_core::{
    StoreError,
    register::{
        Body, Corruption, PollPolicy, RecordKey, Register, Swap, Version, Versioned, WriteId,
    },
};

/// A store in the memory of this process. It is the executable specification of [`Register`].
///
/// Clones share one store, as clients of one server do. No other process shares it. A record whose time
/// to keep is over is dropped at a later write.
///
/// # Examples
///
/// ```
/// use funcify_backend_memory::MemoryBackend;
/// use funcify_core::{
///     circuit::{CircuitRecord, CircuitStateProvider},
///     register::{RetryingRegister, Swap, Version, WriteId},
/// };
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let store = RetryingRegister::new(MemoryBackend::default());
/// let circuit = "auth0".parse().unwrap();
/// assert_eq!(store.circuit_state(&circuit).await.unwrap(), None);
///
/// let id = WriteId::random();
/// let closed = CircuitRecord::default();
/// let swap = store.update_state(&circuit, None, id, &closed).await.unwrap();
/// assert_eq!(swap, Swap::Applied(Version::from(id)));
///
/// let late = store.clone().update_state(&circuit, None, WriteId::random(), &closed).await.unwrap();
/// assert!(matches!(late, Swap::Conflict(Some(current)) if WriteId::from(current.version) == id));
/// # });
/// ```
#[derive(Clone, Default)]
pub struct MemoryBackend {
    items: Arc<Mutex<Items>>,
}

#[derive(Default)]
pub(crate) struct Items {
    pub(crate) by_key: HashMap<RecordKey, Item>,
    /// The number of items from which on the next write drops those that need not be kept.
    sweep_at: usize,
}

/// The shortest time for which a record is kept, 60 s. A record with a `keep_for` of zero is a record too.
const LEAST_KEPT: Duration = Duration::from_secs(60);

/// The least number of items with which the store is swept, 1,024. Fewer take little memory.
const LEAST_SWEPT: usize = 1_024;

/// The item at a key. An item without an id was not written by funcify.
pub(crate) struct Item {
    id: Option<WriteId>,
    body: Result<Body, Corruption>,
    /// Until when the item must be kept. `None` means for ever.
    kept_until: Option<Instant>,
}

impl MemoryBackend {
    /// Creates an empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Stores `text` at `key`, as another program would: as the body of a record that the write `id` made, or
    /// without an id as a foreign item. This is for tests.
    #[doc(hidden)]
    pub fn inject(&self, key: &RecordKey, id: Option<WriteId>, text: &str) {
        let item = Item { id, body: text.parse::<Body>(), kept_until: None };
        self.items().by_key.insert(key.clone(), item);
    }

    /// Deletes the item at `key`, as an operator would. This is for tests.
    #[doc(hidden)]
    pub fn remove(&self, key: &RecordKey) {
        self.items().by_key.remove(key);
    }

    /// Locks the items. A panic cannot leave half an item behind, so a poisoned lock is used as it is.
    pub(crate) fn items(&self) -> MutexGuard<'_, Items> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Register for MemoryBackend {
    async fn read(&self, key: &RecordKey) -> Result<Option<Versioned<Body>>, StoreError> {
        Ok(self.items().by_key.get(key).and_then(Item::record))
    }

    async fn swap(
        &self,
        key: &RecordKey,
        expected: Option<Version>,
        id: WriteId,
        body: &Body,
        keep_for: Duration,
    ) -> Result<Swap<Body>, StoreError> {
        let mut items = self.items();
        let current = items.by_key.get(key).and_then(Item::version);
        if current == Some(Version::from(id)) {
            return Ok(Swap::Applied(Version::from(id)));
        }
        if current != expected {
            return Ok(Swap::Conflict(items.by_key.get(key).and_then(Item::record)));
        }
        let now = Instant::now();
        items.sweep(now);
        let kept_until = now.checked_add(keep_for.max(LEAST_KEPT));
        let item = Item { id: Some(id), body: Ok(body.clone()), kept_until };
        items.by_key.insert(key.clone(), item);
        Ok(Swap::Applied(Version::from(id)))
    }

    fn poll_policy(&self) -> PollPolicy {
        PollPolicy::default()
    }
}

impl Items {
    /// Drops the items that need not be kept, each time that the store has doubled. So the cost of a write is
    /// constant on average.
    fn sweep(&mut self, now: Instant) {
        if self.by_key.len() >= self.sweep_at.max(LEAST_SWEPT) {
            self.by_key.retain(|_, item| item.kept_until.is_none_or(|until| now < until));
            self.sweep_at = self.by_key.len() * 2;
        }
    }
}

impl Item {
    fn version(&self) -> Option<Version> {
        self.id.map(Version::from)
    }

    fn record(&self) -> Option<Versioned<Body>> {
        let version = self.version()?;
        Some(match &self.body {
            Ok(body) => Versioned::new(body.clone(), version),
            Err(corruption) => {
                Versioned { value: Body::default(), version, corruption: Some(*corruption) }
            }
        })
    }
}

impl fmt::Debug for MemoryBackend {
    /// Shows only the number of items, because a body may hold a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryBackend").field("items", &self.items().by_key.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use funcify_core::circuit::CircuitRecord;

    use super::*;

    #[test]
    fn what_need_not_be_kept_is_dropped_when_the_store_has_doubled() {
        let (mut items, now) = (Items::default(), Instant::now());
        let key =
            |number: usize| RecordKey::of::<CircuitRecord>(number.to_string().parse().unwrap());
        let item = |kept_until| Item { id: None, body: Ok(Body::default()), kept_until };
        for number in 0..LEAST_SWEPT {
            let kept_until = (number % 4 > 0).then_some(now + LEAST_KEPT);
            items.by_key.insert(key(number), item(kept_until));
        }
        items.sweep(now);
        assert_eq!((items.by_key.len(), items.sweep_at), (LEAST_SWEPT, 2 * LEAST_SWEPT));
        items.sweep(now + LEAST_KEPT);
        assert_eq!(items.by_key.len(), LEAST_SWEPT, "not before it has doubled");
        items.sweep_at = 0;
        items.sweep(now + LEAST_KEPT);
        assert_eq!(items.by_key.len(), LEAST_SWEPT / 4, "what is to be kept for ever is kept");
    }
}
