//! Step: take a token into memory, from the store or from the provider.

use std::sync::Arc;

use funcify_core::{Timestamp, token::TokenRecord};

use super::request::Refresh;
use crate::token::bearer::{Token, TokenSource};
use crate::token::error::TokenError;
use crate::token::grant::{GrantError, ReplyError};

impl Refresh<'_> {
    /// Takes the record's token into memory if it expires later than the token there, or if it is the same
    /// token, which the provider has granted again and which is due later.
    ///
    /// `now` is the time for reading the record: this machine's clock, corrected if it is known to be behind
    /// ([`Refresh::now`]). Times in memory are by this machine's clock, uncorrected.
    ///
    /// Returns the token in memory if it is valid and was not rejected.
    pub(super) fn accept(&self, record: &TokenRecord, now: Timestamp) -> Option<Token> {
        let (settings, rejected) = (self.settings, self.request.rejected);
        let held = self.memory.valid(&*settings.clock, rejected);
        let record = record.clone().credible(&settings.policy, now).earlier(self.state.behind);
        let now = settings.clock.now();
        let is_better = record.is_for(&settings.digest, &settings.meaning)
            && record.is_valid(now)
            && (rejected.is_none() || record.token.as_ref() != rejected)
            && held.as_ref().is_none_or(|token| token.held.is_older_than(&record));
        if !is_better {
            return held;
        }
        let token = self.memory.accept(&record, TokenSource::Store, now, &settings.chance)?;
        if token.source() == TokenSource::Store {
            self.counters.accepted.increment();
            let (token, seconds_left) =
                (token.fingerprint(), record.expires_at.since(now).as_secs());
            tracing::debug!(key = %settings.key, token, seconds_left, "token accepted from the store");
        }
        Some(token)
    }

    pub(super) fn accept_minted(&self, record: &TokenRecord) -> Result<Token, TokenError> {
        let settings = self.settings;
        let now = settings.clock.now();
        let token = self.memory.accept(record, TokenSource::Minted, now, &settings.chance);
        let token = token.ok_or_else(|| {
            let error = GrantError::from(ReplyError::TokenText);
            TokenError::Grant(Arc::new(error))
        })?;
        let (fingerprint, seconds_left) =
            (token.fingerprint(), record.expires_at.since(now).as_secs());
        tracing::info!(key = %settings.key, token = fingerprint, seconds_left, "token minted");
        Ok(token)
    }
}
