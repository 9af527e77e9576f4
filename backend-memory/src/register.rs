use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use funcify_core::{
    StoreError,
    register::{
        Body, Corruption, PollPolicy, RecordKey, Register, Swap, Version, Versioned, WriteId,
    },
};

/// A store in the memory of this process: the executable specification of [`Register`].
///
/// Clones share one store, as clients of one server do.
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
    items: Arc<Mutex<HashMap<RecordKey, Item>>>,
}

/// The item at a key. Without an id it is not a record of ours.
pub(crate) struct Item {
    id: Option<WriteId>,
    body: Result<Body, Corruption>,
}

impl MemoryBackend {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Stores `text` at `key` as another program would: as the body of a record written by `id`, or
    /// without an id as a foreign item. For tests.
    #[doc(hidden)]
    pub fn inject(&self, key: &RecordKey, id: Option<WriteId>, text: &str) {
        self.items().insert(key.clone(), Item { id, body: text.parse::<Body>() });
    }

    /// Deletes the item at `key`, as an operator would. For tests.
    #[doc(hidden)]
    pub fn remove(&self, key: &RecordKey) {
        self.items().remove(key);
    }

    /// A panic elsewhere cannot leave half an item behind, so poison is ignored.
    pub(crate) fn items(&self) -> MutexGuard<'_, HashMap<RecordKey, Item>> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Register for MemoryBackend {
    async fn read(&self, key: &RecordKey) -> Result<Option<Versioned<Body>>, StoreError> {
        Ok(self.items().get(key).and_then(Item::record))
    }

    async fn swap(
        &self,
        key: &RecordKey,
        expected: Option<Version>,
        id: WriteId,
        body: &Body,
        // Memory is freed with its process.
        _keep_for: Duration,
    ) -> Result<Swap<Body>, StoreError> {
        let mut items = self.items();
        let current = items.get(key).and_then(Item::version);
        if current == Some(Version::from(id)) {
            return Ok(Swap::Applied(Version::from(id)));
        }
        if current != expected {
            return Ok(Swap::Conflict(items.get(key).and_then(Item::record)));
        }
        items.insert(key.clone(), Item { id: Some(id), body: Ok(body.clone()) });
        Ok(Swap::Applied(Version::from(id)))
    }

    fn poll_policy(&self) -> PollPolicy {
        PollPolicy::default()
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
    /// Shows the number of items only: a body may hold a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryBackend").field("items", &self.items().len()).finish()
    }
}
