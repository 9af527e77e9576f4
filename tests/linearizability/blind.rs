//! A mutant of a real register: it overwrites, whatever version is expected.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use funcify_core::StoreError;
use funcify_core::register::{
    Body, PollPolicy, RecordKey, Register, Swap, Version, Versioned, WriteId,
};

#[derive(Debug)]
pub(super) struct Blind(pub(super) Arc<dyn Register>);

#[async_trait]
impl Register for Blind {
    async fn read(&self, key: &RecordKey) -> Result<Option<Versioned<Body>>, StoreError> {
        self.0.read(key).await
    }

    /// Overwrites the current version, and tries until it succeeds.
    async fn swap(
        &self,
        key: &RecordKey,
        _expected: Option<Version>,
        id: WriteId,
        body: &Body,
        keep_for: Duration,
    ) -> Result<Swap<Body>, StoreError> {
        let mut there = self.0.read(key).await?;
        loop {
            let version = there.map(|there| there.version);
            match self.0.swap(key, version, id, body, keep_for).await? {
                Swap::Conflict(current) => there = current,
                done @ Swap::Applied(_) => return Ok(done),
            }
        }
    }

    fn poll_policy(&self) -> PollPolicy {
        self.0.poll_policy()
    }
}
