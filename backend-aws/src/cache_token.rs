//! The token with which a client logs in to ElastiCache or MemoryDB with IAM. It is a presigned request, and
//! is used as the password ("Authenticating with IAM" in the guides of both services).

use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_credential_types::{Credentials, provider::ProvideCredentials};
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign},
    sign::v4,
};
use url::Url;
use zeroize::Zeroizing;

use crate::{AwsConfigError, check_region};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How long a token can be used to log in, 15 minutes: the longest time that both services allow.
const EXPIRES_IN: Duration = Duration::from_secs(15 * 60);

/// The service that runs a cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheService {
    /// ElastiCache with nodes.
    ElastiCache,
    /// ElastiCache Serverless.
    ElastiCacheServerless,
    /// MemoryDB.
    MemoryDb,
}

/// Signs the tokens of one user of one cache.
#[derive(Debug)]
pub struct CacheSigner {
    service: CacheService,
    cache: String,
    user: String,
    region: String,
    aws: SdkConfig,
}

impl CacheSigner {
    /// How long a connection may be used after it has logged in, 11 hours. Both services close a connection
    /// after 12 hours.
    pub const VALID_FOR: Duration = Duration::from_secs(11 * 3_600);

    /// Creates a signer for the user `user` of the cache `cache`, with the credentials in `aws`. Without a
    /// `region`, the region of `aws` is used.
    ///
    /// # Errors
    ///
    /// [`AwsConfigError::Region`] if the region is invalid, or if there is none.
    pub fn new(
        service: CacheService,
        cache: impl Into<String>,
        user: impl Into<String>,
        region: Option<&str>,
        aws: &SdkConfig,
    ) -> Result<Self, AwsConfigError> {
        check_region(region)?;
        let region = region.or_else(|| aws.region().map(AsRef::as_ref));
        let region = region.ok_or(AwsConfigError::Region { got: String::new() })?.to_owned();
        Ok(Self { service, cache: cache.into(), user: user.into(), region, aws: aws.clone() })
    }

    /// Creates a token for one log-in, which can be used for 15 minutes. The signature needs no network, but
    /// loading the credentials may.
    ///
    /// # Errors
    ///
    /// Why the credentials cannot be loaded, or why the request cannot be signed.
    pub async fn token(&self) -> Result<Zeroizing<String>, BoxError> {
        let provider = self.aws.credentials_provider().ok_or("no AWS credentials are set up")?;
        let credentials = provider.provide_credentials().await?;
        self.token_at(SystemTime::now(), credentials)
    }

    fn token_at(
        &self,
        now: SystemTime,
        credentials: Credentials,
    ) -> Result<Zeroizing<String>, BoxError> {
        let mut url = Url::parse(&format!("http://{}/", self.cache))?;
        url.query_pairs_mut().append_pair("Action", "connect").append_pair("User", &self.user);
        if self.service == CacheService::ElastiCacheServerless {
            url.query_pairs_mut().append_pair("ResourceType", "ServerlessCache");
        }
        let mut settings = SigningSettings::default();
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(EXPIRES_IN);
        let service = match self.service {
            CacheService::ElastiCache | CacheService::ElastiCacheServerless => "elasticache",
            CacheService::MemoryDb => "memorydb",
        };
        let identity = credentials.into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(service)
            .time(now)
            .settings(settings)
            .build()?
            .into();
        let host = std::iter::once(("host", self.cache.as_str()));
        let request = SignableRequest::new("GET", url.as_str(), host, SignableBody::Bytes(b""))?;
        let (signed, _) = sign(request, &params)?.into_parts();
        for (name, value) in signed.params() {
            url.query_pairs_mut().append_pair(name, value);
        }
        // The services expect the URL without its scheme.
        let token = url.as_str().trim_start_matches("http://").to_owned();
        Ok(Zeroizing::new(token))
    }
}
