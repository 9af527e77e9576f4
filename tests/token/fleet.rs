//! A fleet in one process: many getters over one store, on a clock that only waiting moves.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use funcify::token::{
    BoxError, ClientAuthentication, ClientCredentials, ClientSecret, Endpoint, Grant, GrantError,
    Granted, SecretSource, TokenGetter, TokenGetterBuilder,
};
use funcify_backend_memory::MemoryBackend;
use funcify_core::{
    StoreError, Timestamp,
    conformance::{Fault, Faulty},
    engine::{Chance, Clock},
    register::{PollPolicy, RetryingRegister, Swap, Version, Versioned, WriteId},
    token::{AccessToken, TokenKey, TokenPersistenceProvider, TokenRecord},
};
use tokio::time::{Instant, sleep};

const MORNING: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// How long the provider takes to answer.
pub(crate) const LATENCY: Duration = Duration::from_millis(270);

/// How long a request takes to the store.
pub(crate) const TRAVEL: Duration = Duration::from_millis(3);

pub(crate) type Store = RetryingRegister;

/// A wall clock that goes with the runtime's own, and may be off.
#[derive(Debug)]
pub(crate) struct WallClock {
    started: Instant,
    offset: Duration,
}

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        MORNING + self.started.elapsed() + self.offset
    }
}

/// What the provider does when it is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Mood {
    #[default]
    Grants,
    Unavailable,
    RetryAfter(u64),
    Hangs,
}

/// An identity provider without a network: it counts, takes its time, and has moods.
#[derive(Clone, Debug, Default)]
pub(crate) struct Provider {
    asked: Arc<Mutex<Vec<Instant>>>,
    granted: Arc<AtomicU64>,
    mood: Arc<Mutex<Mood>>,
    secret: Arc<Mutex<Option<String>>>,
}

impl Provider {
    pub(crate) fn grants(&self) -> u64 {
        self.granted.load(Ordering::SeqCst)
    }

    /// When it was asked, whatever it answered.
    pub(crate) fn asked(&self) -> Vec<Instant> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn is_now(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    /// From now on this is the secret, and no other.
    pub(crate) fn takes_only(&self, secret: &str) {
        *self.secret.lock().unwrap() = Some(secret.to_owned());
    }
}

#[async_trait]
impl Grant for Provider {
    async fn grant(
        &self,
        _: &ClientCredentials,
        secret: Option<&ClientSecret>,
    ) -> Result<Granted, GrantError> {
        self.asked.lock().unwrap().push(Instant::now());
        let mood = *self.mood.lock().unwrap();
        if mood == Mood::Hangs {
            std::future::pending::<()>().await;
        }
        sleep(LATENCY).await;
        let unavailable = |seconds: Option<u64>| {
            let retry_after = seconds.map(Duration::from_secs);
            Err(GrantError::Unavailable { status: 503, retry_after })
        };
        match mood {
            Mood::Unavailable => return unavailable(None),
            Mood::RetryAfter(seconds) => return unavailable(Some(seconds)),
            Mood::Grants | Mood::Hangs => {}
        }
        let wanted = self.secret.lock().unwrap().clone();
        if wanted.is_some_and(|wanted| secret.is_none_or(|secret| secret.expose() != wanted)) {
            return Err(GrantError::Refused { status: 401, code: "invalid_client".to_owned() });
        }
        let number = self.granted.fetch_add(1, Ordering::SeqCst) + 1;
        Ok(Granted {
            token: AccessToken::new(format!("token-{number}")),
            expires_in: Some(Duration::from_secs(3_600)),
            scope: None,
        })
    }
}

/// A secret store in which the secret may be rotated.
#[derive(Clone, Debug)]
pub(crate) struct Vault {
    secret: Arc<Mutex<String>>,
    reads: Arc<AtomicU64>,
}

impl Vault {
    pub(crate) fn with(secret: &str) -> Self {
        Self { secret: Arc::new(Mutex::new(secret.to_owned())), reads: Arc::default() }
    }

    pub(crate) fn rotate(&self, secret: &str) {
        *self.secret.lock().unwrap() = secret.to_owned();
    }

    pub(crate) fn reads(&self) -> u64 {
        self.reads.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl SecretSource for Vault {
    async fn secret(&self) -> Result<ClientSecret, BoxError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        Ok(ClientSecret::new(self.secret.lock().unwrap().clone()))
    }
}

/// One store, one provider, one clock; as many getters as one likes.
pub(crate) struct Fleet {
    /// The connection to the store, for its faults.
    pub(crate) wire: Faulty<MemoryBackend>,
    pub(crate) store: Arc<Store>,
    pub(crate) provider: Provider,
    started: Instant,
    seeds: AtomicU64,
}

impl Fleet {
    pub(crate) fn new() -> Self {
        let wire = Faulty::new(Arc::new(MemoryBackend::default()));
        Self {
            store: Arc::new(RetryingRegister::new(wire.clone())),
            wire,
            provider: Provider::default(),
            started: Instant::now(),
            seeds: AtomicU64::new(crate::support::env::seed()),
        }
    }

    /// A fleet whose store takes its time, so that everybody reads before anybody writes.
    pub(crate) fn far_from_its_store() -> Self {
        let fleet = Self::new();
        fleet.wire.always(Fault::Delay(TRAVEL));
        fleet
    }

    /// One more process of the fleet.
    pub(crate) fn getter(&self) -> TokenGetter {
        self.getter_with("secret")
    }

    pub(crate) fn getter_with(&self, secret: &str) -> TokenGetter {
        self.builder(credentials(ClientSecret::new(secret)), Duration::ZERO).build().unwrap()
    }

    /// A process whose clock is ahead.
    pub(crate) fn getter_ahead(&self, offset: Duration) -> TokenGetter {
        self.builder(credentials(ClientSecret::new("secret")), offset).build().unwrap()
    }

    pub(crate) fn getters(&self, count: usize) -> Vec<TokenGetter> {
        (0..count).map(|_| self.getter()).collect()
    }

    pub(crate) fn builder(
        &self,
        credentials: ClientCredentials,
        offset: Duration,
    ) -> TokenGetterBuilder {
        TokenGetter::builder(credentials, Arc::clone(&self.store) as _)
            .grant(self.provider.clone())
            .clock(self.clock_ahead(offset))
            .chance(Chance::seeded(self.seeds.fetch_add(1, Ordering::SeqCst)))
    }

    /// The clock that the fleet goes by.
    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        self.clock_ahead(Duration::ZERO)
    }

    fn clock_ahead(&self, offset: Duration) -> Arc<dyn Clock> {
        Arc::new(WallClock { started: self.started, offset })
    }

    /// What the store holds.
    pub(crate) async fn stored(&self) -> TokenRecord {
        let read = TokenPersistenceProvider::read(&*self.store, &TokenKey::default()).await;
        read.unwrap().unwrap().value
    }

    pub(crate) fn operations(&self) -> u64 {
        self.wire.reads() + self.wire.swaps()
    }
}

/// A store whose answers to writes are on their way for a while: what was asked for is done by then.
#[derive(Debug)]
pub(crate) struct Distant(pub(crate) Arc<Store>);

#[async_trait]
impl TokenPersistenceProvider for Distant {
    async fn read(&self, key: &TokenKey) -> Result<Option<Versioned<TokenRecord>>, StoreError> {
        TokenPersistenceProvider::read(&*self.0, key).await
    }

    async fn write(
        &self,
        key: &TokenKey,
        expected: Option<Version>,
        id: WriteId,
        next: &TokenRecord,
    ) -> Result<Swap<TokenRecord>, StoreError> {
        let swap = self.0.write(key, expected, id, next).await;
        sleep(TRAVEL).await;
        swap
    }

    fn poll_policy(&self) -> PollPolicy {
        TokenPersistenceProvider::poll_policy(&*self.0)
    }
}

/// A store that keeps its first writer waiting, once it has written.
#[derive(Debug)]
pub(crate) struct SlowAtFirst {
    store: Arc<Store>,
    by: Mutex<Duration>,
}

impl SlowAtFirst {
    pub(crate) fn new(store: &Arc<Store>, by: Duration) -> Self {
        Self { store: Arc::clone(store), by: Mutex::new(by) }
    }
}

#[async_trait]
impl TokenPersistenceProvider for SlowAtFirst {
    async fn read(&self, key: &TokenKey) -> Result<Option<Versioned<TokenRecord>>, StoreError> {
        TokenPersistenceProvider::read(&*self.store, key).await
    }

    async fn write(
        &self,
        key: &TokenKey,
        expected: Option<Version>,
        id: WriteId,
        next: &TokenRecord,
    ) -> Result<Swap<TokenRecord>, StoreError> {
        let swap = self.store.write(key, expected, id, next).await;
        let by = std::mem::take(&mut *self.by.lock().unwrap());
        sleep(by).await;
        swap
    }

    fn poll_policy(&self) -> PollPolicy {
        TokenPersistenceProvider::poll_policy(&*self.store)
    }
}

pub(crate) fn credentials(secret: impl SecretSource) -> ClientCredentials {
    ClientCredentials::new(
        Endpoint::TokenUrl("https://login.example/token".to_owned()),
        "warehouse",
        ClientAuthentication::basic(secret),
    )
}

/// Runs the same for all of them at once, each in a task of its own.
pub(crate) async fn at_once<T, F>(
    getters: &[TokenGetter],
    work: impl Fn(TokenGetter) -> F,
) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let tasks: Vec<_> = getters.iter().map(|getter| tokio::spawn(work(getter.clone()))).collect();
    let mut all = Vec::new();
    for task in tasks {
        all.push(task.await.unwrap());
    }
    all
}
