//! Tries each action that a function or an operator needs.

use async_trait::async_trait;
use aws_sdk_dynamodb::{operation::put_item::PutItemError, types::TimeToLiveStatus};
use funcify_backend_aws::{Request, bounded};
use funcify_core::{
    StoreError, StoreErrorKind, Timestamp,
    engine::{Diagnosed, TRIED_RECORD, Trial},
};

use crate::{
    DynamoDbBackend, DynamoDbError,
    error::store_error,
    table::{REQUEST_TIMEOUT, has_key},
    table_key::TTL,
    wire,
};

#[async_trait]
impl Diagnosed for DynamoDbBackend {
    async fn trials(&self) -> Vec<Trial> {
        let read = self.tries_get_item().await;
        let is_hopeless = read.as_ref().is_err_and(|error| error.kind() != StoreErrorKind::Denied);
        let mut trials = vec![Trial::for_functions("dynamodb:GetItem", read)];
        if is_hopeless {
            return trials;
        }
        trials.push(Trial::for_functions("dynamodb:PutItem", self.tries_put_item().await));
        trials.push(Trial::for_operators("dynamodb:Scan", self.tries_scan().await));
        trials.push(Trial::for_operators("dynamodb:DescribeTable", self.tries_describe().await));
        trials.push(Trial::for_operators(
            "dynamodb:DescribeTimeToLive",
            self.tries_describe_expiry().await,
        ));
        trials
    }

    async fn server_time(&self) -> Option<Timestamp> {
        None
    }

    async fn create(&self) -> Result<bool, StoreError> {
        self.create_table().await.map(|()| true)
    }
}

impl DynamoDbBackend {
    fn tried_key(&self) -> String {
        format!("{}:{TRIED_RECORD}", self.config().prefix)
    }

    async fn tries_get_item(&self) -> Result<(), StoreError> {
        let key = wire::key(&self.config().key, self.tried_key());
        let get = self.client().get_item().table_name(&self.config().table).set_key(Some(key));
        let found = bounded(REQUEST_TIMEOUT, get.send()).await;
        found.map(|_| ()).map_err(|error| self.failed(Request::Read, error))
    }

    /// Tries a write whose condition is never true, so that nothing is written.
    async fn tries_put_item(&self) -> Result<(), StoreError> {
        let item = wire::key(&self.config().key, self.tried_key());
        let put = self
            .client()
            .put_item()
            .table_name(&self.config().table)
            .set_item(Some(item))
            .condition_expression("attribute_exists(write_id) AND attribute_not_exists(write_id)");
        match bounded(REQUEST_TIMEOUT, put.send()).await {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(_)) => Ok(()),
                _ => Err(self.failed(Request::Read, error)),
            },
        }
    }

    async fn tries_scan(&self) -> Result<(), StoreError> {
        let scan = self.client().scan().table_name(&self.config().table).limit(1);
        let found = bounded(REQUEST_TIMEOUT, scan.send()).await;
        found.map(|_| ()).map_err(|error| self.failed(Request::Read, error))
    }

    async fn tries_describe(&self) -> Result<(), StoreError> {
        let describe = self.client().describe_table().table_name(&self.config().table);
        let found = bounded(REQUEST_TIMEOUT, describe.send())
            .await
            .map_err(|error| self.failed(Request::Read, error))?;
        match found.table {
            Some(table) if !has_key(&table, self.config()) => {
                Err(store_error(StoreErrorKind::Invalid, self.key_schema()))
            }
            _ => Ok(()),
        }
    }

    async fn tries_describe_expiry(&self) -> Result<(), StoreError> {
        let describe = self.client().describe_time_to_live().table_name(&self.config().table);
        let found = bounded(REQUEST_TIMEOUT, describe.send())
            .await
            .map_err(|error| self.failed(Request::Read, error))?;
        let expiry = found.time_to_live_description;
        let is_ours = expiry.as_ref().and_then(|expiry| expiry.attribute_name()) == Some(TTL);
        let status = expiry.and_then(|expiry| expiry.time_to_live_status);
        match status {
            Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling) if is_ours => Ok(()),
            _ => {
                let table = self.config().table.clone();
                Err(store_error(StoreErrorKind::Invalid, DynamoDbError::NoExpiry { table }))
            }
        }
    }
}
