//! Opens each backend, if its feature is on.

#[cfg(any(feature = "redis", feature = "dynamodb", feature = "ssm"))]
use super::refused::refused;
use super::{Stores, url::Backend};
use crate::config_error::ConfigError;

impl Stores {
    /// Opens the backend that `url` names, for tokens and circuits. This does no network I/O.
    ///
    /// | URL | store |
    /// |---|---|
    /// | `memory:` | the memory of this process, not shared |
    /// | `redis://[user:password@]host[:port][/database][?prefix&insecure&ca=PATH&cert=PATH&key=PATH]` | one node of Redis or Valkey |
    /// | `rediss://…` | the same over TLS |
    /// | `redis-cluster://host1,host2…`, `rediss-cluster://…` | a cluster |
    /// | `valkey://…`, `valkeys://…`, `valkey-cluster://…`, `valkeys-cluster://…` | the same, for Valkey |
    /// | `rediss://user@host?iam=elasticache&cache=NAME[&region]` | ElastiCache or MemoryDB with IAM (feature `redis-iam`) |
    /// | `dynamodb://TABLE[?region&prefix&pk&sk&sk_value]` | a DynamoDB table with the string key `pk`; `TABLE` may be an ARN |
    /// | `ssm:///path[?kms_key=alias/…&tier=standard\|advanced\|intelligent&region]` | SSM Parameter Store, under the path |
    ///
    /// Every store but the memory has the options `timeout` (milliseconds for one operation with its
    /// retries, 500 unless set, 100 to 10,000) and `connect_timeout` (half of it unless set). Raise
    /// `timeout` if the store is far away.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if the URL is invalid, or if this build does not include the backend.
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
        Opening::default().open(&url.parse()?).await
    }
}

/// Opens backends that share one AWS configuration.
#[derive(Default)]
pub(super) struct Opening {
    #[cfg(any(feature = "dynamodb", feature = "ssm", feature = "redis-iam"))]
    aws: super::aws::Aws,
}

impl Opening {
    pub(super) async fn open(&mut self, backend: &Backend) -> Result<Stores, ConfigError> {
        match backend {
            Backend::Memory => open_memory(),
            Backend::Redis(url) => self.open_redis(url).await,
            Backend::DynamoDb(url) => self.open_dynamodb(url).await,
            Backend::Ssm(url) => self.open_ssm(url).await,
        }
    }

    #[cfg(feature = "redis")]
    async fn open_redis(&mut self, url: &str) -> Result<Stores, ConfigError> {
        use funcify_backend_redis::{RedisBackend, RedisConfig};

        let mut config = RedisConfig::parse(url).map_err(refused("redis"))?;
        if let Some(iam) = config.iam().cloned() {
            config = self.with_iam(config, iam).await?;
        }
        Ok(Stores::new(RedisBackend::new(config).map_err(refused("redis"))?))
    }

    #[cfg(not(feature = "redis"))]
    async fn open_redis(&mut self, _url: &str) -> Result<Stores, ConfigError> {
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
    async fn open_dynamodb(&mut self, url: &str) -> Result<Stores, ConfigError> {
        use funcify_backend_dynamodb::{DynamoDbBackend, DynamoDbConfig};

        let config = DynamoDbConfig::parse(url).map_err(refused("dynamodb"))?;
        let aws = self.aws.config("dynamodb", config.time_limits()).await?;
        Ok(Stores::new(DynamoDbBackend::new(config, aws).map_err(refused("dynamodb"))?))
    }

    #[cfg(not(feature = "dynamodb"))]
    async fn open_dynamodb(&mut self, _url: &str) -> Result<Stores, ConfigError> {
        disabled("dynamodb")
    }

    #[cfg(feature = "ssm")]
    async fn open_ssm(&mut self, url: &str) -> Result<Stores, ConfigError> {
        use funcify_backend_ssm::{SsmBackend, SsmConfig};

        let config = SsmConfig::parse(url).map_err(refused("ssm"))?;
        let aws = self.aws.config("ssm", config.time_limits()).await?;
        Ok(Stores::new(SsmBackend::new(config, aws).map_err(refused("ssm"))?))
    }

    #[cfg(not(feature = "ssm"))]
    async fn open_ssm(&mut self, _url: &str) -> Result<Stores, ConfigError> {
        disabled("ssm")
    }
}

fn open_memory() -> Result<Stores, ConfigError> {
    #[cfg(feature = "memory")]
    return Ok(Stores::new(funcify_backend_memory::MemoryBackend::default()));
    #[cfg(not(feature = "memory"))]
    disabled("memory")
}

#[cfg(not(all(feature = "memory", feature = "redis", feature = "dynamodb", feature = "ssm")))]
fn disabled(feature: &'static str) -> Result<Stores, ConfigError> {
    Err(ConfigError::FeatureDisabled { feature })
}
