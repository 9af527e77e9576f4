//! The record in the store: read, judged, and taken for a lease.

use funcify_core::{
    Deadline, StoreError, StoreErrorKind, Timestamp,
    register::{Swap, Version, Versioned, WriteId},
    token::{AccessToken, TokenRecord},
};
use tokio::time::Instant;

use crate::stores::sealed::is_sealed;
use crate::token::bearer::{Token, TokenSource};
use crate::token::flight::Flight;
use crate::token::renew::Want;
use crate::token::{Inner, TokenError, out_of_time};

/// What the store answered.
#[expect(clippy::large_enum_variant, reason = "there is one at a time, on the slow path")]
pub(super) enum Found {
    Record(Option<Versioned<TokenRecord>>),
    /// It is slow or throttles: it may answer a little later.
    Slow,
    /// It is down, or refuses.
    Down,
}

impl Inner {
    /// Reads the record, unless the store failed a moment ago.
    pub(super) async fn read(&self, flight: &mut Flight) -> Result<Found, TokenError> {
        if flight.store_is_absent() {
            return Ok(Found::Down);
        }
        match self.store.read(&self.key).await {
            Ok(mut stored) => {
                flight.store_answered();
                if let Some(stored) = &mut stored {
                    self.check(stored);
                }
                Ok(Found::Record(stored))
            }
            Err(error) => self.store_failed(flight, &error),
        }
    }

    /// Counts corruption, and makes a token that cannot be used one more case of it: one that fits into
    /// no header, or is sealed while this process has no keys.
    fn check(&self, stored: &mut Versioned<TokenRecord>) {
        let fits = |token: &AccessToken| {
            token.expose().bytes().all(|byte| byte.is_ascii_graphic()) && !is_sealed(token.expose())
        };
        let is_damaged = stored.corruption.is_some()
            || stored.value.token.as_ref().is_some_and(|token| !fits(token));
        if is_damaged {
            self.counters.damaged.increment();
            stored.value.token = None;
        }
    }

    fn store_failed(&self, flight: &mut Flight, error: &StoreError) -> Result<Found, TokenError> {
        // The store is not to blame for an invocation that has no time left.
        if Deadline::current().is_some_and(|deadline| deadline.remaining() < Deadline::LEAST) {
            return Err(out_of_time());
        }
        self.counters.store_errors.increment();
        flight.store_failed(&self.chance);
        tracing::warn!(key = %self.key, %error, "the store of the token failed");
        Ok(if is_slow(error) { Found::Slow } else { Found::Down })
    }

    /// Takes the record's token into memory, unless a better one is there.
    pub(super) fn adopt(
        &self,
        record: &TokenRecord,
        want: &Want<'_>,
        now: Timestamp,
    ) -> Option<Token> {
        let held = self.memory.valid(&*self.clock, want.rejected);
        let record = record.clone().clamped(&self.policy, now);
        let is_better = record.digest == self.digest
            && record.is_valid(now)
            && (want.rejected.is_none() || record.token.as_ref() != want.rejected)
            && held.as_ref().is_none_or(|held| held.expires_at() < record.expires_at);
        if !is_better {
            return held;
        }
        let token = self.memory.hold(&record, TokenSource::Store, now, &self.chance)?;
        if token.source() == TokenSource::Store {
            self.counters.adopted.increment();
            let left = record.expires_at.since(now).as_secs();
            tracing::debug!(key = %self.key, token = token.fingerprint(), left, "token adopted");
        }
        Some(token)
    }

    /// Takes the lease, if the record is still what was read.
    pub(super) async fn take(
        &self,
        flight: &mut Flight,
        version: Option<Version>,
        record: &TokenRecord,
        leased: TokenRecord,
    ) -> Result<Found, TokenError> {
        let since = Instant::now();
        match self.store.write(&self.key, version, WriteId::random(), &leased).await {
            Ok(Swap::Applied(version)) => {
                self.counters.leases_won.increment();
                let before = record.lease.as_ref().filter(|lease| lease.holder != self.holder);
                if before.is_some() {
                    self.counters.leases_expired.increment();
                }
                tracing::debug!(key = %self.key, expired = before.is_some(), "lease taken");
                flight.wrote(version, since);
                Ok(Found::Record(Some(Versioned::new(leased, version))))
            }
            Ok(Swap::Conflict(mut current)) => {
                self.counters.leases_lost.increment();
                tracing::debug!(key = %self.key, "lease lost");
                if let Some(current) = &mut current {
                    self.check(current);
                }
                Ok(Found::Record(current))
            }
            // Whether it is ours tells the holder in it.
            Err(error) if error.kind() == StoreErrorKind::Ambiguous => self.read(flight).await,
            Err(error) => self.store_failed(flight, &error),
        }
    }
}

/// A store that answers, or will soon, but too late for this time.
pub(super) fn is_slow(error: &StoreError) -> bool {
    use StoreErrorKind::{Ambiguous, Throttled, Timeout};
    matches!(error.kind(), Throttled | Timeout | Ambiguous)
}
