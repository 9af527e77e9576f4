//! Opens each backend, if its feature is on.

use super::{Stores, url::Backend};
use crate::config_error::ConfigError;

impl Stores {
    /// Opens the backend that `url` names, for tokens and circuits. This does no network I/O.
    ///
    /// | URL | store |
    /// |---|---|
    /// | `memory:` | the memory of this process, not shared |
    /// | `redis://[user:password@]host[:port][/database][?prefix&insecure&ca=PATH]` | one node of Redis or Valkey |
    /// | `rediss://…` | the same over TLS |
    /// | `redis-cluster://host1,host2…`, `rediss-cluster://…` | a cluster |
    /// | `dynamodb://TABLE[?region&prefix]` | a DynamoDB table with the string key `pk` |
    /// | `ssm:///path[?kms_key=alias/…&tier=standard\|advanced&region]` | SSM Parameter Store, under the path |
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
    #[cfg(any(feature = "dynamodb", feature = "ssm"))]
    aws: Option<funcify_backend_aws::SdkConfig>,
}

impl Opening {
    pub(super) async fn open(&mut self, backend: &Backend) -> Result<Stores, ConfigError> {
        match backend {
            Backend::Memory => open_memory(),
            Backend::Redis(url) => open_redis(url),
            Backend::DynamoDb(url) => self.open_dynamodb(url).await,
            Backend::Ssm(url) => self.open_ssm(url).await,
        }
    }

    #[cfg(feature = "dynamodb")]
    async fn open_dynamodb(&mut self, url: &str) -> Result<Stores, ConfigError> {
        use funcify_backend_dynamodb::{DynamoDbBackend, DynamoDbConfig};

        let config = DynamoDbConfig::parse(url).map_err(refused("dynamodb"))?;
        let aws = self.aws("dynamodb").await?;
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
        let aws = self.aws("ssm").await?;
        Ok(Stores::new(SsmBackend::new(config, aws).map_err(refused("ssm"))?))
    }

    #[cfg(not(feature = "ssm"))]
    async fn open_ssm(&mut self, _url: &str) -> Result<Stores, ConfigError> {
        disabled("ssm")
    }

    /// The configuration for both AWS services, over the kind of HTTP client that funcify uses for
    /// everything else: one HTTP stack, with root certificates that need no parsing.
    #[cfg(any(feature = "dynamodb", feature = "ssm"))]
    async fn aws(
        &mut self,
        backend: &'static str,
    ) -> Result<&funcify_backend_aws::SdkConfig, ConfigError> {
        use funcify_backend_aws::{CONNECT_TIMEOUT, ca_bundle, sdk_config};

        let config = match self.aws.take() {
            Some(config) => config,
            None => {
                let trusted = ca_bundle().map_err(refused(backend))?;
                let client = crate::client::client_with(&trusted, CONNECT_TIMEOUT);
                sdk_config(client.map_err(refused(backend))?).await
            }
        };
        Ok(self.aws.insert(config))
    }
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

#[cfg(any(feature = "redis", feature = "dynamodb", feature = "ssm"))]
fn refused<E: std::error::Error + Send + Sync + 'static>(
    backend: &'static str,
) -> impl FnOnce(E) -> ConfigError {
    move |source| {
        ConfigError::because(format!("the URL of the {backend} backend cannot be used"), source)
    }
}

#[cfg(not(all(feature = "memory", feature = "redis", feature = "dynamodb", feature = "ssm")))]
fn disabled(feature: &'static str) -> Result<Stores, ConfigError> {
    Err(ConfigError::FeatureDisabled { feature })
}
