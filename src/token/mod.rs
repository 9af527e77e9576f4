//! The fleet's access token: fetched once, shared by all instances.
//!
//! A [`TokenGetter`] looks for the token in its own memory first, then in the store. Only if both
//! have none does it ask the identity provider, and only under a lease that one process holds at a
//! time. While a token is valid, only the one call that fetches the next token waits for it.
//!
//! [All pages]: https://docs.rs/funcify
//!
#![doc = include_str!("../../docs/token.md")]

mod authentication;
mod bearer;
mod builder;
mod credentials;
mod error;
mod grant;
mod memory;
mod metrics;
mod private_key;
mod refresh;
mod secret_url;
mod settings;
mod stored_secret;

use std::{fmt, sync::Arc, time::Duration};

use funcify_core::Deadline;
use tokio::{
    sync::{Mutex, MutexGuard},
    time::{Instant, timeout_at},
};

pub use authentication::{ClientAuthentication, ClientSecret, SecretSource, Signer};
pub use bearer::{Token, TokenSource};
pub use builder::TokenGetterBuilder;
pub use credentials::{ClientCredentials, Endpoint};
pub use error::TokenError;
pub use funcify_core::token::{AccessToken, TokenPersistenceProvider, TokenPolicy, TokenRecord};
pub use grant::{Grant, GrantError, Granted};
pub use metrics::TokenMetrics;

use memory::{Lookup, Memory};
use metrics::{Counters, show_remaining};
use refresh::{Refresh, RefreshState, Request};
use settings::Settings;

pub(crate) use secret_url::SecretUrl;

/// How long a call without an invocation's deadline waits for a token, 18 s. A store that serves 40
/// requests a second, as SSM does by default, serves 200 cold instances in 12 s.
const LONGEST_WAIT: Duration = Duration::from_secs(18);

/// A due token is not refreshed with less than this left of the invocation, or with less than half
/// of the invocation left if that is shorter: a refresh takes two store operations and a request.
const LEAST_TIME_TO_REFRESH: Duration = Duration::from_secs(1);

/// Gets the fleet's access token. Cheap to clone; create one per process and key.
///
/// # Examples
///
/// ```
/// use funcify::{ClientCredentials, Stores, TokenGetter};
/// use funcify::token::{
///     AccessToken, ClientSecret, Endpoint, Grant, GrantError, Granted, TokenSource,
/// };
///
/// /// Stands in for the identity provider.
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
///         Ok(Granted::from(AccessToken::from("2YotnFZFEjr1zCsicMWpAA")))
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let credentials = ClientCredentials::new(
///     Endpoint::TokenUrl("https://login.example/token".to_owned()),
///     "warehouse",
///     ClientSecret::from("secret"),
/// );
/// let stores = Stores::from_url("memory:").await?;
/// let getter = TokenGetter::builder(credentials, stores.tokens).grant(Provider).build()?;
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
    settings: Settings,
    memory: Memory,
    counters: Counters,
    /// One refresh at a time. The lock is held across awaits on purpose: a caller without a token
    /// waits on it for the token. A caller with a valid token never waits on it.
    refresh: Mutex<RefreshState>,
}

impl TokenGetter {
    /// The token.
    ///
    /// While this process holds a token that is not due, this costs no I/O, no lock and no
    /// allocation. Ends with [`Deadline::current`], or after 18 s if there is none. Call it once
    /// before the first invocation to fetch the token while the process starts.
    ///
    /// # Errors
    ///
    /// [`TokenError`] if there is no valid token and none could be fetched.
    pub async fn token(&self) -> Result<Token, TokenError> {
        let inner = &*self.inner;
        match inner.memory.look_up(&*inner.settings.clock) {
            Lookup::Hit(token) => Ok(inner.served(token)),
            Lookup::Due(token) => Box::pin(inner.refresh_due(token)).await,
            Lookup::Empty => Box::pin(inner.fetch()).await,
        }
    }

    /// The token to use instead of `token`, which an API has rejected.
    ///
    /// Returns any other token that the fleet has by now. If there is none, a new one is fetched,
    /// but at most one in 30 s for the whole fleet: it may be the API that is wrong.
    ///
    /// # Errors
    ///
    /// [`TokenError::RejectedTooOften`] within these 30 s; otherwise as for [`token`](Self::token).
    pub async fn rejected(&self, token: &Token) -> Result<Token, TokenError> {
        Box::pin(self.inner.replace(token)).await
    }

    /// What this getter has done since it was built.
    #[must_use]
    pub fn metrics(&self) -> TokenMetrics {
        self.inner.counters.read()
    }
}

impl fmt::Debug for TokenGetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenGetter")
            .field("key", &self.inner.settings.key)
            .field("credentials", &self.inner.settings.credentials)
            .field("store", &self.inner.settings.store)
            .finish_non_exhaustive()
    }
}

impl Inner {
    /// The token is valid but due: this call refreshes it, unless another call does so already or
    /// the invocation has too little time left.
    async fn refresh_due(&self, due: Token) -> Result<Token, TokenError> {
        let Ok(state) = self.refresh.try_lock() else { return Ok(self.served(due)) };
        if let Some(token) = self.memory.valid(&*self.settings.clock, Some(due.access_token())) {
            return Ok(self.served(token));
        }
        let is_late = |deadline: Deadline| {
            deadline.remaining() < LEAST_TIME_TO_REFRESH.min(deadline.total() / 2)
        };
        if Deadline::current().is_some_and(is_late) {
            return Ok(self.served(due));
        }
        // The process has reached its refresh slot: this call refreshes.
        self.refresh(state, Request { rejected: None, chance: 0.0, ends: ends() }).await
    }

    /// There is no valid token: this call waits for one.
    async fn fetch(&self) -> Result<Token, TokenError> {
        let ends = ends();
        let state = self.wait_for_lock(ends).await?;
        if let Some(token) = self.memory.valid(&*self.settings.clock, None) {
            return Ok(self.served(token));
        }
        let chance = self.settings.chance.draw();
        self.refresh(state, Request { rejected: None, chance, ends }).await
    }

    /// An API rejected the token: any other token will do.
    async fn replace(&self, token: &Token) -> Result<Token, TokenError> {
        let ends = ends();
        let rejected = Some(token.access_token());
        let state = self.wait_for_lock(ends).await?;
        if let Some(token) = self.memory.valid(&*self.settings.clock, rejected) {
            return Ok(self.served(token));
        }
        // Another stored token will do even if it is due, so this draw never refreshes it.
        self.refresh(state, Request { rejected, chance: 1.0, ends }).await
    }

    async fn wait_for_lock(
        &self,
        ends: Instant,
    ) -> Result<MutexGuard<'_, RefreshState>, TokenError> {
        timeout_at(ends, self.refresh.lock()).await.map_err(|_| TokenError::out_of_time())
    }

    async fn refresh(
        &self,
        mut state: MutexGuard<'_, RefreshState>,
        request: Request<'_>,
    ) -> Result<Token, TokenError> {
        let Self { settings, memory, counters, .. } = self;
        let refresh = Refresh::new(settings, memory, counters, &mut state, request);
        let token = refresh.run().await?;
        show_remaining(&settings.key, &token, settings.clock.now());
        Ok(self.served(token))
    }

    fn served(&self, token: Token) -> Token {
        self.counters.served(&self.settings.key, &token);
        token
    }
}

/// When the caller gives up.
fn ends() -> Instant {
    Deadline::current().map_or_else(|| Instant::now() + LONGEST_WAIT, |deadline| deadline.ends())
}
