use std::{fmt, future::Future, pin::Pin, sync::Arc};

use async_trait::async_trait;
use funcify_core::{
    StoreError, StoreErrorKind,
    circuit::{CircuitRecord, CircuitStateProvider},
    register::{PollPolicy, RecordName, Swap, Version, Versioned, WriteId},
    token::{TokenPersistenceProvider, TokenRecord},
};

/// A provider whose operations a test can watch, delay, repeat or replace.
///
/// A hook gets the operation. It decides whether and when to send it to the store, and what to answer.
/// Without hooks, every operation goes to the store.
pub struct Hooked<K, T> {
    store: Store<K, T>,
    on_read: Hook<Read<K, T>, Found<T>>,
    on_write: Hook<Write<K, T>, Swap<T>>,
    poll_policy: PollPolicy,
}

/// A provider of circuits with hooks.
pub type HookedCircuits = Hooked<RecordName, CircuitRecord>;

/// A provider of tokens with hooks.
pub type HookedTokens = Hooked<RecordName, TokenRecord>;

/// The result of a read.
type Found<T> = Option<Versioned<T>>;
type Answer<A> = Pin<Box<dyn Future<Output = Result<A, StoreError>> + Send>>;
type Hook<O, A> = Box<dyn Fn(O) -> Answer<A> + Send + Sync>;
type SendRead<K, T> = Arc<dyn Fn(K) -> Answer<Found<T>> + Send + Sync>;
type SendWrite<K, T> = Arc<dyn Fn(K, Option<Version>, WriteId, T) -> Answer<Swap<T>> + Send + Sync>;

/// The store behind the hooks, as two functions, so that its trait does not matter.
struct Store<K, T> {
    read: SendRead<K, T>,
    write: SendWrite<K, T>,
}

impl HookedCircuits {
    /// Creates a provider of circuits whose store is down: every operation fails at once.
    #[must_use]
    pub fn down() -> Self {
        let down = || StoreError::new("test", StoreErrorKind::Unavailable, "down");
        Self::new(Store {
            read: Arc::new(move |_| Box::pin(async move { Err(down()) })),
            write: Arc::new(move |_, _, _, _| Box::pin(async move { Err(down()) })),
        })
    }

    /// Creates a provider of circuits that keeps them in `store`.
    #[must_use]
    pub fn over(store: Arc<impl CircuitStateProvider>) -> Self {
        let reader = Arc::clone(&store);
        Self::new(Store {
            read: Arc::new(move |key| {
                let store = Arc::clone(&reader);
                Box::pin(async move { store.circuit_state(&key).await })
            }),
            write: Arc::new(move |key, expected, id, next| {
                let store = Arc::clone(&store);
                Box::pin(async move { store.update_state(&key, expected, id, &next).await })
            }),
        })
    }
}

impl HookedTokens {
    /// Creates a provider of tokens that keeps them in `store`.
    #[must_use]
    pub fn over(store: Arc<impl TokenPersistenceProvider>) -> Self {
        let (reader, poll_policy) = (Arc::clone(&store), store.poll_policy());
        let hooked = Self::new(Store {
            read: Arc::new(move |key| {
                let store = Arc::clone(&reader);
                Box::pin(async move { store.read(&key).await })
            }),
            write: Arc::new(move |key, expected, id, next| {
                let store = Arc::clone(&store);
                Box::pin(async move { store.write(&key, expected, id, &next).await })
            }),
        });
        hooked.with_poll_policy(poll_policy)
    }
}

impl<K: Clone + Send + Sync + 'static, T: Clone + Send + Sync + 'static> Hooked<K, T> {
    fn new(store: Store<K, T>) -> Self {
        Self {
            store,
            on_read: Box::new(|read| Box::pin(async move { read.send().await })),
            on_write: Box::new(|write| Box::pin(async move { write.send().await })),
            poll_policy: PollPolicy::default(),
        }
    }

    /// Calls `hook` instead of every read.
    #[must_use]
    pub fn on_read<F>(self, hook: impl Fn(Read<K, T>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Option<Versioned<T>>, StoreError>> + Send + 'static,
    {
        Self { on_read: Box::new(move |read| Box::pin(hook(read))), ..self }
    }

    /// Calls `hook` instead of every write.
    #[must_use]
    pub fn on_write<F>(self, hook: impl Fn(Write<K, T>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Swap<T>, StoreError>> + Send + 'static,
    {
        Self { on_write: Box::new(move |write| Box::pin(hook(write))), ..self }
    }

    /// Returns `poll_policy` to clients instead of the policy of the store.
    #[must_use]
    pub fn with_poll_policy(self, poll_policy: PollPolicy) -> Self {
        Self { poll_policy, ..self }
    }

    fn read(&self, key: &K) -> Answer<Found<T>> {
        (self.on_read)(Read { send: Arc::clone(&self.store.read), key: key.clone() })
    }

    fn write(&self, key: &K, expected: Option<Version>, id: WriteId, next: &T) -> Answer<Swap<T>> {
        let (send, key, next) = (Arc::clone(&self.store.write), key.clone(), next.clone());
        (self.on_write)(Write { send, key, expected, id, next })
    }
}

impl<K, T> fmt::Debug for Hooked<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooked").finish_non_exhaustive()
    }
}

/// One read on its way to the store.
pub struct Read<K, T> {
    send: SendRead<K, T>,
    /// The name of the record that is read.
    pub key: K,
}

impl<K: Clone, T> Read<K, T> {
    /// Sends the read to the store.
    ///
    /// # Errors
    ///
    /// The error of the store.
    pub async fn send(&self) -> Result<Option<Versioned<T>>, StoreError> {
        (self.send)(self.key.clone()).await
    }
}

impl<K: fmt::Debug, T> fmt::Debug for Read<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Read").field("key", &self.key).finish_non_exhaustive()
    }
}

/// One write on its way to the store.
pub struct Write<K, T> {
    send: SendWrite<K, T>,
    /// The name of the record that is written.
    pub key: K,
    /// The version that the record must still have.
    pub expected: Option<Version>,
    /// The id of the write.
    pub id: WriteId,
    /// The new value.
    pub next: T,
}

impl<K: Clone, T: Clone> Write<K, T> {
    /// Sends the write to the store. A hook may change the fields and send the write again.
    ///
    /// # Errors
    ///
    /// The error of the store.
    pub async fn send(&self) -> Result<Swap<T>, StoreError> {
        (self.send)(self.key.clone(), self.expected, self.id, self.next.clone()).await
    }
}

impl<K: fmt::Debug, T: fmt::Debug> fmt::Debug for Write<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Write")
            .field("key", &self.key)
            .field("expected", &self.expected)
            .field("id", &self.id)
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl CircuitStateProvider for HookedCircuits {
    fn poll_policy(&self) -> PollPolicy {
        self.poll_policy
    }

    async fn circuit_state(
        &self,
        circuit: &RecordName,
    ) -> Result<Option<Versioned<CircuitRecord>>, StoreError> {
        self.read(circuit).await
    }

    async fn update_state(
        &self,
        circuit: &RecordName,
        expected: Option<Version>,
        id: WriteId,
        next: &CircuitRecord,
    ) -> Result<Swap<CircuitRecord>, StoreError> {
        self.write(circuit, expected, id, next).await
    }
}

#[async_trait]
impl TokenPersistenceProvider for HookedTokens {
    async fn read(&self, key: &RecordName) -> Result<Option<Versioned<TokenRecord>>, StoreError> {
        Hooked::read(self, key).await
    }

    async fn write(
        &self,
        key: &RecordName,
        expected: Option<Version>,
        id: WriteId,
        next: &TokenRecord,
    ) -> Result<Swap<TokenRecord>, StoreError> {
        Hooked::write(self, key, expected, id, next).await
    }

    fn poll_policy(&self) -> PollPolicy {
        self.poll_policy
    }
}
