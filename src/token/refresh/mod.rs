//! One refresh of the token, from the first read of the store to a token or an error.
//!
//! Each file of this folder is one step. [`Refresh::run`] and [`Refresh::steps`] show their order.

mod accept;
mod ask;
mod decide;
mod granted;
mod lease;
mod publish;
mod read;
mod remember;
mod request;
mod state;
mod store_retry;
mod without_store;

use funcify_core::engine::PendingReport;

pub(super) use request::{Refresh, Request};
pub(super) use state::RefreshState;

use crate::token::bearer::Token;
use crate::token::error::TokenError;
use decide::Step;
use lease::HeldLease;
use read::{Found, Stored};
use store_retry::Trouble;

/// The result of asking the provider.
#[expect(clippy::large_enum_variant, reason = "there is one at a time, on the slow path")]
enum Asked {
    Token(Token),
    /// The provider granted no token, and meanwhile another process has taken the lease. This is its record.
    Overtaken(Stored),
}

impl Refresh<'_> {
    /// Gets a token. If that fails and the token in memory is still valid, serves that one as overdue.
    pub(super) async fn run(mut self) -> Result<Token, TokenError> {
        let error = match self.state.failure() {
            Some(remembered) => match self.look_despite_failure().await {
                Some(token) => return Ok(token),
                None => remembered,
            },
            None => match self.steps().await {
                Ok(token) => return Ok(token),
                Err(error) => error,
            },
        };
        self.serve_overdue(error)
    }

    /// Reads the record and acts on it, until there is a token.
    async fn steps(&mut self) -> Result<Token, TokenError> {
        let mut found = self.read().await?;
        loop {
            self.check_deadline()?;
            let stored = match found {
                Found::Record(stored) => stored,
                Found::Failed(trouble) if self.wait_for_store(trouble).await => {
                    found = self.read().await?;
                    continue;
                }
                Found::Failed(trouble) => return self.without_store(trouble).await,
            };
            found = match self.decide(&stored).await? {
                Step::Serve(token) => return Ok(token),
                Step::Poll => {
                    self.wait_to_poll().await;
                    self.read().await?
                }
                Step::BackOff => {
                    self.back_off().await;
                    self.read().await?
                }
                Step::ReadOwnKey => self.read().await?,
                Step::Alone => return self.without_store(Trouble::Down).await,
                Step::TakeLease(leased) => self.take_lease(&stored, *leased).await?,
                Step::Ask => match self.confirm_lease(stored).await {
                    Some(lease) => match self.mint(lease).await? {
                        Asked::Token(token) => return Ok(token),
                        Asked::Overtaken(stored) => Found::Record(stored),
                    },
                    None => self.read().await?,
                },
            };
        }
    }

    /// Asks the provider under the lease, and shares the token or the failure with the fleet.
    async fn mint(&mut self, lease: HeldLease) -> Result<Asked, TokenError> {
        // Until this is dropped, the pipeline does not end the invocation's work at its deadline, so that
        // there is time to give the lease back.
        let _pending = PendingReport::begin();
        match self.ask(lease.request_ends(self.settings.policy.request_timeout)).await {
            Ok(minted) => {
                let is_forced = self.request.rejected.is_some();
                let next =
                    lease.record.clone().published(&minted, &self.settings.policy, is_forced);
                let own = minted.clone().by_own_clock();
                let own = lease.record.clone().published(&own, &self.settings.policy, is_forced);
                // Before it is published: if the caller is cancelled meanwhile, the token is not lost.
                let token = self.accept_minted(&own);
                self.publish(&lease, &next, &minted).await;
                token.map(Asked::Token)
            }
            Err(error) => {
                let Some(stored) = self.share_failure(lease, &error).await else {
                    return Err(self.for_caller(error));
                };
                Ok(self
                    .accept(&stored.record, self.now())
                    .map_or(Asked::Overtaken(stored), Asked::Token))
            }
        }
    }
}
