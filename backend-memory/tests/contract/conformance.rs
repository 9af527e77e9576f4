//! The whole suite, on a subject that exercises every check.

use std::sync::Arc;

use async_trait::async_trait;
use funcify_backend_memory::MemoryBackend;
use funcify_core::{
    StoreError,
    conformance::{self, Breakable, Faulty, Raw, Subject},
    register::{RecordKey, Register},
};

#[derive(Debug, Default)]
struct Memory(MemoryBackend);

#[async_trait]
impl Subject for Memory {
    async fn fresh(&self) -> Result<Arc<dyn Register>, StoreError> {
        Ok(Arc::new(self.0.clone()))
    }

    async fn inject(&self, key: &RecordKey, raw: Raw<'_>) -> Result<bool, StoreError> {
        match raw {
            Raw::Corrupt { id, text } => self.0.inject(key, Some(id), text),
            Raw::Foreign(text) => self.0.inject(key, None, text),
            Raw::Deleted => self.0.remove(key),
        }
        Ok(true)
    }

    fn faulty(&self) -> Option<Arc<dyn Breakable>> {
        Some(Arc::new(Faulty::new(Arc::new(self.0.clone()))))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_keeps_every_law() {
    let report = conformance::run(&Memory::default()).await;
    report.assert_passed();
    assert_eq!(report.not_exercised, 0, "{report}");
    assert!(report.passed >= 60, "{report}");
}
