//! Step: read the record, and check that its token can be used.

use funcify_core::{
    Deadline, StoreError, StoreErrorKind,
    engine::error_chain,
    register::{Version, Versioned},
    token::{AccessToken, TokenRecord},
};
use tokio::time::{Instant, sleep_until};

use super::request::Refresh;
use super::store_retry::Trouble;
use crate::stores::sealed::is_sealed;
use crate::token::error::TokenError;

/// The result of a read.
#[expect(clippy::large_enum_variant, reason = "there is one at a time, on the slow path")]
pub(super) enum Found {
    Record(Stored),
    /// The store failed.
    Failed(Trouble),
}

/// The record as it was read. An absent record is an empty one without a version.
#[derive(Default)]
pub(super) struct Stored {
    pub(super) record: TokenRecord,
    pub(super) version: Option<Version>,
}

impl Refresh<'_> {
    /// Reads the record. While the store is paused after a failure, returns that failure instead.
    pub(super) async fn read(&mut self) -> Result<Found, TokenError> {
        if let Some(trouble) = self.state.suspended_store() {
            return Ok(Found::Failed(trouble));
        }
        match self.settings.store.read(self.key).await {
            Ok(stored) => {
                self.state.store_answered();
                Ok(Found::Record(self.checked(stored)))
            }
            Err(error) => self.store_failed(&error),
        }
    }

    /// Waits before the next read while another process holds the lease.
    pub(super) async fn wait_to_poll(&mut self) {
        let interval = self.state.crowding.interval(self.settings.poll, &self.settings.chance);
        sleep_until(self.request.ends.min(Instant::now() + interval)).await;
        self.has_backed_off = false;
    }

    /// Waits before the next try of a store that throttles or hangs, and returns `true`. Returns `false` at
    /// once if the caller has a valid token or too little time, or if the store is down.
    pub(super) async fn wait_for_store(&mut self, trouble: Trouble) -> bool {
        let settings = self.settings;
        let is_served = self.memory.valid(&*settings.clock, self.request.rejected).is_some();
        if is_served || trouble == Trouble::Down {
            return false;
        }
        let interval = self.state.crowding.interval(settings.poll, &settings.chance);
        let retry_at = self.store_retry.next(trouble, interval, self.request.ends);
        let Some(retry_at) = retry_at else { return false };
        sleep_until(retry_at).await;
        self.state.end_store_pause();
        true
    }

    /// The record as it was read, without a token that cannot be used: if the record is corrupt, if a header
    /// cannot contain the token, or if the token is sealed and this process has no keys.
    pub(super) fn checked(&mut self, stored: Option<Versioned<TokenRecord>>) -> Stored {
        let Some(Versioned { value: mut record, version, corruption, .. }) = stored else {
            return Stored::default();
        };
        let is_usable = |token: &AccessToken| {
            token.expose().bytes().all(|byte| byte.is_ascii_graphic()) && !is_sealed(token.expose())
        };
        if corruption.is_some() || record.token.as_ref().is_some_and(|token| !is_usable(token)) {
            self.counters.corrupt.increment();
            let is_sealed = record.token.as_ref().is_some_and(|token| is_sealed(token.expose()));
            if is_sealed && !std::mem::replace(&mut self.state.has_logged_seal, true) {
                tracing::warn!(
                    key = %self.settings.key,
                    "the stored token is sealed, and this process has no seal keys: it stores its own without a seal"
                );
            }
            record.token = None;
        }
        Stored { record, version: Some(version) }
    }

    pub(super) fn store_failed(&mut self, error: &StoreError) -> Result<Found, TokenError> {
        // If the invocation has no time left, the failure says nothing about the store.
        if Deadline::current().is_some_and(|deadline| deadline.remaining() < Deadline::LEAST) {
            return Err(TokenError::out_of_time());
        }
        self.counters.store_errors.increment();
        let trouble = trouble(error);
        self.state.store_failed(trouble, &self.settings.chance);
        tracing::warn!(key = %self.settings.key, error = error_chain(error), "the token store failed");
        Ok(Found::Failed(trouble))
    }
}

pub(super) fn trouble(error: &StoreError) -> Trouble {
    match error.kind() {
        _ if error.is_throttled() => Trouble::Throttles,
        StoreErrorKind::Timeout | StoreErrorKind::Ambiguous => Trouble::Hangs,
        _ => Trouble::Down,
    }
}
