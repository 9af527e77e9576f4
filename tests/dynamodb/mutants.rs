//! Mutants: puts with one mistake each. The conformance suite must catch all of them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use funcify_core::conformance::{self, Subject};
use funcify_core::register::{
    Body, PollPolicy, RecordKey, Register, Swap, Version, Versioned, WriteId,
};
use funcify_core::{StoreError, StoreErrorKind};
use serde_json::Map;

use crate::support::{aws, env};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mistake {
    None,
    /// Puts without a condition.
    Blind,
    /// Reads, compares, and then puts without a condition.
    ReadThenPut,
    /// Does not recognize its own write.
    Forgetful,
    /// Keeps the members that the new record no longer has.
    Update,
}

/// A simple register on the same table, with a prefix of its own.
#[derive(Clone, Debug)]
struct Mutant {
    client: Client,
    table: String,
    mistake: Mistake,
}

impl Mutant {
    async fn with(mistake: Mistake) -> Self {
        aws::dynamodb().await;
        let url = env::dynamodb();
        let table = url.trim_start_matches("dynamodb://").split('?').next().unwrap().to_owned();
        Self { client: Client::new(&aws::config(None).await), table, mistake }
    }
}

fn text(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

fn record(item: &HashMap<String, AttributeValue>) -> Option<Versioned<Body>> {
    let version = Version::from(item["write_id"].as_s().unwrap().parse::<WriteId>().ok()?);
    Some(Versioned::new(item["rec"].as_s().unwrap().parse().unwrap(), version))
}

#[async_trait]
impl Register for Mutant {
    async fn read(&self, key: &RecordKey) -> Result<Option<Versioned<Body>>, StoreError> {
        let get = self.client.get_item().table_name(&self.table).consistent_read(true);
        let found = get.key("pk", text(format!("mutant:{key}"))).send().await.unwrap().item;
        Ok(found.as_ref().and_then(record))
    }

    async fn swap(
        &self,
        key: &RecordKey,
        expected: Option<Version>,
        id: WriteId,
        body: &Body,
        _keep_for: Duration,
    ) -> Result<Swap<Body>, StoreError> {
        let current = match self.mistake {
            Mistake::ReadThenPut | Mistake::Update => self.read(key).await?,
            _ => None,
        };
        if self.mistake == Mistake::ReadThenPut {
            match &current {
                Some(current) if WriteId::from(current.version) == id => {
                    return Ok(Swap::Applied(current.version));
                }
                _ if current.as_ref().map(|current| current.version) != expected => {
                    return Ok(Swap::Conflict(current));
                }
                _ => {}
            }
        }
        let mut members = body.as_ref().clone();
        if self.mistake == Mistake::Update {
            let before = current.map(|current| Map::from(current.value)).unwrap_or_default();
            members = before.into_iter().chain(members).collect();
        }
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .item("pk", text(format!("mutant:{key}")))
            .item("write_id", text(id.to_string()))
            .item("rec", text(Body::from(members).to_string()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let put = match (self.mistake, expected) {
            (Mistake::Blind | Mistake::ReadThenPut, _) => put,
            (_, None) => put.condition_expression("attribute_not_exists(write_id)"),
            (_, Some(expected)) => {
                put.condition_expression("write_id = :expected").expression_attribute_values(
                    ":expected",
                    text(WriteId::from(expected).to_string()),
                )
            }
        };
        let Err(error) = put.send().await else { return Ok(Swap::Applied(Version::from(id))) };
        let failed = match error.into_service_error() {
            PutItemError::ConditionalCheckFailedException(failed) => failed,
            other => return Err(StoreError::new("mutant", StoreErrorKind::Invalid, other)),
        };
        match failed.item().and_then(record) {
            Some(current)
                if WriteId::from(current.version) == id && self.mistake != Mistake::Forgetful =>
            {
                Ok(Swap::Applied(current.version))
            }
            current => Ok(Swap::Conflict(current)),
        }
    }

    fn poll_policy(&self) -> PollPolicy {
        PollPolicy::default()
    }
}

#[async_trait]
impl Subject for Mutant {
    async fn fresh(&self) -> Result<Arc<dyn Register>, StoreError> {
        Ok(Arc::new(self.clone()))
    }
}

async fn failures(mistake: Mistake) -> Vec<String> {
    conformance::run(&Mutant::with(mistake).await).await.failed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_correct_put_passes() {
    let failures = failures(Mistake::None).await;
    assert!(failures.is_empty(), "{failures:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mutant_that_puts_without_a_condition_is_caught() {
    let failures = failures(Mistake::Blind).await;
    assert!(failures.iter().any(|check| check.starts_with("L2")), "{failures:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mutant_that_reads_before_a_put_without_a_condition_is_caught() {
    let failures = failures(Mistake::ReadThenPut).await;
    assert!(failures.iter().any(|check| check.contains("concurrent")), "{failures:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mutant_that_does_not_recognize_its_own_write_is_caught() {
    let failures = failures(Mistake::Forgetful).await;
    assert!(failures.iter().any(|check| check.starts_with("L10")), "{failures:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mutant_that_keeps_old_members_is_caught() {
    let failures = failures(Mistake::Update).await;
    assert!(failures.iter().any(|check| check.starts_with("L1 ")), "{failures:?}");
}
