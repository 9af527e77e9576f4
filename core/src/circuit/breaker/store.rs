//! One bounded operation on the store, whoever implements it.

use std::sync::atomic::Ordering;

use tokio::time::{Instant, timeout_at};

use super::CircuitBreaker;
use crate::{
    Deadline, DeadlineExceeded, StoreError, StoreErrorKind,
    circuit::CircuitRecord,
    register::{FIRST_OPERATION, OPERATION, Swap, Version, Versioned, WriteId},
};

impl CircuitBreaker {
    pub(super) async fn read(&self) -> Result<Option<Versioned<CircuitRecord>>, StoreError> {
        let settings = self.settings();
        let read = settings.provider.circuit_state(&settings.name);
        timeout_at(self.ends(), read).await.unwrap_or_else(|_| Err(late(StoreErrorKind::Timeout)))
    }

    pub(super) async fn swap(
        &self,
        expected: Option<Version>,
        id: WriteId,
        next: &CircuitRecord,
    ) -> Result<Swap<CircuitRecord>, StoreError> {
        let settings = self.settings();
        let swap = settings.provider.update_state(&settings.name, expected, id, next);
        timeout_at(self.ends(), swap).await.unwrap_or_else(|_| Err(late(StoreErrorKind::Ambiguous)))
    }

    /// When an operation is given up; the first of a breaker also connects.
    fn ends(&self) -> Instant {
        let first = self.shared.first.swap(false, Ordering::Relaxed);
        let ends = Instant::now() + if first { FIRST_OPERATION } else { OPERATION };
        Deadline::current().map_or(ends, |deadline| ends.min(deadline.ends()))
    }
}

/// Whether there is time for an operation at all.
pub(super) fn has_time() -> bool {
    Deadline::current().is_none_or(|deadline| deadline.remaining() >= Deadline::LEAST)
}

/// Whether a failed operation that `began` then says something about the store: one that the
/// invocation's deadline cut off does not, unless it had half of the time that it ever gets.
pub(super) fn is_to_blame(began: Instant) -> bool {
    let fair = |deadline: Deadline| OPERATION.min(deadline.longest_call()) / 2;
    has_time() || Deadline::current().is_none_or(|deadline| began.elapsed() >= fair(deadline))
}

fn late(kind: StoreErrorKind) -> StoreError {
    StoreError::new("circuit store", kind, DeadlineExceeded)
}
