//! Creates the table, or checks the one that exists.

use std::time::Duration;

use aws_sdk_dynamodb::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
    types::{
        AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
        TableDescription, TableStatus, TimeToLiveSpecification, TimeToLiveStatus,
    },
};
use funcify_backend_aws::{AwsError, Request, bounded};
use funcify_core::{StoreError, StoreErrorKind};
use tokio::time::{Instant, sleep};

use crate::{
    DynamoDbBackend, DynamoDbError,
    error::{failed, store_error},
    wire::{KEY, TTL},
};

/// How long to wait for a new table, 60 s. It is usually ready after a few seconds.
const READY_TIMEOUT: Duration = Duration::from_secs(60);

/// How often to ask for the status of a new table.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// The time limit of one request about a table, 10 s. A deployment can wait, unlike a function.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

impl DynamoDbBackend {
    /// Creates the table unless it exists, and waits until it can be used. The table is billed on
    /// demand, has the string partition key `pk`, and expires items by the attribute `ttl`.
    ///
    /// Call this in a deployment or a test, not in a function: it takes seconds and needs the
    /// permissions `dynamodb:CreateTable`, `DescribeTable`, `DescribeTimeToLive` and
    /// `UpdateTimeToLive`.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Invalid`] if the table exists with another key. Other errors are those of
    /// the requests to DynamoDB.
    pub async fn create_table(&self) -> Result<(), StoreError> {
        let partition_key = AttributeDefinition::builder()
            .attribute_name(KEY)
            .attribute_type(ScalarAttributeType::S)
            .build();
        let schema =
            KeySchemaElement::builder().attribute_name(KEY).key_type(KeyType::Hash).build();
        let create = self
            .client()
            .create_table()
            .table_name(self.table())
            .billing_mode(BillingMode::PayPerRequest)
            .attribute_definitions(partition_key.map_err(build_error)?)
            .key_schema(schema.map_err(build_error)?);
        match bounded(REQUEST_TIMEOUT, create.send()).await {
            Ok(_) => {}
            Err(error) if error.code() == Some("ResourceInUseException") => {}
            Err(error) => return Err(self.failed(error)),
        }
        self.await_table().await?;
        self.enable_expiry().await
    }

    async fn await_table(&self) -> Result<(), StoreError> {
        let deadline = Instant::now() + READY_TIMEOUT;
        loop {
            let describe = self.client().describe_table().table_name(self.table());
            let table = bounded(REQUEST_TIMEOUT, describe.send()).await;
            let table = table.map_err(|error| self.failed(error))?.table;
            let status = table.as_ref().and_then(TableDescription::table_status);
            if matches!(status, Some(TableStatus::Active | TableStatus::Updating)) {
                return match table {
                    Some(table) if has_expected_key(&table) => Ok(()),
                    _ => Err(store_error(
                        StoreErrorKind::Invalid,
                        DynamoDbError::KeySchema { table: self.table().to_owned() },
                    )),
                };
            }
            if Instant::now() + POLL_INTERVAL > deadline {
                let source = AwsError::Timeout { after: READY_TIMEOUT };
                return Err(store_error(StoreErrorKind::Timeout, source.into()));
            }
            sleep(POLL_INTERVAL).await;
        }
    }

    async fn enable_expiry(&self) -> Result<(), StoreError> {
        let describe = self.client().describe_time_to_live().table_name(self.table());
        let found = bounded(REQUEST_TIMEOUT, describe.send()).await;
        let expiry = found.map_err(|error| self.failed(error))?.time_to_live_description;
        let status = expiry.and_then(|expiry| expiry.time_to_live_status);
        if matches!(status, Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling)) {
            return Ok(());
        }
        let on = TimeToLiveSpecification::builder().attribute_name(TTL).enabled(true).build();
        let update = self
            .client()
            .update_time_to_live()
            .table_name(self.table())
            .time_to_live_specification(on.map_err(build_error)?);
        bounded(REQUEST_TIMEOUT, update.send()).await.map_err(|error| self.failed(error))?;
        Ok(())
    }

    fn failed<E>(&self, error: SdkError<E, HttpResponse>) -> StoreError
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        failed(Request::Write, error, self.table())
    }
}

fn has_expected_key(table: &TableDescription) -> bool {
    let is_string = table.attribute_definitions().iter().any(|attribute| {
        attribute.attribute_name() == KEY && *attribute.attribute_type() == ScalarAttributeType::S
    });
    let schema = table.key_schema();
    is_string
        && schema.len() == 1
        && schema.iter().all(|key| key.attribute_name() == KEY && *key.key_type() == KeyType::Hash)
}

fn build_error(error: aws_sdk_dynamodb::error::BuildError) -> StoreError {
    store_error(StoreErrorKind::Invalid, AwsError::NotSent(error.into()).into())
}
