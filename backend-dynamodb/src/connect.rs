use std::{
    future::Future,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use aws_config::{Region, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_dynamodb::{
    Client,
    config::{BehaviorVersion, Builder, StalledStreamProtectionConfig, http::HttpResponse},
    error::SdkError,
};
use funcify_core::StoreError;
use tokio::time::timeout;

use crate::{DynamoDbConfig, DynamoDbConfigError, error::Request};

/// How long a connection may take to stand.
const CONNECT: Duration = Duration::from_millis(250);

/// A client that sends each request once, and waits for its answer as long as one attempt may take.
pub(crate) struct Connection {
    client: Client,
    attempt: Duration,
    /// Whether the last request was answered, so that a connection stands.
    stands: AtomicBool,
}

impl Connection {
    /// Does no I/O.
    pub(crate) fn new(
        builder: Builder,
        config: &DynamoDbConfig,
    ) -> Result<Self, DynamoDbConfigError> {
        config.check()?;
        let builder = match &config.region {
            Some(region) => builder.region(Region::new(region.clone())),
            None => builder,
        };
        let service = builder
            .behavior_version(BehaviorVersion::latest())
            // What the SDK repeats by itself is sent twice without anybody knowing.
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::builder().connect_timeout(CONNECT).build())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .build();
        if service.region().is_none() {
            return Err(DynamoDbConfigError::Region { got: String::new() });
        }
        let client = Client::from_conf(service);
        Ok(Self { client, attempt: config.attempt, stands: AtomicBool::new(false) })
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// The answer to one request; one that does not come in time is an error of its own.
    pub(crate) async fn answer<T, E>(
        &self,
        request: Request,
        send: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> Result<Result<T, SdkError<E, HttpResponse>>, StoreError> {
        let connecting = if self.stands.load(Ordering::Relaxed) { Duration::ZERO } else { CONNECT };
        let patience = self.attempt + connecting;
        let answer = timeout(patience, send).await;
        let answered = matches!(&answer, Ok(Ok(_) | Err(SdkError::ServiceError(_))));
        self.stands.store(answered, Ordering::Relaxed);
        answer.map_err(|_| request.timed_out(patience))
    }
}
