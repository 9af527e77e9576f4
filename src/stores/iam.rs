//! The passwords for a cache with IAM authentication: a signed token for each connection.

use std::{error::Error, time::Duration};

use async_trait::async_trait;
use funcify_backend_aws::{AwsConfigError, CacheService, CacheSigner, SdkConfig};
use funcify_backend_redis::{IamOptions, IamService, PasswordSource};
use secrecy::SecretString;

#[derive(Debug)]
pub(super) struct CachePasswords(CacheSigner);

impl CachePasswords {
    pub(super) fn new(iam: &IamOptions, aws: &SdkConfig) -> Result<Self, AwsConfigError> {
        let service = match iam.service {
            IamService::MemoryDb => CacheService::MemoryDb,
            IamService::ElastiCacheServerless => CacheService::ElastiCacheServerless,
            _ => CacheService::ElastiCache,
        };
        let region = iam.region.as_deref();
        CacheSigner::new(service, &iam.cache, &iam.user, region, aws).map(Self)
    }
}

#[async_trait]
impl PasswordSource for CachePasswords {
    async fn password(&self) -> Result<SecretString, Box<dyn Error + Send + Sync>> {
        Ok(SecretString::from(self.0.token().await?.as_str()))
    }

    fn valid_for(&self) -> Duration {
        CacheSigner::VALID_FOR
    }
}
