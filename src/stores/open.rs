//! Opens a backend, if its feature is on.

#[cfg(any(feature = "redis", feature = "dynamodb", feature = "ssm"))]
use super::refused::refused;
use funcify_core::{
    engine::Diagnosed,
    register::{Inventory, Register, RetryingRegister},
};

use super::{Stores, url::Backend};
use crate::config_error::ConfigError;

impl Stores {
    /// Opens the store that `url` names, for tokens, circuits and idempotency. This does no network I/O.
    ///
    /// | URL | store |
    /// |---|---|
    /// | `memory:` | the memory of this process, which no other process shares |
    /// | `redis://[user:password@]host[:port][/database][?prefix&insecure&ca=PATH&cert=PATH&key=PATH]` | one node of Redis or Valkey |
    /// | `rediss://…` | one node, over TLS |
    /// | `redis-cluster://host1,host2…`, `rediss-cluster://…` | a cluster, in the clear or over TLS |
    /// | `valkey://…`, `valkeys://…`, `valkey-cluster://…`, `valkeys-cluster://…` | the same four for Valkey |
    /// | `rediss://user@host?iam=elasticache&cache=NAME[&region]` | ElastiCache or MemoryDB with IAM (feature `redis-iam`) |
    /// | `dynamodb://TABLE[?region&prefix&pk&sk&sk_value]` | a DynamoDB table with the string key `pk`; `TABLE` may be an ARN |
    /// | `ssm:///path[?kms_key=alias/…&tier=standard\|advanced\|intelligent&region]` | SSM Parameter Store, under the path |
    ///
    /// Every store except the memory has two more options, in milliseconds:
    ///
    /// - `timeout`: how long one operation may take, with its retries. 100 to 10,000, 500 by default. Raise it
    ///   if the store is far away.
    /// - `connect_timeout`: how long a connection may take. 20 to 5,000, and at most half of `timeout`, which
    ///   is the default.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Invalid`] if the URL is invalid, and [`ConfigError::FeatureDisabled`] if this build
    /// does not include the store.
    ///
    /// # Examples
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let stores = funcify::Stores::from_url("memory:").await?;
    /// # let _ = stores;
    /// # Ok::<(), funcify::ConfigError>(())
    /// # }).unwrap();
    /// ```
    pub async fn from_url(url: &str) -> Result<Self, ConfigError> {
        Opening::default().open(&url.parse()?, ForFunctions).await
    }
}

/// Makes the value that a caller wants from the register of a backend. This keeps the code that only an
/// operator's command needs out of the binary of a function.
pub(super) trait Wanted {
    type Made;

    #[cfg_attr(
        not(any(feature = "memory", feature = "redis", feature = "dynamodb", feature = "ssm")),
        expect(dead_code, reason = "without a backend there is no register")
    )]
    fn of<R: Register + Inventory + Diagnosed>(
        self,
        backend: &'static str,
        register: R,
    ) -> Self::Made;
}

/// Makes what a function uses.
#[derive(Clone, Copy)]
pub(super) struct ForFunctions;

impl Wanted for ForFunctions {
    type Made = Stores;

    fn of<R: Register + Inventory + Diagnosed>(self, backend: &'static str, register: R) -> Stores {
        Stores::of(RetryingRegister::new(register).of_backend(backend))
    }
}

/// Opens backends, which share one AWS configuration.
#[derive(Default)]
pub(super) struct Opening {
    #[cfg(any(feature = "dynamodb", feature = "ssm", feature = "redis-iam"))]
    aws: super::aws::Aws,
}

impl Opening {
    pub(super) async fn open<W: Wanted>(
        &mut self,
        backend: &Backend,
        wanted: W,
    ) -> Result<W::Made, ConfigError> {
        match backend {
            Backend::Memory => open_memory(wanted),
            Backend::Redis(url) => self.open_redis(url, wanted).await,
            Backend::DynamoDb(url) => self.open_dynamodb(url, wanted).await,
            Backend::Ssm(url) => self.open_ssm(url, wanted).await,
        }
    }

    #[cfg(feature = "redis")]
    async fn open_redis<W: Wanted>(
        &mut self,
        url: &str,
        wanted: W,
    ) -> Result<W::Made, ConfigError> {
        use funcify_backend_redis::{RedisBackend, RedisConfig};

        let mut config = RedisConfig::parse(url).map_err(refused("redis"))?;
        if let Some(iam) = config.iam().cloned() {
            config = self.with_iam(config, iam).await?;
        }
        Ok(wanted.of("redis", RedisBackend::new(config).map_err(refused("redis"))?))
    }

    #[cfg(not(feature = "redis"))]
    async fn open_redis<W: Wanted>(
        &mut self,
        _url: &str,
        _wanted: W,
    ) -> Result<W::Made, ConfigError> {
        disabled("redis")
    }

    #[cfg(feature = "redis-iam")]
    async fn with_iam(
        &mut self,
        config: funcify_backend_redis::RedisConfig,
        iam: funcify_backend_redis::IamOptions,
    ) -> Result<funcify_backend_redis::RedisConfig, ConfigError> {
        let limits = funcify_core::engine::TimeLimits::default();
        let aws = self.aws.config("redis", limits).await?;
        let source = super::iam::CachePasswords::new(&iam, aws).map_err(refused("redis"))?;
        Ok(config.with_password_source(iam.user, source))
    }

    #[cfg(all(feature = "redis", not(feature = "redis-iam")))]
    #[expect(clippy::unused_async, reason = "with the feature it loads the AWS configuration")]
    async fn with_iam(
        &mut self,
        _config: funcify_backend_redis::RedisConfig,
        _iam: funcify_backend_redis::IamOptions,
    ) -> Result<funcify_backend_redis::RedisConfig, ConfigError> {
        Err(ConfigError::FeatureDisabled { feature: "redis-iam" })
    }

    #[cfg(feature = "dynamodb")]
    async fn open_dynamodb<W: Wanted>(
        &mut self,
        url: &str,
        wanted: W,
    ) -> Result<W::Made, ConfigError> {
        use funcify_backend_dynamodb::{DynamoDbBackend, DynamoDbConfig};

        let config = DynamoDbConfig::parse(url).map_err(refused("dynamodb"))?;
        let aws = self.aws.config("dynamodb", config.time_limits()).await?;
        Ok(wanted.of("dynamodb", DynamoDbBackend::new(config, aws).map_err(refused("dynamodb"))?))
    }

    #[cfg(not(feature = "dynamodb"))]
    async fn open_dynamodb<W: Wanted>(
        &mut self,
        _url: &str,
        _wanted: W,
    ) -> Result<W::Made, ConfigError> {
        disabled("dynamodb")
    }

    #[cfg(feature = "ssm")]
    async fn open_ssm<W: Wanted>(&mut self, url: &str, wanted: W) -> Result<W::Made, ConfigError> {
        use funcify_backend_ssm::{SsmBackend, SsmConfig};

        let config = SsmConfig::parse(url).map_err(refused("ssm"))?;
        let aws = self.aws.config("ssm", config.time_limits()).await?;
        Ok(wanted.of("ssm", SsmBackend::new(config, aws).map_err(refused("ssm"))?))
    }

    #[cfg(not(feature = "ssm"))]
    async fn open_ssm<W: Wanted>(
        &mut self,
        _url: &str,
        _wanted: W,
    ) -> Result<W::Made, ConfigError> {
        disabled("ssm")
    }
}

#[cfg(feature = "memory")]
#[expect(clippy::unnecessary_wraps, reason = "without the feature it is an error")]
fn open_memory<W: Wanted>(wanted: W) -> Result<W::Made, ConfigError> {
    Ok(wanted.of("memory", funcify_backend_memory::MemoryBackend::default()))
}

#[cfg(not(feature = "memory"))]
fn open_memory<W: Wanted>(_wanted: W) -> Result<W::Made, ConfigError> {
    disabled("memory")
}

#[cfg(not(all(feature = "memory", feature = "redis", feature = "dynamodb", feature = "ssm")))]
fn disabled<T>(feature: &'static str) -> Result<T, ConfigError> {
    Err(ConfigError::FeatureDisabled { feature })
}
