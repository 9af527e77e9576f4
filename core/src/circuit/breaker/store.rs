//! Operations on the store with a time limit, for any implementation of the store, and what happens when
//! they fail.

use std::{sync::atomic::Ordering, time::Duration};

use tokio::{
    runtime::Handle,
    time::{Instant, timeout_at},
};

use super::CircuitBreaker;
use crate::{
    Deadline, DeadlineExceeded, StoreError, StoreErrorKind,
    circuit::{
        CircuitPolicy, CircuitRecord,
        rules::{self, Report},
    },
    error_chain::error_chain,
    register::{Swap, Version, Versioned, WriteId},
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

    /// Returns when an operation is given up. The first operation of a breaker gets additional time to
    /// connect.
    fn ends(&self) -> Instant {
        let is_first = self.shared.is_first_operation.swap(false, Ordering::Relaxed);
        let policy = self.settings().provider.poll_policy();
        let ends = Instant::now() + if is_first { policy.first_timeout() } else { policy.timeout };
        Deadline::current().map_or(ends, |deadline| ends.min(deadline.ends()))
    }

    /// Reads the record from the store. If the store answers, an outage is over.
    pub(super) async fn try_store(&self) {
        let (began, instant) = (self.now(), Instant::now());
        match self.read().await {
            Ok(found) => self.accept(found, began),
            Err(error) => self.store_failed(&error, instant),
        }
    }

    /// Reads the store in a task of its own, so that no call has to wait for a store that may not answer.
    /// The read takes at most as long as an operation may take.
    pub(super) fn try_store_beside(&self) {
        // Outside of a runtime, the store cannot be read.
        let Ok(runtime) = Handle::try_current() else { return };
        let breaker = self.clone();
        runtime.spawn(async move { breaker.try_store().await });
    }

    /// Handles the failure of an operation that began at `began`. From now on this process decides by
    /// itself, unless the operation had too little time for any store.
    pub(super) fn store_failed(&self, error: &StoreError, began: Instant) {
        tracing::debug!(
            circuit = %self.name(),
            kind = ?error.kind(),
            error = error_chain(error),
            "an operation on the circuit's store failed"
        );
        if is_to_blame(began, self.settings().provider.poll_policy().timeout) {
            self.go_private(Some(error.is_throttled()));
        }
    }

    /// Whether this call has to try the store again. If so, the time of the next try is moved, so that no
    /// other call tries too.
    pub(super) fn claims_try(&self) -> bool {
        let outage = self.shared.snapshot.load_full().outage.clone();
        let is_due = outage.is_some_and(|outage| outage.retry_at <= self.now());
        if is_due {
            self.go_private(None);
        }
        is_due
    }

    /// Counts a report on the private record, because the store is down. No other instance can see that
    /// record, so the quorum is ignored.
    pub(super) fn count_privately(&self, report: &Report) {
        let policy = self.policy();
        let policy = CircuitPolicy { rule: policy.rule.without_quorum(), ..policy.clone() };
        let chance = self.settings().chance.draw();
        self.change_private(|record, now| rules::apply(record, &policy, report, now, chance));
    }
}

/// Whether there is enough time left for an operation.
pub(super) fn has_time() -> bool {
    Deadline::current().is_none_or(|deadline| deadline.remaining() >= Deadline::LEAST)
}

/// Whether a failed operation says something about the store. It does not if the deadline of the
/// invocation cut it off before it had half of the time that an operation can get.
fn is_to_blame(began: Instant, timeout: Duration) -> bool {
    let fair = |deadline: Deadline| timeout.min(deadline.longest_call()) / 2;
    has_time() || Deadline::current().is_none_or(|deadline| began.elapsed() >= fair(deadline))
}

fn late(kind: StoreErrorKind) -> StoreError {
    StoreError::new("circuit store", kind, DeadlineExceeded)
}
