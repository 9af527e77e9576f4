//! What a caller asks for, and the refresh that serves it.

use funcify_core::{Timestamp, register::RecordName, token::AccessToken};
use tokio::time::Instant;

use super::state::RefreshState;
use super::store_retry::StoreRetry;
use crate::token::error::TokenError;
use crate::token::grant::GrantError;
use crate::token::memory::Memory;
use crate::token::metrics::Counters;
use crate::token::settings::Settings;

/// What a caller asks for.
pub(in crate::token) struct Request<'a> {
    /// The token that an API rejected, if that is why another one is wanted.
    pub(in crate::token) rejected: Option<&'a AccessToken>,
    /// The draw, from 0 to 1, that decides whether a token that is still valid is refreshed: 0 always
    /// refreshes, 1 never does.
    pub(in crate::token) chance: f64,
    /// When the caller gives up.
    pub(in crate::token) ends: Instant,
}

/// One refresh of the token: what it works with, and how far it is.
pub(in crate::token) struct Refresh<'a> {
    pub(super) settings: &'a Settings,
    pub(super) memory: &'a Memory,
    pub(super) counters: &'a Counters,
    pub(super) state: &'a mut RefreshState,
    pub(super) request: Request<'a>,
    /// Where the record is.
    pub(super) key: &'a RecordName,
    pub(super) store_retry: StoreRetry,
    /// Whether this process let contenders go first, and has read the record again since.
    pub(super) has_backed_off: bool,
}

impl<'a> Refresh<'a> {
    pub(in crate::token) fn new(
        settings: &'a Settings,
        memory: &'a Memory,
        counters: &'a Counters,
        state: &'a mut RefreshState,
        request: Request<'a>,
    ) -> Self {
        let store_retry = StoreRetry::new(
            settings.poll.timeout,
            settings.policy.request_timeout,
            &settings.chance,
        );
        let key = &settings.key;
        Self { settings, memory, counters, state, request, key, store_retry, has_backed_off: false }
    }

    /// The time by which the record is read and written. A clock that is known to be behind is put right
    /// for that. One that is ahead is not: that would make a token live longer.
    pub(super) fn now(&self) -> Timestamp {
        self.settings.clock.now() + self.state.behind
    }

    pub(super) fn check_deadline(&self) -> Result<(), TokenError> {
        if Instant::now() < self.request.ends { Ok(()) } else { Err(TokenError::out_of_time()) }
    }

    /// The error as the caller gets it: if its own time is over, that comes first, even if the
    /// provider's request timed out at the same moment.
    pub(super) fn for_caller(&self, error: TokenError) -> TokenError {
        let has_timed_out = matches!(
            &error,
            TokenError::Grant(cause) if matches!(**cause, GrantError::TimedOut)
        );
        if has_timed_out && self.check_deadline().is_err() {
            TokenError::out_of_time()
        } else {
            error
        }
    }
}
