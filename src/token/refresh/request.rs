//! The request of a caller, and the refresh that serves it.

use funcify_core::{Timestamp, register::RecordName, token::AccessToken};
use tokio::time::Instant;

use super::state::RefreshState;
use super::store_retry::StoreRetry;
use crate::token::error::TokenError;
use crate::token::grant::GrantError;
use crate::token::memory::Memory;
use crate::token::metrics::Counters;
use crate::token::settings::Settings;

/// The request of a caller.
pub(in crate::token) struct Request<'a> {
    /// The token to replace, if an API rejected it.
    pub(in crate::token) rejected: Option<&'a AccessToken>,
    /// A number from 0 to 1 that decides whether to refresh a token in the store that is valid but due: 0
    /// always refreshes it, 1 never does.
    pub(in crate::token) chance: f64,
    /// When the caller gives up.
    pub(in crate::token) ends: Instant,
}

/// One refresh of the token: the parts of the getter that it uses, and its progress.
pub(in crate::token) struct Refresh<'a> {
    pub(super) settings: &'a Settings,
    pub(super) memory: &'a Memory,
    pub(super) counters: &'a Counters,
    pub(super) state: &'a mut RefreshState,
    pub(super) request: Request<'a>,
    /// The key of the record: that of the getter, or the token's own key.
    pub(super) key: &'a RecordName,
    pub(super) store_retry: StoreRetry,
    /// Whether this process has let other contenders write first since it last waited to poll.
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

    /// The time for reading and writing the record: this machine's clock, corrected if it is known to be
    /// behind. A clock that is ahead is not corrected, because that would make tokens live longer.
    pub(super) fn now(&self) -> Timestamp {
        self.settings.clock.now() + self.state.behind
    }

    pub(super) fn check_deadline(&self) -> Result<(), TokenError> {
        if Instant::now() < self.request.ends { Ok(()) } else { Err(TokenError::out_of_time()) }
    }

    /// The error for the caller. If the provider's request timed out and the caller's own deadline has
    /// passed as well, the error is the deadline.
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
