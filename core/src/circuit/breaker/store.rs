//! One bounded operation on the store, whoever implements it.

use std::{sync::atomic::Ordering, time::Duration};

use tokio::time::timeout;

use super::CircuitBreaker;
use crate::{
    Deadline, DeadlineExceeded, StoreError, StoreErrorKind,
    circuit::CircuitRecord,
    register::{OPERATION, Swap, Version, Versioned, WriteId},
};

/// What the first operation of a breaker may take: it also connects.
const FIRST_OPERATION: Duration = Duration::from_secs(2);

impl CircuitBreaker {
    pub(super) async fn read(&self) -> Result<Option<Versioned<CircuitRecord>>, StoreError> {
        let settings = self.settings();
        let read = settings.provider.circuit_state(&settings.name);
        timeout(self.budget(), read).await.unwrap_or_else(|_| Err(late(StoreErrorKind::Timeout)))
    }

    pub(super) async fn swap(
        &self,
        expected: Option<Version>,
        id: WriteId,
        next: &CircuitRecord,
    ) -> Result<Swap<CircuitRecord>, StoreError> {
        let settings = self.settings();
        let swap = settings.provider.update_state(&settings.name, expected, id, next);
        timeout(self.budget(), swap).await.unwrap_or_else(|_| Err(late(StoreErrorKind::Ambiguous)))
    }

    /// Whether there is time for an operation at all.
    pub(super) fn has_time(&self) -> bool {
        Deadline::current().is_none_or(|deadline| deadline.remaining() >= Deadline::LEAST)
    }

    fn budget(&self) -> Duration {
        let first = self.shared.first.swap(false, Ordering::Relaxed);
        let budget = if first { FIRST_OPERATION } else { OPERATION };
        Deadline::current().map_or(budget, |deadline| budget.min(deadline.remaining()))
    }
}

fn late(kind: StoreErrorKind) -> StoreError {
    StoreError::new("circuit store", kind, DeadlineExceeded)
}
