use async_trait::async_trait;
use funcify_core::{
    StoreError, Timestamp,
    engine::{Diagnosed, Trial},
};

use crate::MemoryBackend;

#[async_trait]
impl Diagnosed for MemoryBackend {
    async fn trials(&self) -> Vec<Trial> {
        Vec::new()
    }

    async fn server_time(&self) -> Option<Timestamp> {
        None
    }

    async fn create(&self) -> Result<bool, StoreError> {
        Ok(false)
    }
}
