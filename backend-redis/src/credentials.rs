//! The password of a connection: a fixed one, or one that a source makes for each connection.

use std::{error::Error, fmt, time::Duration};

use async_trait::async_trait;
use secrecy::SecretString;

/// Makes a password for each connection, for servers whose passwords are short-lived tokens.
///
/// # Examples
///
/// ```
/// use std::{error::Error, time::Duration};
/// use funcify_backend_redis::{PasswordSource, RedisConfig};
/// use secrecy::SecretString;
///
/// #[derive(Debug)]
/// struct Vault;
///
/// #[async_trait::async_trait]
/// impl PasswordSource for Vault {
///     async fn password(&self) -> Result<SecretString, Box<dyn Error + Send + Sync>> {
///         Ok(SecretString::from("what your vault says now"))
///     }
///
///     fn valid_for(&self) -> Duration {
///         Duration::from_secs(3_600)
///     }
/// }
///
/// let config = RedisConfig::new("cache.example.com", 6379)
///     .with_tls()
///     .with_password_source("orders", Vault);
/// ```
#[async_trait]
pub trait PasswordSource: fmt::Debug + Send + Sync + 'static {
    /// Returns the password for a connection that is opened now. The time that this takes is a part of the
    /// time to connect, so it should not use the network.
    ///
    /// # Errors
    ///
    /// Why there is no password. The connection is not opened then, and the error of the operation contains
    /// this one as a cause.
    async fn password(&self) -> Result<SecretString, Box<dyn Error + Send + Sync>>;

    /// Returns how long a connection may be used after it has logged in. The first operation after that time
    /// opens a new connection.
    fn valid_for(&self) -> Duration;
}

/// The IAM authentication that the options of a URL ask for: `iam`, `cache` and `region`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IamOptions {
    /// The service that runs the cache.
    pub service: IamService,
    /// The name of the replication group, serverless cache or MemoryDB cluster, in lower case.
    pub cache: String,
    /// The region of the cache. `None` means the region of the process.
    pub region: Option<String>,
    /// The user. Its authentication mode must be IAM.
    pub user: String,
}

/// A service that accepts IAM tokens as passwords.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IamService {
    /// ElastiCache with nodes: a replication group.
    ElastiCache,
    /// ElastiCache Serverless.
    ElastiCacheServerless,
    /// MemoryDB.
    MemoryDb,
}

impl IamService {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "elasticache" => Some(Self::ElastiCache),
            "elasticache-serverless" => Some(Self::ElastiCacheServerless),
            "memorydb" => Some(Self::MemoryDb),
            _ => None,
        }
    }
}
