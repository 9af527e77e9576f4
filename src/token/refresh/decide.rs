//! Step: decide what to do, given the record.

use funcify_core::{
    engine::{Asker, Decision, decide},
    token::TokenRecord,
};

use tokio::time::Instant;

use super::read::Stored;
use super::request::Refresh;
use crate::token::bearer::Token;
use crate::token::error::TokenError;

/// What to do next.
pub(super) enum Step {
    /// There is a token: return it to the caller.
    Serve(Token),
    /// Another process holds the lease: wait a little and read the record again.
    Poll,
    /// Several processes may want the lease: let others write first, then read the record again.
    BackOff,
    /// Try to take the lease by writing this record.
    TakeLease(Box<TokenRecord>),
    /// This process holds the lease: ask the provider.
    Ask,
    /// The record holds another token: read the record at this token's own key.
    ReadOwnKey,
    /// No record can hold this token: ask the provider without the store.
    Alone,
}

impl Refresh<'_> {
    pub(super) async fn decide(&mut self, stored: &Stored) -> Result<Step, TokenError> {
        let (settings, record) = (self.settings, &stored.record);
        self.store_retry.answered();
        let watched = self.state.watch(stored.version);
        if record.failure.as_ref().is_some_and(|failure| failure.cred.is_some()) {
            // The failure applies only to processes with the secret that was refused.
            self.secret().await?;
        }
        let now = self.now();
        let accepted = self.accept(record, now);
        let asker = Asker {
            holder: settings.holder,
            digest: &settings.digest,
            meaning: &settings.meaning,
            cred: self.state.secret.as_ref().map(|secret| secret.fingerprint.as_str()),
            watched,
            patience: self.request.ends.saturating_duration_since(Instant::now()),
            rejected: self.request.rejected,
        };
        let decision = decide(record, &asker, &settings.policy, now, self.request.chance);
        Ok(match (decision, accepted) {
            (Decision::Use, Some(token)) => {
                // The token in memory may be due, and live longer than the one in the store, which is not due.
                let due = record.refresh_at.min(record.expires_at);
                self.memory.suppress_until(due - self.state.behind);
                Step::Serve(token)
            }
            (Decision::Wait { until }, Some(token)) => {
                self.memory.suppress_until(until - self.state.behind);
                Step::Serve(token)
            }
            (Decision::Use | Decision::Wait { .. }, None) => Step::Poll,
            (Decision::Mint, _) => Step::Ask,
            (Decision::Take(_), _) if self.has_to_back_off() => Step::BackOff,
            (Decision::Take(leased), _) => Step::TakeLease(leased),
            (Decision::RejectedTooOften { until }, _) => {
                return Err(TokenError::RejectedTooOften { retry_after: until.since(now) });
            }
            (Decision::BackOff { until }, _) => {
                return Err(self.remember_stored_failure(record, until.since(now)));
            }
            (Decision::Unshared, _) => Step::Alone,
            (Decision::KeyInUse, _) => self.use_own_key(),
        })
    }

    /// The record is in use for another token: that of another client, scope, audience or provider, or that
    /// of an older or newer version of this function. Until the record is free, the processes that want this
    /// token share it under its own key.
    fn use_own_key(&mut self) -> Step {
        let settings = self.settings;
        if self.key == &settings.own_key {
            return Step::Alone;
        }
        self.key = &settings.own_key;
        if !std::mem::replace(&mut self.state.has_logged_key, true) {
            tracing::warn!(
                key = %settings.key,
                shared_at = %self.key,
                "the key holds another token; this one is shared elsewhere until that token expires"
            );
        }
        Step::ReadOwnKey
    }
}
