//! Step: refresh without the store, because it does not answer.

use funcify_core::{
    Timestamp,
    token::{TokenPolicy, TokenRecord},
};
use tokio::time::Instant;

use super::request::Refresh;
use crate::token::bearer::Token;
use crate::token::error::TokenError;

impl Refresh<'_> {
    /// Asks the provider for a token of this process's own.
    ///
    /// A process with a valid token waits for its refresh slot, so that a fleet without a store does
    /// not ask all at once.
    pub(super) async fn without_store(&mut self) -> Result<Token, TokenError> {
        let settings = self.settings;
        let now = settings.clock.now();
        if let Some(token) = self.memory.valid(&*settings.clock, self.request.rejected)
            && now < token.refresh_slot()
        {
            // This caller has paid for one failed read. No other caller pays before the slot.
            self.memory.degrade_until(token.refresh_slot());
            return Ok(token.overdue());
        }
        if let Some(error) = self.state.refusal() {
            return Err(error);
        }
        self.limit_rejections(now)?;
        match self.ask(Instant::now() + settings.policy.request_timeout).await {
            Ok(minted) => {
                self.counters.without_store.increment();
                let record = TokenRecord::default().published(
                    &minted.by_own_clock(),
                    &settings.policy,
                    false,
                );
                self.state.without_store = TokenRecord::default();
                self.state.forced_at = self.request.rejected.map(|_| now);
                self.accept_minted(&record)
            }
            Err(error) => {
                let record = std::mem::take(&mut self.state.without_store);
                self.state.without_store = self.remember_failure(record, &error);
                Err(self.for_caller(error))
            }
        }
    }

    /// A rejected token is replaced at most once in 30 s, as with the store.
    fn limit_rejections(&self, now: Timestamp) -> Result<(), TokenError> {
        let Some(forced_at) = self.state.forced_at.filter(|_| self.request.rejected.is_some())
        else {
            return Ok(());
        };
        let until = forced_at + TokenPolicy::FORCED_INTERVAL;
        if now >= until {
            return Ok(());
        }
        Err(TokenError::RejectedTooOften { retry_after: until.since(now) })
    }
}
