use aws_config::{Region, retry::RetryConfig};
use aws_sdk_ssm::{
    Client,
    config::{BehaviorVersion, Builder, StalledStreamProtectionConfig},
};
use funcify_backend_aws::{AwsConfigError, Connection, timeouts};

use crate::{SsmConfig, SsmConfigError};

/// Creates a client that sends each request once. This does no I/O.
///
/// The DynamoDB backend has the same function, because the builders of the SDKs share no trait.
pub(crate) fn connect(
    builder: Builder,
    config: &SsmConfig,
) -> Result<Connection<Client>, SsmConfigError> {
    config.check()?;
    let builder = match &config.region {
        Some(region) => builder.region(Region::new(region.clone())),
        None => builder,
    };
    let service = builder
        .behavior_version(BehaviorVersion::latest())
        // A request that the SDK repeats may take effect twice.
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts(&config.limits))
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .build();
    if service.region().is_none() {
        return Err(AwsConfigError::Region { got: String::new() }.into());
    }
    Ok(Connection::new(Client::from_conf(service), config.attempt_timeout(), config.limits))
}
