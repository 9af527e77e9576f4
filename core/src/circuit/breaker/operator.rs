//! What an operator does: an override, in the same record as the state, and the way back.

use std::time::Duration;

use tokio::time::sleep;

use super::CircuitBreaker;
use crate::{
    StoreError, StoreErrorKind, Timestamp,
    circuit::{CircuitRecord, Override, OverrideMode, rules},
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
    /// override when they refresh their snapshot: within 5 s, or within the policy's `snapshot_ttl` if
    /// that is longer.
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
    /// circuit.close().await?;
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
        let overridden = Override::new(mode, until, by);
        self.write(|record, _| Some(rules::set_override(record, overridden.clone()))).await
    }

    /// Closes the circuit for the whole fleet now: it ends an override, and the open or half-open
    /// state with it.
    ///
    /// The other instances admit calls again when they refresh their snapshot: within 5 s, or within
    /// the policy's `snapshot_ttl` if that is longer. If the dependency still fails, the circuit opens
    /// again by its rule. An instance that is open for itself alone, because of a quorum, stays so
    /// until its open duration is over.
    ///
    /// # Errors
    ///
    /// The error of the store. The circuit may still refuse calls then.
    pub async fn close(&self) -> Result<(), StoreError> {
        self.write(|record, now| rules::close(record, self.instance(), now)).await
    }

    /// Writes what `change` makes of the record, until no other writer was faster.
    async fn write(
        &self,
        change: impl Fn(&CircuitRecord, Timestamp) -> Option<CircuitRecord>,
    ) -> Result<(), StoreError> {
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
            let Some(next) = change(&snapshot.record, began) else { return Ok(()) };
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
