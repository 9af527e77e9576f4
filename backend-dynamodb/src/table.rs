//! Creates the table, or checks the existing one.

use std::time::Duration;

use aws_sdk_dynamodb::{
    error::ProvideErrorMetadata,
    types::{
        AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
        TableDescription, TableStatus, TimeToLiveSpecification, TimeToLiveStatus,
    },
};
use funcify_backend_aws::{AwsError, Request, bounded};
use funcify_core::{StoreError, StoreErrorKind};
use tokio::time::{Instant, sleep};

use crate::{DynamoDbBackend, DynamoDbConfig, DynamoDbError, error::store_error, table_key::TTL};

/// How long to wait for a new table, 60 s. A table is usually ready after a few seconds.
const READY_TIMEOUT: Duration = Duration::from_secs(60);

/// How often to ask for the status of a new table.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// The time limit of one request about a table, 10 s. A deployment can wait, unlike a function.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

impl DynamoDbBackend {
    /// Creates the table unless it exists, and waits until it can be used.
    ///
    /// The table is billed on demand. Its key is the one that the configuration names: the string partition
    /// key `pk` unless set. It expires items by the attribute `ttl`.
    ///
    /// Call this in a deployment or a test, not in a function. It takes seconds, and needs the permissions
    /// `dynamodb:CreateTable`, `dynamodb:DescribeTable`, `dynamodb:DescribeTimeToLive` and
    /// `dynamodb:UpdateTimeToLive`.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Invalid`] if the table exists with another key. [`StoreErrorKind::Timeout`] if it
    /// cannot be used after 60 s. Other errors are those of the requests to DynamoDB.
    ///
    /// # Examples
    ///
    /// ```
    /// use funcify_backend_dynamodb::DynamoDbBackend;
    /// use funcify_core::StoreError;
    ///
    /// async fn deploy(backend: &DynamoDbBackend) -> Result<(), StoreError> {
    ///     backend.create_table().await
    /// }
    /// # let _ = deploy;
    /// ```
    pub async fn create_table(&self) -> Result<(), StoreError> {
        let mut create = self
            .client()
            .create_table()
            .table_name(&self.config().table)
            .billing_mode(BillingMode::PayPerRequest);
        for (name, kind) in keys(self.config()) {
            let attribute = AttributeDefinition::builder()
                .attribute_name(name)
                .attribute_type(ScalarAttributeType::S);
            let key = KeySchemaElement::builder().attribute_name(name).key_type(kind);
            create = create
                .attribute_definitions(attribute.build().map_err(build_error)?)
                .key_schema(key.build().map_err(build_error)?);
        }
        match bounded(REQUEST_TIMEOUT, create.send()).await {
            Ok(_) => {}
            Err(error) if error.code() == Some("ResourceInUseException") => {}
            Err(error) => return Err(self.failed(Request::Write, error)),
        }
        self.await_table().await?;
        self.enable_expiry().await
    }

    async fn await_table(&self) -> Result<(), StoreError> {
        let deadline = Instant::now() + READY_TIMEOUT;
        loop {
            let describe = self.client().describe_table().table_name(&self.config().table);
            let table = bounded(REQUEST_TIMEOUT, describe.send()).await;
            let table = table.map_err(|error| self.failed(Request::Write, error))?.table;
            let status = table.as_ref().and_then(TableDescription::table_status);
            if matches!(status, Some(TableStatus::Active | TableStatus::Updating)) {
                return match table {
                    Some(table) if has_key(&table, self.config()) => Ok(()),
                    _ => Err(store_error(StoreErrorKind::Invalid, self.key_schema())),
                };
            }
            if Instant::now() + POLL_INTERVAL > deadline {
                let source = AwsError::Timeout { after: READY_TIMEOUT, advice: None };
                return Err(store_error(StoreErrorKind::Timeout, source.into()));
            }
            sleep(POLL_INTERVAL).await;
        }
    }

    pub(crate) fn key_schema(&self) -> DynamoDbError {
        let (table, expected) = (self.config().table.clone(), self.config().key.to_string());
        DynamoDbError::KeySchema { table, expected }
    }

    async fn enable_expiry(&self) -> Result<(), StoreError> {
        let describe = self.client().describe_time_to_live().table_name(&self.config().table);
        let found = bounded(REQUEST_TIMEOUT, describe.send()).await;
        let expiry =
            found.map_err(|error| self.failed(Request::Write, error))?.time_to_live_description;
        let status = expiry.and_then(|expiry| expiry.time_to_live_status);
        if matches!(status, Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling)) {
            return Ok(());
        }
        let on = TimeToLiveSpecification::builder().attribute_name(TTL).enabled(true).build();
        let update = self
            .client()
            .update_time_to_live()
            .table_name(&self.config().table)
            .time_to_live_specification(on.map_err(build_error)?);
        bounded(REQUEST_TIMEOUT, update.send())
            .await
            .map_err(|error| self.failed(Request::Write, error))?;
        Ok(())
    }
}

/// Returns the key attributes of the table. All of them are strings.
fn keys(config: &DynamoDbConfig) -> Vec<(&str, KeyType)> {
    let partition = (config.key.partition.as_str(), KeyType::Hash);
    let sort = config.key.sort.as_ref().map(|sort| (sort.name.as_str(), KeyType::Range));
    [Some(partition), sort].into_iter().flatten().collect()
}

pub(crate) fn has_key(table: &TableDescription, config: &DynamoDbConfig) -> bool {
    let (keys, schema) = (keys(config), table.key_schema());
    let is_string = |name: &str| {
        table.attribute_definitions().iter().any(|attribute| {
            attribute.attribute_name() == name
                && *attribute.attribute_type() == ScalarAttributeType::S
        })
    };
    let in_schema = |(name, kind): &(&str, KeyType)| {
        is_string(name)
            && schema.iter().any(|key| key.attribute_name() == *name && key.key_type() == kind)
    };
    schema.len() == keys.len() && keys.iter().all(in_schema)
}

fn build_error(error: aws_sdk_dynamodb::error::BuildError) -> StoreError {
    store_error(StoreErrorKind::Invalid, AwsError::NotSent(error.into()).into())
}
