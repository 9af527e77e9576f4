//! Lists the records of a kind with `Scan`.

use std::collections::{BTreeSet, HashMap};

use async_trait::async_trait;
use aws_sdk_dynamodb::types::AttributeValue;
use funcify_backend_aws::{Request, bounded};
use funcify_core::{
    StoreError,
    register::{Inventory, RecordKind, RecordName},
};

use crate::{DynamoDbBackend, table::REQUEST_TIMEOUT};

#[async_trait]
impl Inventory for DynamoDbBackend {
    /// Reads the whole table, page after page. AWS bills the whole read.
    async fn list(&self, kind: RecordKind) -> Result<Vec<RecordName>, StoreError> {
        let start = format!("{}:{kind}:", self.config().prefix);
        let key = &self.config().key;
        let mut names = BTreeSet::new();
        let mut from: Option<HashMap<String, AttributeValue>> = None;
        loop {
            let mut scan = self
                .client()
                .scan()
                .table_name(&self.config().table)
                .projection_expression("#pk")
                .expression_attribute_names("#pk", &key.partition)
                .expression_attribute_values(":start", AttributeValue::S(start.clone()))
                .set_exclusive_start_key(from);
            scan = match &key.sort {
                None => scan.filter_expression("begins_with(#pk, :start)"),
                Some(sort) => scan
                    .filter_expression("begins_with(#pk, :start) AND #sk = :sort")
                    .expression_attribute_names("#sk", &sort.name)
                    .expression_attribute_values(":sort", AttributeValue::S(sort.value.clone())),
            };
            // A page is up to 1 MB, so it gets more time than an operation of a function.
            let page = bounded(REQUEST_TIMEOUT, scan.send())
                .await
                .map_err(|error| self.failed(Request::Read, error))?;
            let keys = page.items.iter().flatten().filter_map(|item| item.get(&key.partition));
            let keys = keys.filter_map(|key| key.as_s().ok());
            names.extend(
                keys.filter_map(|key| key.strip_prefix(&start)?.parse::<RecordName>().ok()),
            );
            from = page.last_evaluated_key.filter(|key| !key.is_empty());
            if from.is_none() {
                return Ok(names.into_iter().collect());
            }
        }
    }
}
