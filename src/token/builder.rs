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

/// The key of the token unless the builder gets another.
const DEFAULT_KEY: &str = "BEARER_TOKEN";

/// Configures a [`TokenGetter`].
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
    /// Configures a getter for the token of `credentials`, shared through `store`.
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
    /// The key under which the fleet shares the token. Use one key per client, scope, audience and
    /// provider. It is 1 to 64 of `A-Z a-z 0-9 _ . -`. Default: [`ClientCredentials::key`], which
    /// `from_env` reads from `FUNCIFY_TOKEN_KEY`, or else `BEARER_TOKEN`.
    pub fn key(self, key: impl AsRef<str>) -> Self {
        Self { key: Some(key.as_ref().to_owned()), ..self }
    }

    /// The numbers in the rules of the token: the lease, when a token is due, how long a request may
    /// take. Use the same policy in the whole fleet.
    pub fn policy(self, policy: TokenPolicy) -> Self {
        Self { policy, ..self }
    }

    /// Asks the provider through this circuit. Create it with
    /// [`CircuitPolicy::for_token_endpoint`](funcify_core::circuit::CircuitPolicy::for_token_endpoint).
    ///
    /// A refusal, of a wrong secret for example, does not count against the circuit. Default: no
    /// circuit.
    pub fn circuit(self, circuit: CircuitBreaker) -> Self {
        Self { circuit: Some(circuit), ..self }
    }

    /// Trusts the certificate authorities in `pem` in addition to Mozilla's, for a provider with a
    /// certificate of your own authority. Those of [`ClientCredentials::root_certificates`] are trusted
    /// too. [`grant`](Self::grant) ignores it.
    pub fn root_certificates(self, pem: &[u8]) -> Self {
        Self { root_certificates: pem.to_vec(), ..self }
    }

    /// Asks the provider through this grant, instead of over HTTP.
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
    /// [`ConfigError::Faults`] with every fault at once.
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

/// The key for the token of `digest` while `key` holds another: as much of `key` as fits, and the
/// first eight digits of the digest of its meaning.
fn own_key(key: &RecordName, digest: &str) -> Result<RecordName, NameError> {
    let (key, digest): (String, String) =
        (key.as_ref().chars().take(55).collect(), digest.chars().take(8).collect());
    format!("{key}.{digest}").try_into()
}
