//! Under the lease: ask the provider, and tell the fleet what came.

use std::time::Duration;

use funcify_core::{
    Deadline, PendingReport, StoreErrorKind, Timestamp,
    register::{Swap, Version, WriteId},
    token::TokenRecord,
};
use tokio::time::{Instant, sleep, sleep_until};

use crate::token::bearer::{Token, TokenSource};
use crate::token::flight::Flight;
use crate::token::renew::Want;
use crate::token::stored::is_slow;
use crate::token::{Inner, TokenError};

/// With less left of a lease the provider is not asked under it.
const LEAST_LEASE: Duration = Duration::from_millis(250);

impl Inner {
    /// Asks the provider under the lease that stands in `record`, and publishes what comes.
    ///
    /// `None`: the lease is over, so that somebody else may have it by now.
    pub(super) async fn mint(
        &self,
        flight: &mut Flight,
        want: &Want<'_>,
        version: Version,
        record: TokenRecord,
    ) -> Result<Option<Token>, TokenError> {
        let until = record.lease.as_ref().map_or(Timestamp::EPOCH, |lease| lease.until);
        let watched = flight.watch(Some(version));
        let left = until.since(self.clock.now()).min(self.policy.lease().saturating_sub(watched));
        if left < LEAST_LEASE {
            sleep(left + Duration::from_millis(1)).await;
            return Ok(None);
        }
        let lease_ends = Instant::now() + left;
        // The lease is given back even after the end of the invocation's work.
        let _pending = PendingReport::begin();
        match self.ask(flight, want, left.min(self.request_timeout)).await {
            Ok(minted) => {
                let next = record.published(&minted, &self.policy, want.rejected.is_some());
                // Held before it is published: a caller that goes away loses no token.
                let token = self.hold_minted(&next);
                self.publish(flight, version, &next, lease_ends).await;
                Ok(token)
            }
            Err(error) => {
                let next = self.after_failure(flight, record, &error);
                let write = self.store.write(&self.key, Some(version), WriteId::random(), &next);
                if let Err(error) = reporting(write).await {
                    tracing::warn!(key = %self.key, %error, "the failure could not be shared");
                }
                Err(want.told(error))
            }
        }
    }

    pub(super) fn hold_minted(&self, next: &TokenRecord) -> Option<Token> {
        let now = self.clock.now();
        let token = self.memory.hold(next, TokenSource::Minted, now, &self.chance)?;
        let left = next.expires_at.since(now).as_secs();
        tracing::info!(key = %self.key, token = token.fingerprint(), left, "token minted");
        Some(token)
    }

    /// Tells the fleet, again and again while the store is slow: for as long as the lease stands
    /// nobody else asks the provider, and then somebody would.
    async fn publish(
        &self,
        flight: &mut Flight,
        version: Version,
        next: &TokenRecord,
        lease_ends: Instant,
    ) {
        let (since, id) = (Instant::now(), WriteId::random());
        let written = loop {
            // The same id each time: sent twice it is one write.
            match reporting(self.store.write(&self.key, Some(version), id, next)).await {
                Err(error) if is_slow(&error) => {
                    let again = Instant::now() + self.chance.up_to(self.pace.longest);
                    if again + Deadline::LEAST
                        >= lease_ends.min(report_ends().unwrap_or(lease_ends))
                    {
                        break Err(error);
                    }
                    sleep_until(again).await;
                }
                written => break written,
            }
        };
        match written {
            Ok(Swap::Applied(version)) => flight.wrote(version, since),
            Ok(Swap::Conflict(_)) => {
                tracing::info!(key = %self.key, "another process renewed the token meanwhile");
            }
            Err(error) if error.kind() == StoreErrorKind::Invalid => {
                self.counters.store_errors.increment();
                if !std::mem::replace(&mut flight.said_invalid, true) {
                    tracing::error!(key = %self.key, %error, "the store can never take this token");
                }
            }
            Err(error) => {
                self.counters.store_errors.increment();
                flight.store_failed(&self.chance);
                tracing::warn!(key = %self.key, %error, "the token could not be shared");
            }
        }
    }
}

/// A write that only tells others goes on a little longer than work does.
async fn reporting<F: Future>(write: F) -> F::Output {
    match Deadline::current() {
        Some(deadline) => deadline.for_report().scope(write).await,
        None => write.await,
    }
}

/// When nothing can be told any more, in an invocation.
fn report_ends() -> Option<Instant> {
    Deadline::current().map(|deadline| deadline.report_ends())
}
