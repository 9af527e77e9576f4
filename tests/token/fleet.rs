//! A fleet in one process: many getters that share one store, on virtual time.

use std::{
    error::Error,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use funcify::token::{
    ClientCredentials, ClientSecret, Endpoint, SecretSource, TokenGetter, TokenGetterBuilder,
    TokenPersistenceProvider, TokenRecord,
};
use funcify_backend_memory::MemoryBackend;
use funcify_core::{
    conformance::{Fault, Faulty},
    engine::{Chance, Clock, VirtualClock},
    register::{RecordKey, RetryingRegister},
};
use funcify_test_support::{FakeGrant, HookedTokens};
use tokio::time::sleep;

/// How long the provider takes to answer.
pub(crate) const LATENCY: Duration = Duration::from_millis(270);

/// How long a request to the store takes.
pub(crate) const TRAVEL: Duration = Duration::from_millis(3);

pub(crate) type Store = RetryingRegister;

/// A secret store in which a test can rotate the secret.
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
    async fn secret(&self) -> Result<ClientSecret, Box<dyn Error + Send + Sync>> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        Ok(ClientSecret::from(self.secret.lock().unwrap().clone()))
    }
}

/// One store, one provider, one clock, and any number of getters.
pub(crate) struct Fleet {
    /// The connection to the store, in which a test can inject faults.
    pub(crate) wire: Faulty<MemoryBackend>,
    pub(crate) store: Arc<Store>,
    pub(crate) provider: FakeGrant,
    clock: Arc<VirtualClock>,
    seeds: AtomicU64,
}

/// The default key of the token.
pub(crate) fn key() -> RecordKey {
    RecordKey::of::<TokenRecord>("BEARER_TOKEN".parse().unwrap())
}

impl Fleet {
    pub(crate) fn new() -> Self {
        let wire = Faulty::new(Arc::new(MemoryBackend::default()));
        Self {
            store: Arc::new(RetryingRegister::new(wire.clone())),
            wire,
            provider: FakeGrant::new().with_latency(LATENCY),
            clock: VirtualClock::new(),
            seeds: AtomicU64::new(crate::support::env::seed()),
        }
    }

    /// A fleet whose store is slow, so that all processes read before one of them writes.
    pub(crate) fn far_from_its_store() -> Self {
        let fleet = Self::new();
        fleet.wire.always(Fault::Delay(TRAVEL));
        fleet
    }

    /// A fleet whose provider states when it granted a token.
    pub(crate) fn with_dated_grants() -> Self {
        let fleet = Self::new();
        let provider = fleet.provider.clone().with_clock(fleet.clock());
        Self { provider, ..fleet }
    }

    /// One more process of the fleet.
    pub(crate) fn getter(&self) -> TokenGetter {
        self.getter_with("secret")
    }

    pub(crate) fn getter_with(&self, secret: &str) -> TokenGetter {
        self.builder(credentials(ClientSecret::from(secret)), Duration::ZERO).build().unwrap()
    }

    /// A process whose clock is ahead.
    pub(crate) fn getter_ahead(&self, offset: Duration) -> TokenGetter {
        self.builder(credentials(ClientSecret::from("secret")), offset).build().unwrap()
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

    /// The clock of the fleet.
    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        self.clock_ahead(Duration::ZERO)
    }

    fn clock_ahead(&self, offset: Duration) -> Arc<dyn Clock> {
        self.clock.off_by(i64::try_from(offset.as_millis()).unwrap())
    }

    /// The record in the store.
    pub(crate) async fn stored(&self) -> TokenRecord {
        let read = TokenPersistenceProvider::read(&*self.store, &key().name).await;
        read.unwrap().unwrap().value
    }

    pub(crate) fn operations(&self) -> u64 {
        self.wire.reads() + self.wire.swaps()
    }
}

/// A store whose replies to writes are delayed. The write is applied before the delay.
pub(crate) fn with_late_answers(store: &Arc<Store>) -> HookedTokens {
    HookedTokens::over(Arc::clone(store)).on_write(|write| async move {
        let swap = write.send().await;
        sleep(TRAVEL).await;
        swap
    })
}

/// A store whose reply to the first write is delayed. The write is applied before the delay.
pub(crate) fn with_a_late_first_answer(store: &Arc<Store>, by: Duration) -> HookedTokens {
    let is_first = AtomicBool::new(true);
    HookedTokens::over(Arc::clone(store)).on_write(move |write| {
        let by = if is_first.swap(false, Ordering::SeqCst) { by } else { Duration::ZERO };
        async move {
            let swap = write.send().await;
            sleep(by).await;
            swap
        }
    })
}

pub(crate) fn credentials(secret: impl SecretSource) -> ClientCredentials {
    ClientCredentials::new(
        Endpoint::TokenUrl("https://login.example/token".to_owned()),
        "warehouse",
        secret,
    )
}

/// Runs `work` for all of them at once, each in its own task.
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
