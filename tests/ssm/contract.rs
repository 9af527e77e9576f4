//! The complete contract.

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_ssm::Client;
use aws_sdk_ssm::types::ParameterType;
use funcify_backend_ssm::SsmBackend;
use funcify_core::conformance::{self, Fault, Faulty, Raw, Subject};
use funcify_core::register::{RecordKey, Register};
use funcify_core::{StoreError, StoreErrorKind};

use crate::support::{aws, env};

/// The path under test, with a client of its own to inject records.
#[derive(Debug)]
struct Path {
    client: Client,
    path: String,
    faulty: Faulty<SsmBackend>,
}

impl Path {
    async fn new() -> Self {
        let client = Client::new(&aws::config(None).await);
        let url = env::ssm();
        let path = url.trim_start_matches("ssm://").split('?').next().unwrap().to_owned();
        Self { client, path, faulty: Faulty::new(Arc::new(aws::ssm().await)) }
    }

    async fn put(&self, name: &str, value: &str) {
        let put = self.client.put_parameter().name(name).value(value).overwrite(true);
        put.r#type(ParameterType::SecureString).send().await.unwrap();
    }
}

#[async_trait]
impl Subject for Path {
    async fn fresh(&self) -> Result<Arc<dyn Register>, StoreError> {
        SsmBackend::with_client(&self.client, aws::ssm_config())
            .map(|register| Arc::new(register) as Arc<dyn Register>)
            .map_err(|error| StoreError::new("ssm", StoreErrorKind::Invalid, error))
    }

    async fn inject(&self, key: &RecordKey, raw: Raw<'_>) -> Result<bool, StoreError> {
        let name = format!("{}/{}/{}", self.path, key.kind, key.name);
        match raw {
            // A log that begins with a valid version whose record is text.
            Raw::Corrupt { id, text } => {
                drop(self.client.delete_parameter().name(&name).send().await);
                let value =
                    serde_json::json!({"f": 1, "base": null, "id": id.to_string(), "rec": text});
                self.put(&name, &value.to_string()).await;
            }
            Raw::Foreign(text) => self.put(&name, text).await,
            Raw::Deleted => drop(self.client.delete_parameter().name(&name).send().await),
        }
        Ok(true)
    }

    fn faulty(&self) -> Option<Arc<dyn Register>> {
        Some(Arc::new(self.faulty.clone()))
    }

    async fn enable_fault(&self, fault: Fault) -> bool {
        self.faulty.script([fault]);
        true
    }

    fn reads_may_be_stale(&self, _key: &RecordKey) -> bool {
        true
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contract_holds_on_ssm() {
    let report = conformance::run(&Path::new().await).await;
    println!("ssm\n{report}");
    assert!(report.failed.is_empty(), "the register breaks its contract\n{report}");
    assert!(report.passed.len() >= 60, "{} checks", report.passed.len());
}
