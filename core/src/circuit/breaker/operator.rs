//! The actions of an operator: setting an override, which is in the same record as the state, and closing
//! the circuit.

use std::time::Duration;

use tokio::time::sleep;

use super::CircuitBreaker;
use crate::{
    StoreError, StoreErrorKind, Timestamp,
    circuit::{CircuitRecord, Override, OverrideMode, rules},
    register::{Swap, WriteId},
};

/// How often a write is tried while the record keeps changing, 20 times, and the longest pause between
/// two tries, 100 ms. Together the pauses take about a second.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(100);

impl CircuitBreaker {
    /// Overrides the state for the whole fleet until `until`, which is at most seven days from now.
    ///
    /// `by` says who set the override. At most 64 bytes of it are kept. The other instances see the override
    /// when they refresh their snapshot: within 5 s, or within the policy's `snapshot_ttl` if that is
    /// longer.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Invalid`] if `until` is in the past or more than seven days away. Nothing was
    /// written then. Otherwise the error of the store: the override may not be in force.
    /// [`StoreErrorKind::Unavailable`] also means that other writers were faster 20 times.
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
    /// // The maintenance ended early.
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

    /// Closes the circuit for the whole fleet now. This ends an override and the open or half-open state.
    ///
    /// The other instances admit calls again when they refresh their snapshot: within 5 s, or within the
    /// policy's `snapshot_ttl` if that is longer. If the dependency still fails, the circuit opens again by
    /// its rule. If the circuit is open for one instance alone, because of a quorum, it stays open for that
    /// instance until the open duration is over.
    ///
    /// # Errors
    ///
    /// The error of the store. The circuit may still refuse calls then. [`StoreErrorKind::Unavailable`] also
    /// means that other writers were faster 20 times.
    ///
    /// # Examples
    ///
    /// ```
    /// use funcify_core::{StoreError, circuit::CircuitBreaker};
    ///
    /// async fn the_warehouse_is_back(circuit: &CircuitBreaker) -> Result<(), StoreError> {
    ///     circuit.close().await
    /// }
    /// # let _ = the_warehouse_is_back;
    /// ```
    pub async fn close(&self) -> Result<(), StoreError> {
        self.write(|record, now| rules::close(record, self.instance(), now)).await
    }

    /// Writes the record that `change` returns, and tries again if another writer was faster.
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
                // Another call found the store down meanwhile, so the snapshot has the private record of
                // this process.
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
        let busy = "other writers kept changing the record: try again";
        Err(StoreError::new("circuit store", StoreErrorKind::Unavailable, busy))
    }
}
