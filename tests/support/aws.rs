//! Clients of the local AWS server, or of the caller's own AWS: for registers, and for tests that bypass them.

use std::time::Duration;

use aws_config::{BehaviorVersion, SdkConfig};
use funcify_backend_dynamodb::{DynamoDbBackend, DynamoDbConfig};
use funcify_backend_ssm::{SsmBackend, SsmConfig};

use super::env;

/// One local server represents all of AWS here, on a machine that may be busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// The configuration that the facade uses, with another endpoint if one is given.
pub(crate) async fn config(endpoint: Option<&str>) -> SdkConfig {
    let loader = aws_config::defaults(BehaviorVersion::latest());
    match endpoint {
        Some(endpoint) => loader.endpoint_url(endpoint).load().await,
        None => loader.load().await,
    }
}

pub(crate) fn dynamodb_config() -> DynamoDbConfig {
    DynamoDbConfig::parse(&env::dynamodb()).unwrap().with_attempt_timeout(PATIENCE)
}

pub(crate) fn ssm_config() -> SsmConfig {
    SsmConfig::parse(&env::ssm()).unwrap().with_attempt_timeout(PATIENCE)
}

/// A register on the table, which is created if it does not exist.
pub(crate) async fn dynamodb() -> DynamoDbBackend {
    let backend = DynamoDbBackend::new(dynamodb_config(), &config(None).await).unwrap();
    backend.create_table().await.unwrap();
    backend
}

pub(crate) async fn ssm() -> SsmBackend {
    SsmBackend::new(ssm_config(), &config(None).await).unwrap()
}
