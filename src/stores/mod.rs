//! The choice of a backend: by URL, from the environment or in code.

#[cfg(any(feature = "dynamodb", feature = "ssm"))]
mod aws;
pub mod sealed;

use std::{env, error::Error, fmt, str::FromStr, sync::Arc};

use funcify_core::{
    circuit::CircuitStateProvider,
    register::{Register, RetryingRegister},
    token::TokenPersistenceProvider,
};

use crate::stores::sealed::{SealKeys, SealKeysError};

/// Names the backend of both, tokens and circuits.
const BOTH: &str = "FUNCIFY_BACKEND";
/// Overrides the backend of tokens.
const TOKENS: &str = "FUNCIFY_TOKENS";
/// Overrides the backend of circuits.
const CIRCUITS: &str = "FUNCIFY_CIRCUITS";
/// Seals the tokens.
const SEAL_KEYS: &str = "FUNCIFY_SEAL_KEYS";

/// Where the fleet keeps its tokens and the state of its circuits: any two stores, your own included.
///
/// # Examples
///
/// ```
/// use funcify::Stores;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let stores = Stores::from_url("memory:").await?;
/// # let _ = stores;
/// # Ok::<(), funcify::ConfigError>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Stores {
    /// Where the fleet keeps its token.
    pub tokens: Arc<dyn TokenPersistenceProvider>,
    /// Where the fleet keeps the state of its circuits.
    pub circuits: Arc<dyn CircuitStateProvider>,
}

impl Stores {
    /// Keeps everything in one store.
    #[must_use]
    pub fn new(register: impl Register) -> Self {
        let store = RetryingRegister::new(register);
        Self { tokens: Arc::new(store.clone()), circuits: Arc::new(store) }
    }

    /// Keeps the tokens in another store.
    #[must_use]
    pub fn with_tokens(self, tokens: Arc<dyn TokenPersistenceProvider>) -> Self {
        Self { tokens, ..self }
    }

    /// Keeps the state of the circuits in another store.
    #[must_use]
    pub fn with_circuits(self, circuits: Arc<dyn CircuitStateProvider>) -> Self {
        Self { circuits, ..self }
    }

    /// Opens what `FUNCIFY_BACKEND` names, or `FUNCIFY_TOKENS` and `FUNCIFY_CIRCUITS` where they
    /// are set. There is no default: an unshared circuit is chosen, never inherited. Where
    /// `FUNCIFY_SEAL_KEYS` is set, tokens are [`Sealed`](crate::stores::sealed::Sealed), unless they stay in
    /// the memory of this process.
    ///
    /// No network I/O is done; it is async for the configuration of AWS.
    ///
    /// # Errors
    ///
    /// [`ConfigError`], naming the variable that is missing or wrong.
    pub async fn from_env() -> Result<Self, ConfigError> {
        let tokens = Setting::read(TOKENS)?;
        let circuits = Setting::read(CIRCUITS)?;
        let both = match (&tokens, &circuits) {
            (Some(_), Some(_)) => None,
            _ => Setting::read(BOTH)?,
        };
        let variable = match (&tokens, &circuits) {
            (Some(_), _) => CIRCUITS,
            (None, Some(_)) => TOKENS,
            (None, None) => BOTH,
        };
        let missing = || ConfigError::Missing { variable };
        let tokens = tokens.or_else(|| both.clone()).ok_or_else(missing)?;
        let circuits = circuits.or(both).ok_or_else(missing)?;

        let seal_keys = SealKeys::from_env().map_err(|fault| ConfigError::Variable {
            variable: SEAL_KEYS,
            fault: Box::new(ConfigError::SealKeys(fault)),
        })?;

        let mut opening = Opening::default();
        let token_stores = tokens.open(&mut opening).await?;
        let circuit_stores = if circuits.backend == tokens.backend {
            token_stores.clone()
        } else {
            circuits.open(&mut opening).await?
        };
        let tokens = match seal_keys {
            Some(keys) if tokens.backend != Backend::Memory => sealed(token_stores.tokens, keys),
            _ => token_stores.tokens,
        };
        Ok(Self { tokens, circuits: circuit_stores.circuits })
    }

    /// Opens the backend that `url` names, for both.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if the URL is none, or its feature is off.
    pub async fn from_url(url: &str) -> Result<Self, ConfigError> {
        Backend::from_str(url)?.open().await
    }
}

/// The URL of a backend, parsed. Every variant exists in every build.
///
/// | URL | meaning |
/// |---|---|
/// | `memory:` | this process only |
/// | `redis://[user:pw@]host:6379[/db][?prefix&insecure&ca=PATH]`, `rediss://…`, `redis-cluster://h1,h2…`, `rediss-cluster://…` | one hash a record |
/// | `dynamodb://TABLE[?region&prefix]` | a table with the string key `pk` |
/// | `ssm:///path/prefix[?kms_key=alias/…&tier=standard\|advanced&region]` | SecureString parameters under the path |
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Backend {
    /// This process only: for tests, local runs, and a circuit that is not to be shared.
    Memory,
    /// Redis or Valkey, single node or cluster.
    Redis(String),
    /// A DynamoDB table.
    DynamoDb(String),
    /// SSM Parameter Store.
    Ssm(String),
}

impl Backend {
    /// The feature of this crate that brings the backend.
    #[must_use]
    pub fn feature(&self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Redis(_) => "redis",
            Self::DynamoDb(_) => "dynamodb",
            Self::Ssm(_) => "ssm",
        }
    }

    /// Builds the backend's client, without network I/O.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if the URL has a fault or the backend's feature is off.
    pub async fn open(&self) -> Result<Stores, ConfigError> {
        self.open_with(&mut Opening::default()).await
    }

    async fn open_with(&self, opening: &mut Opening) -> Result<Stores, ConfigError> {
        match self {
            Self::Memory => open_memory(),
            Self::Redis(url) => open_redis(url),
            Self::DynamoDb(url) => open_dynamodb(url, opening).await,
            Self::Ssm(url) => open_ssm(url, opening).await,
        }
    }
}

impl FromStr for Backend {
    type Err = ConfigError;

    /// The scheme in any case, as in every URL (RFC 3986, section 3.1).
    fn from_str(url: &str) -> Result<Self, ConfigError> {
        let (scheme, rest) = url.split_once(':').unwrap_or_default();
        match scheme.to_ascii_lowercase().as_str() {
            "memory" if matches!(rest, "" | "//") => Ok(Self::Memory),
            "memory" => Err(ConfigError::MemoryOption),
            "redis" | "rediss" | "redis-cluster" | "rediss-cluster" => {
                Ok(Self::Redis(url.to_owned()))
            }
            "dynamodb" => Ok(Self::DynamoDb(url.to_owned())),
            "ssm" => Ok(Self::Ssm(url.to_owned())),
            // What is long, or does not look like a scheme, is not shown: it may be a password.
            _ => Err(ConfigError::UnknownScheme {
                scheme: Some(scheme)
                    .filter(|scheme| is_scheme(scheme))
                    .unwrap_or_default()
                    .to_owned(),
            }),
        }
    }
}

fn is_scheme(text: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"+.-".contains(&byte);
    text.len() <= 20 && text.bytes().all(legal)
}

impl fmt::Debug for Backend {
    /// The kind of backend only: its URL may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Backend({})", self.feature())
    }
}

/// Why no backend could be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The variable is not set.
    #[error(
        "{variable} is not set{}: expected the URL of a backend, {}",
        if *variable == BOTH { "" } else { ", nor FUNCIFY_BACKEND for both" },
        "one of memory:, redis://host, dynamodb://table, ssm:///path"
    )]
    Missing {
        /// The variable.
        variable: &'static str,
    },
    /// The variable is set, and wrong.
    #[error("{variable} cannot be used")]
    Variable {
        /// The variable.
        variable: &'static str,
        /// What is wrong with it.
        #[source]
        fault: Box<ConfigError>,
    },
    /// The value is not Unicode text.
    #[error("expected the URL of a backend, got bytes that are no Unicode text")]
    NotUnicode,
    /// The URL has another scheme.
    #[error(
        "expected memory:, redis://, rediss://, redis-cluster://, rediss-cluster://, dynamodb:// or \
         ssm:///, got the scheme {scheme:?}"
    )]
    UnknownScheme {
        /// What came instead.
        scheme: String,
    },
    /// The memory backend takes no options.
    #[error("expected memory: alone: the memory backend has no host, path or options")]
    MemoryOption,
    /// The keys that tokens are sealed with.
    #[error(transparent)]
    SealKeys(SealKeysError),
    /// The backend is not part of this build.
    #[error("this build has no {feature} backend: switch on the feature `{feature}` of funcify")]
    FeatureDisabled {
        /// The feature to switch on.
        feature: &'static str,
    },
    /// The backend refused its URL.
    #[error("the URL of the {backend} backend cannot be used")]
    Refused {
        /// The backend's feature.
        backend: &'static str,
        /// Its own account of the fault.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

/// A variable that is set, with the backend that it names.
#[derive(Clone)]
struct Setting {
    variable: &'static str,
    backend: Backend,
}

impl Setting {
    fn read(variable: &'static str) -> Result<Option<Self>, ConfigError> {
        let Some(value) = env::var_os(variable).filter(|value| !value.is_empty()) else {
            return Ok(None);
        };
        let backend = value.to_str().ok_or(ConfigError::NotUnicode).and_then(str::parse);
        match backend {
            Ok(backend) => Ok(Some(Self { variable, backend })),
            Err(fault) => Err(ConfigError::Variable { variable, fault: Box::new(fault) }),
        }
    }

    async fn open(&self, opening: &mut Opening) -> Result<Stores, ConfigError> {
        self.backend.open_with(opening).await.map_err(|fault| ConfigError::Variable {
            variable: self.variable,
            fault: Box::new(fault),
        })
    }
}

/// What the backends that are opened together share.
#[derive(Default)]
struct Opening {
    #[cfg(any(feature = "dynamodb", feature = "ssm"))]
    aws: Option<aws_config::SdkConfig>,
}

#[cfg(any(feature = "dynamodb", feature = "ssm"))]
impl Opening {
    async fn aws(&mut self, backend: &'static str) -> Result<&aws_config::SdkConfig, ConfigError> {
        let config = match self.aws.take() {
            Some(config) => config,
            None => aws::sdk_config().await.map_err(refused(backend))?,
        };
        Ok(self.aws.insert(config))
    }
}

#[cfg(any(feature = "redis", feature = "dynamodb", feature = "ssm"))]
fn refused<E: Error + Send + Sync + 'static>(
    backend: &'static str,
) -> impl FnOnce(E) -> ConfigError {
    move |source| ConfigError::Refused { backend, source: Box::new(source) }
}

#[cfg(not(all(feature = "memory", feature = "redis", feature = "dynamodb", feature = "ssm")))]
fn disabled(feature: &'static str) -> Result<Stores, ConfigError> {
    Err(ConfigError::FeatureDisabled { feature })
}

#[cfg(any(feature = "redis", feature = "dynamodb", feature = "ssm"))]
fn sealed(
    tokens: Arc<dyn TokenPersistenceProvider>,
    keys: SealKeys,
) -> Arc<dyn TokenPersistenceProvider> {
    Arc::new(crate::stores::sealed::Sealed::new(tokens, keys))
}

/// Without a store that others can read, a function does not carry a cipher either.
#[cfg(not(any(feature = "redis", feature = "dynamodb", feature = "ssm")))]
fn sealed(
    tokens: Arc<dyn TokenPersistenceProvider>,
    _keys: SealKeys,
) -> Arc<dyn TokenPersistenceProvider> {
    tokens
}

fn open_memory() -> Result<Stores, ConfigError> {
    #[cfg(feature = "memory")]
    return Ok(Stores::new(funcify_backend_memory::MemoryBackend::default()));
    #[cfg(not(feature = "memory"))]
    disabled("memory")
}

#[cfg(feature = "redis")]
fn open_redis(url: &str) -> Result<Stores, ConfigError> {
    use funcify_backend_redis::{RedisBackend, RedisConfig};

    let config = RedisConfig::parse(url).map_err(refused("redis"))?;
    Ok(Stores::new(RedisBackend::new(config).map_err(refused("redis"))?))
}

#[cfg(not(feature = "redis"))]
fn open_redis(_url: &str) -> Result<Stores, ConfigError> {
    disabled("redis")
}

#[cfg(feature = "dynamodb")]
async fn open_dynamodb(url: &str, opening: &mut Opening) -> Result<Stores, ConfigError> {
    use funcify_backend_dynamodb::{DynamoDbBackend, DynamoDbConfig};

    let config = DynamoDbConfig::parse(url).map_err(refused("dynamodb"))?;
    let aws = opening.aws("dynamodb").await?;
    Ok(Stores::new(DynamoDbBackend::new(config, aws).map_err(refused("dynamodb"))?))
}

#[cfg(not(feature = "dynamodb"))]
async fn open_dynamodb(_url: &str, _opening: &mut Opening) -> Result<Stores, ConfigError> {
    disabled("dynamodb")
}

#[cfg(feature = "ssm")]
async fn open_ssm(url: &str, opening: &mut Opening) -> Result<Stores, ConfigError> {
    use funcify_backend_ssm::{SsmBackend, SsmConfig};

    let config = SsmConfig::parse(url).map_err(refused("ssm"))?;
    let aws = opening.aws("ssm").await?;
    Ok(Stores::new(SsmBackend::new(config, aws).map_err(refused("ssm"))?))
}

#[cfg(not(feature = "ssm"))]
async fn open_ssm(_url: &str, _opening: &mut Opening) -> Result<Stores, ConfigError> {
    disabled("ssm")
}
