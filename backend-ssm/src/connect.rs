use std::future::Future;

use aws_config::{Region, retry::RetryConfig};
use aws_sdk_ssm::{
    Client,
    config::{BehaviorVersion, Builder, StalledStreamProtectionConfig, http::HttpResponse},
    error::SdkError,
};
use funcify_backend_aws::{Attempts, AwsConfigError, timeouts};

use crate::{SsmConfig, SsmConfigError};

/// A client that sends each request once and limits the time of each.
pub(crate) struct Connection {
    client: Client,
    attempts: Attempts,
}

impl Connection {
    /// Does no I/O.
    pub(crate) fn new(builder: Builder, config: &SsmConfig) -> Result<Self, SsmConfigError> {
        config.check()?;
        let builder = match &config.region {
            Some(region) => builder.region(Region::new(region.clone())),
            None => builder,
        };
        let service = builder
            .behavior_version(BehaviorVersion::latest())
            // A request that the SDK repeats by itself may take effect twice.
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .build();
        if service.region().is_none() {
            return Err(AwsConfigError::Region { got: String::new() }.into());
        }
        let client = Client::from_conf(service);
        Ok(Self { client, attempts: Attempts::new(config.attempt_timeout) })
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) async fn response<T, E>(
        &self,
        send: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> Result<T, SdkError<E, HttpResponse>> {
        self.attempts.response(send).await
    }
}
