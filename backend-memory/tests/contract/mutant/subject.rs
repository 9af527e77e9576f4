//! The mutant as a subject of the suite: opened anew, with injected content, with a fault enabled.

use std::sync::Arc;

use async_trait::async_trait;
use funcify_core::{
    StoreError,
    conformance::{Fault, Raw, Subject},
    register::{Body, RecordKey, Register, Version, WriteId},
};

use super::{Flaw, Item, Mutant};

#[async_trait]
impl Subject for Mutant {
    async fn fresh(&self) -> Result<Arc<dyn Register>, StoreError> {
        let store = Arc::clone(&self.store);
        Ok(Arc::new(Self { store, ..Self::new(self.flaw) }))
    }

    async fn inject(&self, key: &RecordKey, raw: Raw<'_>) -> Result<bool, StoreError> {
        let key = self.key(key);
        let (version, id, text) = match raw {
            Raw::Corrupt { id, text } => (Some(Version::from(id)), id, text),
            Raw::Foreign(text) => (None, WriteId::random(), text),
            Raw::Deleted => {
                let deleted = self.store().items.remove(&key);
                self.store().replica.remove(&key);
                if let Some(deleted) = deleted.filter(|_| self.is(Flaw::ReadsWhatWasDeleted)) {
                    self.store().replica.insert(key, deleted);
                }
                return Ok(true);
            }
        };
        let body = text.parse::<Body>();
        let item = Item { version, id, body, count: 0, until: None };
        self.store().items.insert(key, item);
        Ok(true)
    }

    fn faulty(&self) -> Option<Arc<dyn Register>> {
        let (store, fault) = (Arc::clone(&self.store), Arc::clone(&self.fault));
        Some(Arc::new(Self { store, fault, ..Self::new(self.flaw) }))
    }

    async fn enable_fault(&self, fault: Fault) -> bool {
        *self.fault.lock().unwrap() = Some(fault);
        true
    }
}
