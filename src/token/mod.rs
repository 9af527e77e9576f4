//! The self token: fetched once for the whole fleet, and shared.
//!
//! A [`TokenGetter`] looks, in this order: into its own memory, into the store, and only then asks
//! the identity provider, under a lease that no other process holds at the same time. While a token
//! is valid nobody waits for the next one but the one call that fetches it.
//!
//! `docs/token.md` in the repository is the chapter on it: what happens when, and what it costs.

mod alone;
mod attempt;
mod authentication;
mod bearer;
mod build;
mod credentials;
mod error;
mod failure;
mod flight;
mod grant;
mod granted;
mod memory;
mod metrics;
mod patience;
mod publish;
mod renew;
mod stored;

use std::{fmt, sync::Arc, time::Duration};

use funcify_core::{
    Deadline, DeadlineExceeded,
    circuit::CircuitBreaker,
    engine::{Chance, Clock},
    register::{PollPolicy, WriteId},
};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout_at},
};

pub use authentication::{BoxError, ClientAuthentication, ClientSecret, SecretSource, Signer};
pub use bearer::{Token, TokenSource};
pub use build::{TokenConfigError, TokenConfigFault, TokenGetterBuilder};
pub use credentials::{ClientCredentials, CredentialsError, Endpoint};
pub use error::TokenError;
pub use funcify_core::token::{
    AccessToken, TokenKey, TokenPersistenceProvider, TokenPolicy, TokenRecord,
};
pub use grant::{
    EndpointError, Grant, GrantError, Granted, HttpGrant, PrivateKey, PrivateKeyError, ReplyFault,
};
pub use metrics::TokenMetrics;

use flight::Flight;
use memory::{Look, Memory};
use metrics::Counters;
use renew::Want;

/// Who waits for a token without a deadline of an invocation gives up after 10 s.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Gets the fleet's access token. Cheap to clone; one a process and key.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use funcify::token::{ClientAuthentication, ClientCredentials, ClientSecret, Endpoint};
/// use funcify::token::{Granted, Grant, GrantError, TokenGetter, TokenSource};
/// use funcify_core::token::AccessToken;
///
/// #[derive(Debug)]
/// struct Provider;
///
/// #[async_trait::async_trait]
/// impl Grant for Provider {
///     async fn grant(
///         &self,
///         _: &ClientCredentials,
///         _: Option<&ClientSecret>,
///     ) -> Result<Granted, GrantError> {
///         let token = AccessToken::new("2YotnFZFEjr1zCsicMWpAA");
///         Ok(Granted { token, expires_in: None, scope: None })
///     }
/// }
///
/// # use funcify_backend_memory::MemoryBackend;
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let credentials = ClientCredentials::new(
///     Endpoint::TokenUrl("https://login.example/token".to_owned()),
///     "warehouse",
///     ClientAuthentication::basic(ClientSecret::new("secret")),
/// );
/// let store = Stores::new(MemoryBackend::default()).tokens;
/// let getter = TokenGetter::builder(credentials, store).grant(Provider).build()?;
/// assert_eq!(getter.token().await?.source(), TokenSource::Minted);
/// assert_eq!(getter.token().await?.source(), TokenSource::Memory);
/// assert_eq!(getter.metrics().grants, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct TokenGetter {
    inner: Arc<Inner>,
}

struct Inner {
    memory: Memory,
    /// One renewal at a time. Held across awaits, which is its purpose: who waits for it waits for
    /// the token; who has a valid one never takes it.
    flight: Mutex<Flight>,
    counters: Counters,
    credentials: ClientCredentials,
    digest: String,
    store: Arc<dyn TokenPersistenceProvider>,
    key: TokenKey,
    holder: WriteId,
    policy: TokenPolicy,
    circuit: Option<CircuitBreaker>,
    grant: Arc<dyn Grant>,
    clock: Arc<dyn Clock>,
    chance: Chance,
    request_timeout: Duration,
    default_lifetime: Duration,
    pace: PollPolicy,
}

impl TokenGetter {
    /// A getter for the token of `credentials`, shared through `store`.
    pub fn builder(
        credentials: ClientCredentials,
        store: Arc<dyn TokenPersistenceProvider>,
    ) -> TokenGetterBuilder {
        TokenGetterBuilder::new(credentials, store)
    }

    /// The token.
    ///
    /// Without I/O, lock or allocation while this process holds one that is not due. Keeps to
    /// [`Deadline::current`].
    ///
    /// # Errors
    ///
    /// [`TokenError`] if there is no valid token and none could be had.
    pub async fn token(&self) -> Result<Token, TokenError> {
        let inner = &*self.inner;
        match inner.memory.look(&*inner.clock, &inner.chance) {
            Look::Hit(token) => Ok(inner.served(token)),
            Look::Due(token) => Box::pin(inner.refresh(token)).await,
            Look::Empty => Box::pin(inner.fetch()).await,
        }
    }

    /// The token that is to be used instead of `token`, which an API has rejected.
    ///
    /// Another one that the fleet has by now, or a new one; but at most one new one in 30 s for
    /// the whole fleet, for it may be the API that is wrong.
    ///
    /// # Errors
    ///
    /// [`TokenError::RejectedTooOften`], and whatever keeps a new one from being had.
    pub async fn rejected(&self, token: &Token) -> Result<Token, TokenError> {
        Box::pin(self.inner.replace(token)).await
    }

    /// Fetches the token ahead of the first invocation, while the process starts.
    ///
    /// # Errors
    ///
    /// As [`token`](Self::token); to ignore them is no fault, for every call tries anew.
    pub async fn warm_up(&self) -> Result<(), TokenError> {
        self.token().await.map(drop)
    }

    /// What this getter has done so far.
    #[must_use]
    pub fn metrics(&self) -> TokenMetrics {
        self.inner.counters.read()
    }

    /// The key under which the token is shared.
    #[must_use]
    pub fn key(&self) -> &TokenKey {
        &self.inner.key
    }
}

impl fmt::Debug for TokenGetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenGetter")
            .field("key", &self.inner.key)
            .field("credentials", &self.inner.credentials)
            .field("store", &self.inner.store)
            .finish_non_exhaustive()
    }
}

impl Inner {
    /// A due token: this call tries to renew it, unless another one does or the time is short.
    async fn refresh(&self, due: Token) -> Result<Token, TokenError> {
        let Ok(mut flight) = self.flight.try_lock() else { return Ok(self.served(due)) };
        if let Some(token) = self.memory.valid(&*self.clock, Some(due.access_token())) {
            return Ok(self.served(token));
        }
        let hurry = |deadline: Deadline| {
            deadline.remaining() < Duration::from_secs(1).min(deadline.total() / 2)
        };
        if Deadline::current().is_some_and(hurry) {
            return Ok(self.served(due));
        }
        // This call has drawn already.
        self.renew(&mut flight, Want { rejected: None, chance: 0.0, ends: ends() }).await
    }

    /// No valid token: wait for one.
    async fn fetch(&self) -> Result<Token, TokenError> {
        let ends = ends();
        let mut flight = timeout_at(ends, self.flight.lock()).await.map_err(|_| out_of_time())?;
        if let Some(token) = self.memory.valid(&*self.clock, None) {
            return Ok(self.served(token));
        }
        let chance = self.chance.draw();
        self.renew(&mut flight, Want { rejected: None, chance, ends }).await
    }

    /// A rejected token: any other will do.
    async fn replace(&self, token: &Token) -> Result<Token, TokenError> {
        let ends = ends();
        let rejected = Some(token.access_token());
        let mut flight = timeout_at(ends, self.flight.lock()).await.map_err(|_| out_of_time())?;
        if let Some(token) = self.memory.valid(&*self.clock, rejected) {
            return Ok(self.served(token));
        }
        // Whatever other token is stored will do, even one that is due.
        self.renew(&mut flight, Want { rejected, chance: 1.0, ends }).await
    }

    fn served(&self, token: Token) -> Token {
        if token.source() == TokenSource::Overdue {
            self.counters.stale_served.increment();
        }
        token
    }
}

/// When the caller gives up.
fn ends() -> Instant {
    Deadline::current().map_or_else(|| Instant::now() + LONGEST_WAIT, |deadline| deadline.ends())
}

fn out_of_time() -> TokenError {
    TokenError::Deadline(DeadlineExceeded)
}
