//! What a process knows about refreshing, from one refresh to the next.

use std::{sync::Arc, time::Duration};

use funcify_core::{Timestamp, engine::Chance, register::Version, token::TokenRecord};
use tokio::time::Instant;

use crate::token::authentication::ClientSecret;
use crate::token::error::TokenError;

/// After a failure of the store, it is not called for 1 s. The pause doubles with each failure, up
/// to 30 s: a fleet of 1,000 instances then sends a failing store about 45 requests a second.
const FIRST_STORE_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_STORE_PAUSE: Duration = Duration::from_secs(30);

/// The refresh state of a process. Its lock lets one refresh run at a time.
#[derive(Default)]
pub(in crate::token) struct RefreshState {
    /// The client's secret, once it was read.
    pub(super) secret: Option<KnownSecret>,
    /// The failure that every caller gets until its time is over.
    failed: Option<(Instant, TokenError)>,
    /// The refusal because of which the secret at hand is not tried again.
    refused: Option<(Instant, TokenError)>,
    /// The record of a process whose store is down: the failures of the provider.
    pub(super) without_store: TokenRecord,
    /// When this process last replaced a rejected token without the store.
    pub(super) forced_at: Option<Timestamp>,
    /// Whether it was logged that the store cannot hold the token. Once a process is enough.
    pub(super) has_logged_invalid: bool,
    /// Whether it was logged that the key holds a token for others, and that this machine's clock is
    /// ahead.
    pub(super) has_logged_key: bool,
    pub(super) has_logged_clock: bool,
    /// By how much this machine's clock is behind the provider's, as far as its last answer told.
    pub(super) behind: Duration,
    /// The version that was read last, and since when this process has seen it.
    watching: Option<(Version, Instant)>,
    /// Until when the store is not called, and how long that pause is.
    store_pause: Option<(Instant, Duration)>,
}

/// A secret, and what identifies it in the record of a failure.
#[derive(Clone)]
pub(super) struct KnownSecret {
    pub(super) secret: Option<Arc<ClientSecret>>,
    pub(super) fingerprint: String,
}

impl RefreshState {
    /// For how long this process has seen this version, by the monotonic clock.
    pub(super) fn watch(&mut self, version: Option<Version>) -> Duration {
        self.watching = version.map(|version| match self.watching {
            Some((watched, since)) if watched == version => (version, since),
            _ => (version, Instant::now()),
        });
        self.watching.map_or(Duration::ZERO, |(_, since)| since.elapsed())
    }

    /// A version that this process wrote counts as seen from before the write.
    pub(super) fn wrote(&mut self, version: Version, since: Instant) {
        self.watching = Some((version, since));
    }

    /// Whether the store failed a moment ago and is not called for now.
    pub(super) fn is_store_suspended(&self) -> bool {
        self.store_pause.is_some_and(|(until, _)| Instant::now() < until)
    }

    pub(super) fn store_failed(&mut self, chance: &Chance) {
        let pause = self
            .store_pause
            .map_or(FIRST_STORE_PAUSE, |(_, pause)| (pause * 2).min(LONGEST_STORE_PAUSE));
        // At least half of the pause, so that it grows; the rest by chance, so that a fleet spreads.
        let half = pause / 2;
        self.store_pause = Some((Instant::now() + half + chance.up_to(half), pause));
    }

    pub(super) fn store_answered(&mut self) {
        self.store_pause = None;
    }

    /// Every caller gets this error for so long.
    pub(super) fn remember(&mut self, pause: Duration, error: TokenError) {
        self.failed = Some((Instant::now() + pause, error));
    }

    /// The secret at hand is not tried for so long.
    pub(super) fn refuse(&mut self, pause: Duration, error: TokenError) {
        self.refused = Some((Instant::now() + pause, error));
    }

    pub(super) fn provider_answered(&mut self) {
        (self.failed, self.refused) = (None, None);
    }

    /// The failure that every caller gets for now.
    pub(super) fn failure(&self) -> Option<TokenError> {
        Self::current(&self.failed)
    }

    /// The refusal because of which the secret at hand is not tried for now.
    pub(super) fn refusal(&self) -> Option<TokenError> {
        Self::current(&self.refused)
    }

    fn current(remembered: &Option<(Instant, TokenError)>) -> Option<TokenError> {
        let (until, error) = remembered.as_ref()?;
        let left = until.saturating_duration_since(Instant::now());
        let error = match error {
            TokenError::Remembered { code, .. } => {
                TokenError::Remembered { code: code.clone(), retry_after: left }
            }
            error => error.clone(),
        };
        (!left.is_zero()).then_some(error)
    }
}
