//! An operator's override, in the same record as the state.

use std::time::Duration;

use tokio::time::sleep;

use super::CircuitBreaker;
use crate::{
    StoreError, StoreErrorKind, Timestamp,
    circuit::{Override, OverrideMode, rules},
    register::{Swap, WriteId},
};

/// How often a write is tried while the record keeps changing, and how long it waits in between at
/// most: about a second in all.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(100);

impl CircuitBreaker {
    /// Overrides the state for the whole fleet until `until`, at most a week from now.
    ///
    /// `by` says who did it, in at most 64 bytes; more is cut off. The other instances see the
    /// override when they refresh their snapshot: after a few seconds, or within 30 s where the
    /// circuit is open.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Invalid`] if `until` is in the past or more than a week away: nothing was
    /// written. Otherwise the error of the store; the override may not be in force then.
    ///
    /// # Examples
    ///
    /// ```
    /// # use funcify_core::{StoreError, circuit::CircuitBreaker};
    /// use funcify_core::{Timestamp, circuit::OverrideMode};
    ///
    /// # async fn maintain(circuit: CircuitBreaker) -> Result<(), StoreError> {
    /// let until = Timestamp::from_millis(1_770_000_000_000);
    /// circuit.set_override(OverrideMode::ForceOpen, until, "ann").await?;
    /// // The maintenance is over early.
    /// circuit.clear_override().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn set_override(
        &self,
        mode: OverrideMode,
        until: Timestamp,
        by: &str,
    ) -> Result<(), StoreError> {
        let now = self.now();
        if until <= now || until > now + rules::LONGEST_OVERRIDE {
            let range = "expected the end of an override within the next seven days";
            return Err(StoreError::new("circuit store", StoreErrorKind::Invalid, range));
        }
        self.write_override(Some(Override::new(mode, until, by))).await
    }

    /// Clears the override. The state goes on as it was.
    ///
    /// # Errors
    ///
    /// The error of the store. The override may still be in force then.
    pub async fn clear_override(&self) -> Result<(), StoreError> {
        self.write_override(None).await
    }

    async fn write_override(&self, overridden: Option<Override>) -> Result<(), StoreError> {
        for _ in 0..ATTEMPTS {
            let began = self.now();
            let found = self.read().await?;
            self.accept(found, began);
            let snapshot = self.shared.snapshot.load_full();
            if snapshot.outage.is_some() {
                // Another call found the store down meanwhile: this record is not the fleet's.
                sleep(self.settings().chance.up_to(PAUSE)).await;
                continue;
            }
            let next = rules::set_override(&snapshot.record, overridden.clone());
            match self.swap(snapshot.version, WriteId::random(), &next).await? {
                Swap::Applied(version) => {
                    self.accept_written(next, version, began);
                    return Ok(());
                }
                Swap::Conflict(_) => sleep(self.settings().chance.up_to(PAUSE)).await,
            }
        }
        let busy = "the record kept changing";
        Err(StoreError::new("circuit store", StoreErrorKind::Unavailable, busy))
    }
}
