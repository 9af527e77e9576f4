//! The whole suite, on a subject that exercises every check.

use std::sync::Arc;

use async_trait::async_trait;
use funcify_backend_memory::MemoryBackend;
use funcify_core::{
    StoreError,
    conformance::{self, Fault, Faulty, Raw, Subject},
    register::{RecordKey, Register},
};

#[derive(Debug)]
struct Memory {
    store: MemoryBackend,
    faulty: Faulty<MemoryBackend>,
}

#[async_trait]
impl Subject for Memory {
    async fn fresh(&self) -> Result<Arc<dyn Register>, StoreError> {
        Ok(Arc::new(self.store.clone()))
    }

    async fn inject(&self, key: &RecordKey, raw: Raw<'_>) -> Result<bool, StoreError> {
        match raw {
            Raw::Corrupt { id, text } => self.store.inject(key, Some(id), text),
            Raw::Foreign(text) => self.store.inject(key, None, text),
            Raw::Deleted => self.store.remove(key),
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
}

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_holds_on_memory() {
    let store = MemoryBackend::default();
    let faulty = Faulty::new(Arc::new(store.clone()));
    let report = conformance::run(&Memory { store, faulty }).await;
    assert!(report.failed.is_empty(), "the register breaks its contract\n{report}");
    assert!(report.not_exercised.is_empty(), "{report}");
    assert!(report.passed.len() >= 60, "{report}");
}
