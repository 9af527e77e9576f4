//! The table: made on request, checked when it is already there.

use std::{future::Future, time::Duration};

use aws_sdk_dynamodb::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
    types::{
        AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
        TableDescription, TableStatus, TimeToLiveSpecification, TimeToLiveStatus,
    },
};
use funcify_core::{StoreError, StoreErrorKind};
use tokio::time::{Instant, sleep, timeout};

use crate::{
    DynamoDbBackend, DynamoDbError,
    error::{Request, store_error},
    wire::{KEY, TTL},
};

/// A table is there within seconds, but for a bad day of the service.
const READY_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(250);
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

impl DynamoDbBackend {
    /// Creates the table unless it is there, and waits until it can be used: on demand, with the
    /// string partition key `pk` and clean-up by the attribute `ttl`.
    ///
    /// For a deployment or a test, not for a function: it takes seconds and needs the rights
    /// `dynamodb:CreateTable`, `DescribeTable`, `DescribeTimeToLive` and `UpdateTimeToLive`.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Invalid`] if the table is there with another key; otherwise whatever
    /// DynamoDB failed with.
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
        match answer(create.send()).await? {
            Ok(_) => {}
            Err(error) if error.code() == Some("ResourceInUseException") => {}
            Err(error) => return Err(self.failed(error)),
        }
        self.await_table().await?;
        self.switch_clean_up_on().await
    }

    async fn await_table(&self) -> Result<(), StoreError> {
        let until = Instant::now() + READY_WITHIN;
        loop {
            let describe = self.client().describe_table().table_name(self.table());
            let table = answer(describe.send()).await?.map_err(|error| self.failed(error))?.table;
            let status = table.as_ref().and_then(TableDescription::table_status);
            if matches!(status, Some(TableStatus::Active | TableStatus::Updating)) {
                return match table {
                    Some(table) if has_our_key(&table) => Ok(()),
                    _ => Err(store_error(
                        StoreErrorKind::Invalid,
                        DynamoDbError::KeySchema { table: self.table().to_owned() },
                    )),
                };
            }
            if Instant::now() + LOOK_EVERY > until {
                return Err(Request::Read.timed_out(READY_WITHIN));
            }
            sleep(LOOK_EVERY).await;
        }
    }

    async fn switch_clean_up_on(&self) -> Result<(), StoreError> {
        let describe = self.client().describe_time_to_live().table_name(self.table());
        let found = answer(describe.send()).await?.map_err(|error| self.failed(error))?;
        let clean_up = found.time_to_live_description;
        let status = clean_up.and_then(|clean_up| clean_up.time_to_live_status);
        if matches!(status, Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling)) {
            return Ok(());
        }
        let on = TimeToLiveSpecification::builder().attribute_name(TTL).enabled(true).build();
        let update = self
            .client()
            .update_time_to_live()
            .table_name(self.table())
            .time_to_live_specification(on.map_err(build_error)?);
        answer(update.send()).await?.map_err(|error| self.failed(error))?;
        Ok(())
    }

    fn failed<E>(&self, error: SdkError<E, HttpResponse>) -> StoreError
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        Request::Write.failed(error, self.table())
    }
}

fn has_our_key(table: &TableDescription) -> bool {
    let is_string = table.attribute_definitions().iter().any(|attribute| {
        attribute.attribute_name() == KEY && *attribute.attribute_type() == ScalarAttributeType::S
    });
    let schema = table.key_schema();
    is_string
        && schema.len() == 1
        && schema.iter().all(|key| key.attribute_name() == KEY && *key.key_type() == KeyType::Hash)
}

async fn answer<T, E>(
    send: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
) -> Result<Result<T, SdkError<E, HttpResponse>>, StoreError> {
    timeout(ANSWER_WITHIN, send).await.map_err(|_| Request::Write.timed_out(ANSWER_WITHIN))
}

fn build_error(error: aws_sdk_dynamodb::error::BuildError) -> StoreError {
    store_error(StoreErrorKind::Invalid, DynamoDbError::NotSent(error.into()))
}
