//! The fleet's OAuth 2.0 access token: one instance fetches it, all instances use it.
//!
//! A [`TokenGetter`] looks for the token in its own memory first, then in the store. If neither has
//! a valid token, the getter takes a lease in the store and asks the identity provider. Only one
//! process can hold the lease at a time. While a token is valid, only the one call that fetches the
//! next token waits.
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

/// How long a call outside an invocation waits for a token: 18 s. SSM serves 40 requests a second by
/// default. At that rate, 200 instances that start at once all have the token after 12 s.
const LONGEST_WAIT: Duration = Duration::from_secs(18);

/// A call refreshes a due token only if the invocation has at least this much time left, because a
/// refresh takes two store operations and a request. In an invocation of less than 2 s, half of its
/// time is enough.
const LEAST_TIME_TO_REFRESH: Duration = Duration::from_secs(1);

/// Gets the fleet's access token.
///
/// Create one getter per process and key, and clone it: a clone is cheap and shares the token in memory.
///
/// # Examples
///
/// ```
/// use funcify::{ClientCredentials, Stores, TokenGetter};
/// use funcify::token::{
///     AccessToken, ClientSecret, Endpoint, Grant, GrantError, Granted, TokenSource,
/// };
///
/// /// Takes the place of the identity provider.
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
    /// One refresh at a time. The lock is held across awaits on purpose: a caller without a token waits
    /// for the lock, and so for the token. A caller with a valid token never waits for the lock.
    refresh: Mutex<RefreshState>,
}

impl TokenGetter {
    /// A valid token: from memory, from the store, or from the identity provider.
    ///
    /// While this process has a token that is not due for a refresh, the call needs no I/O, takes no lock
    /// and allocates nothing. Otherwise it ends at [`Deadline::current`] at the latest, or after 18 s if
    /// there is no deadline. To have the token ready for the first invocation, call this once while the
    /// process starts.
    ///
    /// # Errors
    ///
    /// [`TokenError`] if there is no valid token and none could be fetched. A valid token whose refresh
    /// failed is no error: its [`source`](Token::source) is [`TokenSource::Overdue`].
    pub async fn token(&self) -> Result<Token, TokenError> {
        let inner = &*self.inner;
        match inner.memory.look_up(&*inner.settings.clock) {
            Lookup::Hit(token) => Ok(inner.served(token)),
            Lookup::Due(token) => Box::pin(inner.refresh_due(token)).await,
            Lookup::Empty => Box::pin(inner.fetch()).await,
        }
    }

    /// A token to use instead of `token`, which an API has rejected, usually with status 401.
    ///
    /// If the fleet has another valid token by now, this returns it. Otherwise it fetches a new one, at
    /// most once in 30 s for the whole fleet: an API that wrongly rejects every token must not turn each
    /// call into a grant. [`Api`](crate::Api) and [`TokenLayer`](crate::api::TokenLayer) call this for
    /// you.
    ///
    /// # Errors
    ///
    /// [`TokenError::RejectedTooOften`] if the fleet replaced a rejected token less than 30 s ago.
    /// Otherwise as for [`token`](Self::token).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(getter: funcify::TokenGetter) -> Result<(), funcify::token::TokenError> {
    /// let token = getter.token().await?;
    /// // The API answers 401.
    /// let replacement = getter.rejected(&token).await?;
    /// # let _ = replacement;
    /// # Ok(())
    /// # }
    /// ```
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
    /// The token is valid but due. This call refreshes it, unless another call already does or the
    /// invocation has too little time left.
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
        // A chance of 0 always refreshes: `look_up` returns a due token only after the refresh slot.
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

    /// An API rejected the token. Any other valid token may replace it.
    async fn replace(&self, token: &Token) -> Result<Token, TokenError> {
        let ends = ends();
        let rejected = Some(token.access_token());
        let state = self.wait_for_lock(ends).await?;
        if let Some(token) = self.memory.valid(&*self.settings.clock, rejected) {
            return Ok(self.served(token));
        }
        // A chance of 1 never refreshes: another stored token is good enough even if it is due.
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
