use std::{sync::Arc, time::Duration};

use funcify_core::{
    circuit::CircuitBreaker,
    engine::{Chance, Clock, SystemClock},
    register::{NameError, PollPolicy, RecordName, WriteId},
    token::{TokenPersistenceProvider, TokenPolicy},
};
use tokio::sync::Mutex;

use crate::client::client_trusting;
use crate::config_error::ConfigError;
use crate::token::credentials::{ClientCredentials, Endpoint};
use crate::token::grant::{Grant, HttpGrant, parse_endpoint};
use crate::token::memory::Memory;
use crate::token::metrics::Counters;
use crate::token::refresh::RefreshState;
use crate::token::settings::Settings;
use crate::token::{Inner, TokenGetter};

/// The key of the token if neither the builder nor the credentials set one.
const DEFAULT_KEY: &str = "BEARER_TOKEN";

/// Configures a [`TokenGetter`]. Created by [`TokenGetter::builder`].
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use funcify::token::{ClientSecret, Endpoint, TokenPolicy};
/// use funcify::{CircuitBreaker, CircuitPolicy, ClientCredentials, Stores, TokenGetter};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let stores = Stores::from_url("memory:").await?; // in production: Stores::from_env()
/// let credentials = ClientCredentials::new(
///     Endpoint::Issuer("https://login.example".to_owned()),
///     "warehouse",
///     ClientSecret::from("from your secret store"),
/// );
/// let circuit =
///     CircuitBreaker::new("login", CircuitPolicy::for_token_endpoint(), stores.circuits.clone())?;
/// let mut policy = TokenPolicy::default();
/// policy.request_timeout = Duration::from_secs(2);
///
/// let getter = TokenGetter::builder(credentials, stores.tokens.clone())
///     .key("warehouse")
///     .policy(policy)
///     .circuit(circuit)
///     .build()?;
/// # let _ = getter;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
#[must_use]
pub struct TokenGetterBuilder {
    credentials: ClientCredentials,
    store: Arc<dyn TokenPersistenceProvider>,
    key: Option<String>,
    policy: TokenPolicy,
    circuit: Option<CircuitBreaker>,
    grant: Option<Arc<dyn Grant>>,
    root_certificates: Vec<u8>,
    clock: Arc<dyn Clock>,
    chance: Chance,
}

impl TokenGetter {
    /// Starts to configure a getter. It fetches the token with `credentials` and shares it with the fleet
    /// through `store`, which is the field `tokens` of [`Stores`](crate::Stores).
    pub fn builder(
        credentials: ClientCredentials,
        store: Arc<dyn TokenPersistenceProvider>,
    ) -> TokenGetterBuilder {
        TokenGetterBuilder {
            credentials,
            store,
            key: None,
            policy: TokenPolicy::default(),
            circuit: None,
            grant: None,
            root_certificates: Vec::new(),
            clock: Arc::new(SystemClock),
            chance: Chance::from_entropy(),
        }
    }
}

impl TokenGetterBuilder {
    /// The key under which the fleet shares the token: 1 to 64 of the characters `A-Z a-z 0-9 _ . -`.
    ///
    /// Use one key for each combination of client, scope, audience and provider. Default:
    /// [`ClientCredentials::key`], which [`ClientCredentials::from_env`] reads from `FUNCIFY_TOKEN_KEY`,
    /// or else `BEARER_TOKEN`.
    pub fn key(self, key: impl AsRef<str>) -> Self {
        Self { key: Some(key.as_ref().to_owned()), ..self }
    }

    /// The lengths of the lease and of a request, and when a token is due. Use the same policy in the
    /// whole fleet. Default: [`TokenPolicy::default`].
    pub fn policy(self, policy: TokenPolicy) -> Self {
        Self { policy, ..self }
    }

    /// Asks the provider through this circuit. Create it with
    /// [`CircuitPolicy::for_token_endpoint`](funcify_core::circuit::CircuitPolicy::for_token_endpoint).
    ///
    /// A refusal, such as that of a wrong secret, does not count as a failure. Default: no circuit.
    pub fn circuit(self, circuit: CircuitBreaker) -> Self {
        Self { circuit: Some(circuit), ..self }
    }

    /// Trusts the certificate authorities in `pem`, a list of PEM certificates, in addition to Mozilla's.
    ///
    /// Use this for a provider whose certificate is from your own authority. The getter also trusts the
    /// authorities in [`ClientCredentials::root_certificates`]. A [`grant`](Self::grant) of your own
    /// ignores both. Default: none.
    pub fn root_certificates(self, pem: &[u8]) -> Self {
        Self { root_certificates: pem.to_vec(), ..self }
    }

    /// Asks the provider with your own implementation of [`Grant`]. Default: an HTTP request
    /// (RFC 6749 §4.4.2).
    pub fn grant(self, grant: impl Grant) -> Self {
        Self { grant: Some(Arc::new(grant)), ..self }
    }

    #[doc(hidden)]
    pub fn clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    #[doc(hidden)]
    pub fn chance(self, chance: Chance) -> Self {
        Self { chance, ..self }
    }

    /// Builds the getter. Does no I/O.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Faults`] with every fault at once: an invalid key, endpoint URL or certificate, a
    /// blank client id, or a number of the [`TokenPolicy`] that is out of its range.
    pub fn build(self) -> Result<TokenGetter, ConfigError> {
        let poll = self.store.poll_policy();
        let mut faults = self.faults(poll);
        let trusted =
            [&*self.credentials.root_certificates, b"\n", &*self.root_certificates].concat();
        let grant = match self.grant {
            Some(grant) => Ok(grant),
            None => client_trusting(&trusted)
                .map(|http| Arc::new(HttpGrant::new(http)) as Arc<dyn Grant>),
        };
        let (digest, meaning) = (self.credentials.digest(), self.credentials.meaning());
        let key = self.key.or_else(|| self.credentials.key.clone());
        let keys = RecordName::try_from(key.unwrap_or_else(|| DEFAULT_KEY.to_owned()))
            .and_then(|key| own_key(&key, &meaning).map(|own_key| (key, own_key)));
        let ((key, own_key), grant) = match (keys, grant) {
            (Ok(keys), Ok(grant)) if faults.is_empty() => (keys, grant),
            (keys, grant) => {
                faults
                    .extend(keys.err().map(|error| format!("`key` (FUNCIFY_TOKEN_KEY): {error}")));
                faults.extend(grant.err());
                return Err(ConfigError::token(faults));
            }
        };
        let settings = Settings {
            digest,
            meaning,
            credentials: self.credentials,
            store: self.store,
            key,
            own_key,
            holder: WriteId::random(),
            policy: self.policy,
            circuit: self.circuit,
            grant,
            clock: self.clock,
            chance: self.chance,
            poll,
        };
        let inner = Inner {
            settings,
            memory: Memory::empty(),
            counters: Counters::default(),
            refresh: Mutex::new(RefreshState::default()),
        };
        Ok(TokenGetter { inner: Arc::new(inner) })
    }

    fn faults(&self, poll: PollPolicy) -> Vec<String> {
        let mut faults = Vec::new();
        let (name, url) = match &self.credentials.endpoint {
            Endpoint::TokenUrl(url) => ("`Endpoint::TokenUrl` (FUNCIFY_TOKEN_URL)", url),
            Endpoint::Issuer(url) => ("`Endpoint::Issuer` (FUNCIFY_ISSUER)", url),
        };
        if let Err(error) = parse_endpoint(url) {
            faults.push(format!("{name}: {error}"));
        }
        if self.credentials.client_id.trim().is_empty() {
            faults.push("`client_id` (FUNCIFY_CLIENT_ID): expected an id, got a blank".to_owned());
        }
        let TokenPolicy { lease, request_timeout: timeout, refresh_from, .. } = self.policy;
        if timeout.is_zero() || timeout >= lease {
            faults.push(format!(
                "`TokenPolicy::request_timeout`: expected more than zero and less than the lease of {lease:?}, got {timeout:?}"
            ));
        }
        let lifetime = self.policy.default_lifetime;
        if !(Duration::from_secs(1)..=TokenPolicy::LONGEST_LIFETIME).contains(&lifetime) {
            faults.push(format!(
                "`TokenPolicy::default_lifetime`: expected 1 second to 366 days, got {lifetime:?}"
            ));
        }
        let PollPolicy { shortest, longest, .. } = poll;
        if shortest.is_zero() || shortest > longest {
            faults.push(format!(
                "`store`: the shortest poll interval must be positive and at most the longest, got {shortest:?} and {longest:?}"
            ));
        }
        if !(0.1..=0.95).contains(&refresh_from) {
            faults.push(format!(
                "`TokenPolicy::refresh_from`: expected a fraction from 0.1 to 0.95, got {refresh_from}"
            ));
        }
        faults
    }
}

/// The key to share the wanted token under while the record at `key` holds another token: the first 55
/// characters of `key`, a dot, and eight digits of the digest. Together they have at most 64 characters,
/// the limit of a name.
fn own_key(key: &RecordName, digest: &str) -> Result<RecordName, NameError> {
    let (key, digest): (String, String) =
        (key.as_ref().chars().take(55).collect(), digest.chars().take(8).collect());
    format!("{key}.{digest}").try_into()
}
