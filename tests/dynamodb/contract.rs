//! The complete contract.

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use funcify_backend_dynamodb::DynamoDbBackend;
use funcify_core::conformance::{self, Fault, Faulty, Raw, Subject};
use funcify_core::register::{RecordKey, Register};
use funcify_core::{StoreError, StoreErrorKind};

use crate::support::{aws, env};

/// The table under test, with a client of its own to inject records.
#[derive(Debug)]
struct Table {
    client: Client,
    name: String,
    faulty: Faulty<DynamoDbBackend>,
}

impl Table {
    async fn new() -> Self {
        let register = aws::dynamodb().await;
        let client = Client::new(&aws::config(None).await);
        let url = env::dynamodb();
        let name = url.trim_start_matches("dynamodb://").split('?').next().unwrap().to_owned();
        Self { client, name, faulty: Faulty::new(Arc::new(register)) }
    }
}

#[async_trait]
impl Subject for Table {
    async fn fresh(&self) -> Result<Arc<dyn Register>, StoreError> {
        DynamoDbBackend::with_client(&self.client, aws::dynamodb_config())
            .map(|register| Arc::new(register) as Arc<dyn Register>)
            .map_err(|error| StoreError::new("dynamodb", StoreErrorKind::Invalid, error))
    }

    async fn inject(&self, key: &RecordKey, raw: Raw<'_>) -> Result<bool, StoreError> {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let pk = text(&format!("funcify:{key}"));
        let put = self.client.put_item().table_name(&self.name).item("pk", pk.clone());
        let put = match raw {
            // Only an attribute that is not JSON makes a record in DynamoDB unreadable.
            Raw::Corrupt { id, text: body } => put
                .item("write_id", text(&id.to_string()))
                .item("rec", AttributeValue::B(Blob::new(body))),
            Raw::Foreign(body) => put.item("rec", text(body)),
            Raw::Deleted => {
                let delete = self.client.delete_item().table_name(&self.name).key("pk", pk);
                delete.send().await.unwrap();
                return Ok(true);
            }
        };
        put.send().await.unwrap();
        Ok(true)
    }

    fn faulty(&self) -> Option<Arc<dyn Register>> {
        Some(Arc::new(self.faulty.clone()))
    }

    async fn enable_fault(&self, fault: Fault) -> bool {
        self.faulty.script([fault]);
        true
    }

    fn reads_may_be_stale(&self, key: &RecordKey) -> bool {
        key.kind.stale_reads
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contract_holds_on_dynamodb() {
    let report = conformance::run(&Table::new().await).await;
    println!("dynamodb\n{report}");
    assert!(report.failed.is_empty(), "the register breaks its contract\n{report}");
    assert!(report.passed.len() >= 60, "{} checks", report.passed.len());
}
