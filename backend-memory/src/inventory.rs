use async_trait::async_trait;
use funcify_core::{
    StoreError,
    register::{Inventory, RecordKind, RecordName},
};

use crate::MemoryBackend;

#[async_trait]
impl Inventory for MemoryBackend {
    async fn list(&self, kind: RecordKind) -> Result<Vec<RecordName>, StoreError> {
        let items = self.items();
        let keys = items.by_key.keys().filter(|key| key.kind == kind);
        let mut names: Vec<_> = keys.map(|key| key.name.clone()).collect();
        names.sort_unstable();
        Ok(names)
    }
}
