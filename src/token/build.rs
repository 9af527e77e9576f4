use std::{fmt, sync::Arc, time::Duration};

use funcify_core::{
    circuit::CircuitBreaker,
    engine::{Chance, Clock, SystemClock},
    register::{PollPolicy, WriteId},
    token::{TokenKey, TokenPersistenceProvider, TokenPolicy},
};
use tokio::sync::Mutex;

use crate::client;
use crate::client::ClientError;
use crate::token::credentials::{ClientCredentials, Endpoint};
use crate::token::flight::Flight;
use crate::token::grant::{EndpointError, Grant, HttpGrant, check_endpoint};
use crate::token::memory::Memory;
use crate::token::metrics::Counters;
use crate::token::{Inner, TokenGetter};

/// A request to the provider may take 3 s.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(3);

/// A token whose life nobody states is taken to live for 5 minutes.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(300);

/// Configures a [`TokenGetter`].
#[derive(Debug)]
#[must_use]
pub struct TokenGetterBuilder {
    credentials: ClientCredentials,
    store: Arc<dyn TokenPersistenceProvider>,
    key: TokenKey,
    policy: TokenPolicy,
    circuit: Option<CircuitBreaker>,
    grant: Option<Arc<dyn Grant>>,
    http: Option<reqwest::Client>,
    clock: Arc<dyn Clock>,
    chance: Chance,
    request_timeout: Duration,
    default_lifetime: Duration,
    pace: PollPolicy,
}

impl TokenGetterBuilder {
    pub(super) fn new(
        credentials: ClientCredentials,
        store: Arc<dyn TokenPersistenceProvider>,
    ) -> Self {
        Self {
            credentials,
            pace: store.poll_policy(),
            store,
            key: TokenKey::default(),
            policy: TokenPolicy::default(),
            circuit: None,
            grant: None,
            http: None,
            clock: Arc::new(SystemClock),
            chance: Chance::from_entropy(),
            request_timeout: REQUEST_TIMEOUT,
            default_lifetime: DEFAULT_LIFETIME,
        }
    }

    /// Shares the token under this key: one key a client, scope and provider. `BEARER_TOKEN` unless
    /// given.
    pub fn key(self, key: TokenKey) -> Self {
        Self { key, ..self }
    }

    /// The lease, and from when on a token is renewed: the same in the whole fleet.
    pub fn policy(self, policy: TokenPolicy) -> Self {
        Self { policy, ..self }
    }

    /// Asks the provider through this circuit;
    /// [`CircuitPolicy::for_token_endpoint`](funcify_core::circuit::CircuitPolicy::for_token_endpoint) suits one.
    ///
    /// A refusal, of a wrong secret say, leaves the circuit as it is.
    pub fn circuit(self, circuit: CircuitBreaker) -> Self {
        Self { circuit: Some(circuit), ..self }
    }

    /// How long one request to the provider may take: 3 s unless given, less than the lease.
    pub fn request_timeout(self, timeout: Duration) -> Self {
        Self { request_timeout: timeout, ..self }
    }

    /// How long a token lives of which neither the provider nor the token itself says so: 5 minutes
    /// unless given.
    pub fn default_lifetime(self, lifetime: Duration) -> Self {
        Self { default_lifetime: lifetime, ..self }
    }

    /// How far apart looks at the store are while another process fetches the token.
    ///
    /// Unless given, as the store asks for: 100 to 400 ms for Redis and memory, 250 to 1,000 for
    /// DynamoDB, 500 to 2,000 for SSM Parameter Store.
    pub fn poll(self, shortest: Duration, longest: Duration) -> Self {
        let mut pace = PollPolicy::new(shortest, longest);
        pace.contention = self.pace.contention;
        Self { pace, ..self }
    }

    /// Asks over this HTTP client, with its root certificates; it must follow no redirects.
    pub fn http(self, http: reqwest::Client) -> Self {
        Self { http: Some(http), ..self }
    }

    /// Asks by this grant instead of over HTTP.
    pub fn grant(self, grant: impl Grant) -> Self {
        Self { grant: Some(Arc::new(grant)), ..self }
    }

    /// Takes the time from this clock: for tests and simulations.
    pub fn clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// Takes its draws from this chance: for tests and simulations.
    pub fn chance(self, chance: Chance) -> Self {
        Self { chance, ..self }
    }

    /// Builds the getter. No I/O.
    ///
    /// # Errors
    ///
    /// [`TokenConfigError`] with every fault at once.
    pub fn build(self) -> Result<TokenGetter, TokenConfigError> {
        let mut faults = self.faults();
        let grant = match (self.grant, self.http) {
            (Some(grant), _) => Some(grant),
            (None, Some(http)) => Some(over(http)),
            (None, None) => match client::client() {
                Ok(http) => Some(over(http)),
                Err(error) => {
                    faults.push(TokenConfigFault::Client(error));
                    None
                }
            },
        };
        let Some(grant) = grant.filter(|_| faults.is_empty()) else {
            return Err(TokenConfigError { faults });
        };
        let inner = Inner {
            memory: Memory::empty(),
            flight: Mutex::new(Flight::default()),
            counters: Counters::default(),
            digest: self.credentials.digest(),
            credentials: self.credentials,
            store: self.store,
            key: self.key,
            holder: WriteId::random(),
            policy: self.policy,
            circuit: self.circuit,
            grant,
            clock: self.clock,
            chance: self.chance,
            request_timeout: self.request_timeout,
            default_lifetime: self.default_lifetime,
            pace: self.pace,
        };
        Ok(TokenGetter { inner: Arc::new(inner) })
    }

    fn faults(&self) -> Vec<TokenConfigFault> {
        let (what, url) = match &self.credentials.endpoint {
            Endpoint::TokenUrl(url) => ("token URL", url),
            Endpoint::Issuer(url) => ("issuer", url),
        };
        let endpoint = check_endpoint(url, self.credentials.plain_http_on_loopback).err();
        let mut faults: Vec<_> = endpoint
            .map(|error| TokenConfigFault::Endpoint { what, source: error })
            .into_iter()
            .collect();
        if self.credentials.client_id.trim().is_empty() {
            faults.push(TokenConfigFault::NoClientId);
        }
        if self.request_timeout.is_zero() || self.request_timeout >= self.policy.lease() {
            faults.push(TokenConfigFault::Timeout {
                timeout: self.request_timeout,
                lease: self.policy.lease(),
            });
        }
        if self.default_lifetime < Duration::from_secs(1)
            || self.default_lifetime > TokenPolicy::LONGEST_LIFETIME
        {
            faults.push(TokenConfigFault::Lifetime { got: self.default_lifetime });
        }
        let PollPolicy { shortest, longest, .. } = self.pace;
        if shortest.is_zero() || shortest > longest {
            faults.push(TokenConfigFault::Poll { shortest, longest });
        }
        faults
    }
}

fn over(http: reqwest::Client) -> Arc<dyn Grant> {
    Arc::new(HttpGrant::new(http))
}

/// Why no getter was built: every fault at once.
#[derive(Debug)]
pub struct TokenConfigError {
    faults: Vec<TokenConfigFault>,
}

impl TokenConfigError {
    /// Everything that is wrong.
    #[must_use]
    pub fn faults(&self) -> &[TokenConfigFault] {
        &self.faults
    }
}

impl fmt::Display for TokenConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the token getter cannot be built")?;
        for (place, fault) in self.faults.iter().enumerate() {
            write!(f, "{} {fault}", if place == 0 { ":" } else { ";" })?;
        }
        Ok(())
    }
}

impl std::error::Error for TokenConfigError {}

/// One thing that is wrong with the configuration of a getter.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenConfigFault {
    /// The URL of the provider.
    #[error("{what}: {source}")]
    Endpoint {
        /// Which URL.
        what: &'static str,
        /// What is wrong with it.
        source: EndpointError,
    },
    /// The client's id is empty.
    #[error("expected a client id")]
    NoClientId,
    /// A request that outlives its lease would be asked twice.
    #[error(
        "expected a request timeout above zero and below the lease of {lease:?}, got {timeout:?}"
    )]
    Timeout {
        /// The timeout.
        timeout: Duration,
        /// The lease.
        lease: Duration,
    },
    /// The default lifetime.
    #[error("expected a default lifetime between a second and a year, got {got:?}")]
    Lifetime {
        /// What was given.
        got: Duration,
    },
    /// The pace of looking at the store.
    #[error("expected a poll from above zero to something longer, got {shortest:?} to {longest:?}")]
    Poll {
        /// The shortest pause.
        shortest: Duration,
        /// The longest.
        longest: Duration,
    },
    /// The HTTP client.
    #[error("{0}")]
    Client(ClientError),
}
