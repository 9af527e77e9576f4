//! While the store is down.

use std::time::Duration;

use tokio::time::Instant;

use super::{CircuitBreaker, store::is_to_blame};
use crate::{
    StoreError,
    circuit::rules::{self, Report},
};

/// How long a caller waits, once its own call is done, for a try of the store that ran beside it.
pub(super) const GRACE: Duration = Duration::from_millis(250);

/// How many tries are 1 to 2 s apart: over the first five seconds of an outage at least, so that a
/// store which throttles or restarts that long is found again within two.
const SWIFT_TRIES: u32 = 5;

/// The pause before the next try of the store: 1 to 2 s, then doubled to at most 30.
pub(super) fn pause(tries: u32, chance: f64) -> Duration {
    let doublings = tries.saturating_sub(SWIFT_TRIES - 1).min(4);
    let bound = 2_u64.saturating_pow(1 + doublings).min(30);
    Duration::from_secs(bound).mul_f64(0.5 + 0.5 * chance)
}

impl CircuitBreaker {
    /// An operation that `began` then failed: from here on this process decides by itself, unless
    /// there was too little time for any store.
    pub(super) fn store_failed(&self, error: &StoreError, began: Instant) {
        tracing::debug!(circuit = %self.name(), kind = ?error.kind(), %error, "circuit store failed");
        if is_to_blame(began) {
            self.go_private();
        }
    }

    /// Counts on the private record what the store could not be told. Of a quorum there is only this
    /// instance.
    pub(super) fn count_privately(&self, report: &Report) {
        let policy = self.policy().clone().with_quorum(1);
        let chance = self.settings().chance.draw();
        self.change_private(|record, now| rules::apply(record, &policy, report, now, chance));
    }

    /// Looks at the store again: the fleet's record counts if it answers.
    pub(super) async fn try_store(&self) {
        let (began, instant) = (self.now(), Instant::now());
        match self.read().await {
            Ok(found) => self.adopt(found, began),
            Err(error) => self.store_failed(&error, instant),
        }
    }

    /// Whether this call is the one that tries the store again; the next try is put off then.
    pub(super) fn claims_try(&self) -> bool {
        let outage = self.shared.snapshot.load_full().outage.clone();
        let due = outage.is_some_and(|outage| outage.retry_at <= self.now());
        if due {
            self.go_private();
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_are_one_to_two_seconds_apart_for_five_and_thirty_at_most_later() {
        let bounds = [2, 2, 2, 2, 2, 4, 8, 16, 30, 30];
        for (tries, bound) in (0..).zip(bounds) {
            let (shortest, longest) = (pause(tries, 0.0), pause(tries, 1.0));
            assert_eq!((shortest * 2, longest), (longest, Duration::from_secs(bound)), "{tries}");
        }
        assert_eq!(pause(u32::MAX, 1.0), Duration::from_secs(30));
        assert!((0..SWIFT_TRIES).map(|tries| pause(tries, 0.0)).sum::<Duration>().as_secs() >= 5);
    }
}
