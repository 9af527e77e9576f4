//! Step: refresh without the store, because it fails or cannot hold the token.

use funcify_core::{
    Timestamp,
    token::{TokenPolicy, TokenRecord},
};
use tokio::time::Instant;

use super::request::Refresh;
use super::store_retry::Trouble;
use crate::token::bearer::Token;
use crate::token::error::TokenError;

/// How often a process with a valid token tries a store that fails, before it asks the provider without the
/// store. Each try may delay one caller for half a second.
const TRIES: u32 = 4;

impl Refresh<'_> {
    /// Asks the provider for a token that only this process uses.
    ///
    /// A process with a valid token does so at a moment that it has drawn, so that a fleet whose store is
    /// down does not ask all at once. Until then it tries the store again, because a failed operation may be
    /// one lost packet. A store that throttles works, so the process goes on trying it for half of the time
    /// that the token has left at that moment.
    pub(super) async fn without_store(&mut self, trouble: Trouble) -> Result<Token, TokenError> {
        let settings = self.settings;
        let now = settings.clock.now();
        if let Some(token) = self.memory.valid(&*settings.clock, self.request.rejected) {
            let (slot, alone_at) = (token.refresh_slot(), token.alone_at());
            let (asks_at, interval) = match trouble {
                Trouble::Throttles => {
                    let interval = self.state.crowding.interval(settings.poll, &settings.chance);
                    (alone_at + token.expires_at().since(alone_at) / 2, interval)
                }
                Trouble::Hangs | Trouble::Down => (alone_at, alone_at.since(slot) / (TRIES - 1)),
            };
            if now < asks_at {
                // This caller waited for a failed read. No other caller waits before the next read.
                self.memory.degrade_until(asks_at.min(slot.max(now + interval)));
                return Ok(token.overdue());
            }
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

    /// Replaces a rejected token at most once in 30 s, as with the store.
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
