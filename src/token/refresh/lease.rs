//! Step: take the lease, so that only this process asks the provider.

use std::time::Duration;

use funcify_core::{
    StoreErrorKind, Timestamp,
    register::{Swap, Version, WriteId},
    token::TokenRecord,
};
use tokio::time::{Instant, sleep, sleep_until};

use super::read::{Found, Stored};
use super::request::Refresh;
use crate::token::error::TokenError;

/// A process asks the provider only if at least this much of its lease is left. A request to a provider in
/// another region takes about as long.
const LEAST_LEASE: Duration = Duration::from_millis(250);

/// A lease that this process has just confirmed to hold.
pub(super) struct HeldLease {
    /// The record that contains it.
    pub(super) record: TokenRecord,
    pub(super) version: Version,
    pub(super) ends: Instant,
}

impl HeldLease {
    /// When a request under this lease must end.
    pub(super) fn request_ends(&self, timeout: Duration) -> Instant {
        self.ends.min(Instant::now() + timeout)
    }
}

impl Refresh<'_> {
    /// Whether this process has to let other contenders write first. It does so once before each attempt, in
    /// a store where a lost write costs more than a second read.
    pub(super) fn has_to_back_off(&self) -> bool {
        !self.has_backed_off && !self.settings.poll.contention.is_zero()
    }

    pub(super) async fn back_off(&mut self) {
        self.has_backed_off = true;
        let again = Instant::now()
            + self.state.crowding.back_off(self.settings.poll, &self.settings.chance);
        sleep_until(self.request.ends.min(again)).await;
    }

    /// Takes the lease if the record has not changed since it was read.
    pub(super) async fn take_lease(
        &mut self,
        stored: &Stored,
        leased: TokenRecord,
    ) -> Result<Found, TokenError> {
        if let Some(error) = self.state.refusal() {
            return Err(error);
        }
        self.secret().await?;
        let (settings, since) = (self.settings, Instant::now());
        let write = settings.store.write(self.key, stored.version, WriteId::random(), &leased);
        match write.await {
            Ok(Swap::Applied(version)) => {
                self.counters.leases_won.increment();
                let before = stored.record.lease.as_ref();
                let has_expired = before.is_some_and(|lease| lease.holder != settings.holder);
                if has_expired {
                    self.counters.leases_expired.increment();
                }
                tracing::debug!(key = %settings.key, expired = has_expired, "lease taken");
                self.state.wrote(version, since);
                Ok(Found::Record(Stored { record: leased, version: Some(version) }))
            }
            Ok(Swap::Conflict(current)) => {
                self.counters.leases_lost.increment();
                tracing::debug!(key = %settings.key, "lease lost");
                Ok(Found::Record(self.checked(current)))
            }
            // Read again: the holder in the record shows whether this write was applied.
            Err(error) if error.kind() == StoreErrorKind::Ambiguous => self.read().await,
            Err(error) => self.store_failed(&error),
        }
    }

    /// Checks right before the request that this process still holds the lease: it may have been frozen
    /// since it took it.
    ///
    /// Returns `None` if too little of the lease is left. Another process may then hold it by now.
    pub(super) async fn confirm_lease(&mut self, stored: Stored) -> Option<HeldLease> {
        let Stored { record, version: Some(version) } = stored else { return None };
        let until = record.lease.as_ref().map_or(Timestamp::EPOCH, |lease| lease.until);
        let watched = self.state.watch(Some(version));
        let left = until.since(self.now()).min(self.settings.policy.lease.saturating_sub(watched));
        if left < LEAST_LEASE {
            sleep(left + Duration::from_millis(1)).await;
            return None;
        }
        Some(HeldLease { record, version, ends: Instant::now() + left })
    }
}
