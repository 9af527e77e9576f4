use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use funcify::token::{ClientCredentials, ClientSecret, Grant, GrantError, Granted};
use funcify_core::{engine::Clock, token::AccessToken};
use tokio::time::{Instant, sleep};

/// An identity provider without a network. It grants `token-1`, `token-2` and so on, each for an hour, and
/// counts its requests. All clones are the same provider.
#[derive(Clone, Debug)]
pub struct FakeGrant {
    latency: Duration,
    lifetime: Option<Duration>,
    token: Option<String>,
    requests: Arc<Mutex<Vec<Instant>>>,
    grants: Arc<AtomicU64>,
    mode: Arc<Mutex<Option<FailureMode>>>,
    secret: Arc<Mutex<Option<String>>>,
    clock: Option<Arc<dyn Clock>>,
}

/// How the provider fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureMode {
    /// It answers with status 503.
    Unavailable,
    /// It answers with status 503, and with a `Retry-After` of so many seconds.
    RetryAfter(u64),
    /// It never answers.
    Hangs,
}

impl FakeGrant {
    /// Creates a provider that answers at once.
    #[must_use]
    pub fn new() -> Self {
        Self {
            latency: Duration::ZERO,
            lifetime: Some(Duration::from_secs(3_600)),
            token: None,
            requests: Arc::default(),
            grants: Arc::default(),
            mode: Arc::default(),
            secret: Arc::default(),
            clock: None,
        }
    }

    /// Returns the provider with an answer that takes `latency`.
    #[must_use]
    pub fn with_latency(self, latency: Duration) -> Self {
        Self { latency, ..self }
    }

    /// Returns the provider with tokens of this lifetime. With `None`, its answers contain no lifetime.
    #[must_use]
    pub fn with_lifetime(self, lifetime: Option<Duration>) -> Self {
        Self { lifetime, ..self }
    }

    /// Returns the provider with a fixed token, which it always grants.
    #[must_use]
    pub fn with_token(self, token: impl Into<String>) -> Self {
        Self { token: Some(token.into()), ..self }
    }

    /// Returns the provider with a clock. Its answers contain the time of the grant by this clock.
    #[must_use]
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock: Some(clock), ..self }
    }

    /// Returns the provider with requests that fail in this way.
    #[must_use]
    pub fn failing(self, mode: FailureMode) -> Self {
        self.fail(mode);
        self
    }

    /// From now on, requests fail in this way.
    pub fn fail(&self, mode: FailureMode) {
        *self.mode.lock().unwrap() = Some(mode);
    }

    /// From now on, requests succeed again.
    pub fn recover(&self) {
        *self.mode.lock().unwrap() = None;
    }

    /// From now on, only this secret is accepted.
    pub fn accept_only(&self, secret: &str) {
        *self.secret.lock().unwrap() = Some(secret.to_owned());
    }

    /// Returns how many tokens were granted.
    #[must_use]
    pub fn grants(&self) -> u64 {
        self.grants.load(Ordering::SeqCst)
    }

    /// Returns when the requests came, including those that failed.
    #[must_use]
    pub fn requests(&self) -> Vec<Instant> {
        self.requests.lock().unwrap().clone()
    }
}

impl Default for FakeGrant {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Grant for FakeGrant {
    async fn grant(
        &self,
        _: &ClientCredentials,
        secret: Option<&ClientSecret>,
    ) -> Result<Granted, GrantError> {
        self.requests.lock().unwrap().push(Instant::now());
        let mode = *self.mode.lock().unwrap();
        if mode == Some(FailureMode::Hangs) {
            std::future::pending::<()>().await;
        }
        if !self.latency.is_zero() {
            sleep(self.latency).await;
        }
        let unavailable = |retry_after| Err(GrantError::Unavailable { status: 503, retry_after });
        match mode {
            Some(FailureMode::Unavailable) => return unavailable(None),
            Some(FailureMode::RetryAfter(seconds)) => {
                return unavailable(Some(Duration::from_secs(seconds)));
            }
            Some(FailureMode::Hangs) | None => {}
        }
        let wanted = self.secret.lock().unwrap().clone();
        if wanted.is_some_and(|wanted| secret.is_none_or(|secret| secret.expose() != wanted)) {
            return Err(GrantError::Refused { status: 401, code: "invalid_client".to_owned() });
        }
        let number = self.grants.fetch_add(1, Ordering::SeqCst) + 1;
        let token = self.token.clone().unwrap_or_else(|| format!("token-{number}"));
        let mut granted = Granted::from(AccessToken::from(token));
        granted.expires_in = self.lifetime;
        granted.issued_at = self.clock.as_ref().map(|clock| clock.now());
        Ok(granted)
    }
}
