//! An operator's orders, in the same record as the state.

use std::time::Duration;

use tokio::time::sleep;

use super::CircuitBreaker;
use crate::{
    StoreError, StoreErrorKind, Timestamp,
    circuit::{Override, OverrideMode, rules},
    register::{Swap, WriteId},
};

/// How often an order is tried while the record keeps changing under it.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(100);

impl CircuitBreaker {
    /// Refuses every call of the fleet until `until`, a week from now at most. `by` says who gave
    /// the order, in at most 64 bytes.
    ///
    /// The other instances see it when they look next: after a few seconds, or 30 s where the
    /// circuit is open.
    ///
    /// # Errors
    ///
    /// What the store failed with: the order may not be in force then.
    pub async fn force_open(&self, until: Timestamp, by: &str) -> Result<(), StoreError> {
        self.order(Some(Override::new(OverrideMode::ForceOpen, until, by))).await
    }

    /// Admits every call of the fleet and counts none, until `until`, a week from now at most.
    ///
    /// # Errors
    ///
    /// What the store failed with: the order may not be in force then.
    pub async fn disable(&self, until: Timestamp, by: &str) -> Result<(), StoreError> {
        self.order(Some(Override::new(OverrideMode::Disabled, until, by))).await
    }

    /// Withdraws what was ordered: the state goes on as it was.
    ///
    /// # Errors
    ///
    /// What the store failed with: the order may still be in force then.
    pub async fn clear_override(&self) -> Result<(), StoreError> {
        self.order(None).await
    }

    async fn order(&self, order: Option<Override>) -> Result<(), StoreError> {
        for _ in 0..ATTEMPTS {
            let began = self.now();
            let found = self.read().await?;
            self.adopt(found, began);
            let snapshot = self.shared.snapshot.load_full();
            if snapshot.outage.is_some() {
                // Another call found the store down meanwhile: its record is not the fleet's.
                sleep(self.settings().chance.up_to(PAUSE)).await;
                continue;
            }
            let next = rules::order(&snapshot.record, order.clone());
            match self.swap(snapshot.version, WriteId::random(), &next).await? {
                Swap::Applied(version) => {
                    self.adopt_written(next, version, began);
                    return Ok(());
                }
                Swap::Conflict(_) => sleep(self.settings().chance.up_to(PAUSE)).await,
            }
        }
        let busy = "the record kept changing";
        Err(StoreError::new("circuit store", StoreErrorKind::Unavailable, busy))
    }
}
