//! While the store is down.

use std::time::Duration;

use super::CircuitBreaker;
use crate::StoreError;

/// How long a caller waits, once its own call is done, for a try of the store that ran beside it.
pub(super) const GRACE: Duration = Duration::from_millis(250);

/// The pause before the next try of the store: 1 to 30 s.
pub(super) fn pause(tries: u32, chance: f64) -> Duration {
    let bound = 2_u64.saturating_pow(tries.min(5)).min(30);
    Duration::from_secs(bound).mul_f64(0.5 + 0.5 * chance).max(Duration::from_secs(1))
}

impl CircuitBreaker {
    /// The store failed: from here on this process decides by itself.
    pub(super) fn store_failed(&self, error: &StoreError) {
        tracing::debug!(circuit = %self.name(), kind = ?error.kind(), %error, "circuit store failed");
        self.go_private();
    }

    /// Looks at the store again: the fleet's record counts if it answers.
    pub(super) async fn try_store(&self) {
        let began = self.now();
        match self.read().await {
            Ok(found) => self.adopt(found, began),
            Err(error) => self.store_failed(&error),
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
