//! Step: remember a failure, in the record for the fleet and in this process.

use std::time::Duration;

use funcify_core::{
    engine::ProviderFailure,
    register::{Swap, WriteId},
    token::TokenRecord,
};

use super::lease::HeldLease;
use super::publish::as_report;
use super::read::{Found, Stored};
use super::request::Refresh;
use crate::token::bearer::Token;
use crate::token::error::TokenError;

/// A refused secret is not tried again for 60 s, because only a person can replace it. The record makes the
/// other processes with that secret wait as long (`TokenPolicy::LONGEST_PAUSE`).
const REFUSED_FOR: Duration = Duration::from_secs(60);

/// A process whose secret was refused reads the store once a second: another function may have fetched a
/// token with the right secret.
const REFUSED_POLL: Duration = Duration::from_secs(1);

/// An open circuit of the provider is checked again after 5 s at most. The longest pause after failures of
/// the provider is the same.
const OPEN_POLL: Duration = Duration::from_secs(5);

/// After a failed refresh, the valid token is served for at least 1 s before the next try. So a failure
/// delays one call a second, instead of every call.
const LEAST_DEGRADED: Duration = Duration::from_secs(1);

impl Refresh<'_> {
    /// Remembers a failure that the record contains, so that not every call reads the record.
    pub(super) fn remember_stored_failure(
        &mut self,
        record: &TokenRecord,
        retry_after: Duration,
    ) -> TokenError {
        let failure = record.failure.as_ref();
        let code = failure.map_or_else(String::new, |failure| failure.code.clone());
        let binds_all = failure.is_none_or(|failure| failure.cred.is_none());
        let pause = if binds_all { retry_after } else { retry_after.min(REFUSED_POLL) };
        let error = TokenError::Remembered { code, retry_after };
        self.state.remember(pause, error.clone());
        self.state.failure_is_stored();
        error
    }

    /// Gives the lease back and stores the failure in the record.
    ///
    /// If another process has taken the lease meanwhile, this process was frozen or slow, and its failure is
    /// out of date. Then this forgets the failure and returns the other process's record.
    pub(super) async fn share_failure(
        &mut self,
        lease: HeldLease,
        error: &TokenError,
    ) -> Option<Stored> {
        let HeldLease { record, version, .. } = lease;
        let (settings, next) = (self.settings, self.remember_failure(record, error));
        let write = settings.store.write(self.key, Some(version), WriteId::random(), &next);
        match as_report(write).await {
            Ok(Swap::Applied(_)) => self.state.failure_is_stored(),
            Ok(Swap::Conflict(current)) => {
                self.state.forget_failure();
                return Some(self.checked(current));
            }
            Err(error) => {
                tracing::warn!(key = %settings.key, error = crate::error_chain(&error), "the provider's failure could not be stored");
            }
        }
        None
    }

    /// Reads the store once for a token, although the provider failed a moment ago. It does so only if the
    /// failure could not be stored: another process may then have asked the provider and got a token.
    pub(super) async fn look_despite_failure(&mut self) -> Option<Token> {
        if !self.state.claims_look() {
            return None;
        }
        let Ok(Found::Record(stored)) = self.read().await else { return None };
        let token = self.accept(&stored.record, self.now())?;
        self.state.forget_failure();
        Some(token)
    }

    /// Remembers the failure in this process, and returns the record that contains it.
    pub(super) fn remember_failure(
        &mut self,
        record: TokenRecord,
        error: &TokenError,
    ) -> TokenRecord {
        let (code, is_refusal, retry_after) = match error {
            TokenError::Grant(error) => (error.code(), error.is_refusal(), error.retry_after()),
            TokenError::Open(open) => {
                ("circuit_open", false, Some(open.retry_after.min(OPEN_POLL)))
            }
            _ => return record.released(),
        };
        let settings = self.settings;
        let cred = self.state.secret.as_ref().map(|secret| secret.fingerprint.as_str());
        let fault = ProviderFailure { code, cred: cred.filter(|_| is_refusal), retry_after };
        let now = self.now();
        let next = record.failed(&fault, now, settings.chance.draw());
        let mut pause = next.failure.as_ref().map_or(now, |failure| failure.until).since(now);
        if is_refusal {
            self.state.refuse(REFUSED_FOR, error.clone());
            pause = pause.min(REFUSED_POLL);
        }
        self.state.remember(pause, error.clone());
        next
    }

    /// Serves the token in memory after a failed refresh if it is still valid, and lets no call try again
    /// for a while. Otherwise returns the error.
    pub(super) fn serve_overdue(&self, error: TokenError) -> Result<Token, TokenError> {
        let settings = self.settings;
        let Some(token) = self.memory.valid(&*settings.clock, self.request.rejected) else {
            return Err(error);
        };
        let pause = error.retry_after().unwrap_or_default().max(LEAST_DEGRADED);
        self.memory.degrade_until(settings.clock.now() + pause);
        tracing::warn!(key = %settings.key, error = crate::error_chain(&error), "the token is overdue and could not be refreshed");
        Ok(token.overdue())
    }
}
