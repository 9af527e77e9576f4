//! What a process remembers from one refresh to the next.

use std::{sync::Arc, time::Duration};

use funcify_core::{Timestamp, engine::Chance, register::Version, token::TokenRecord};
use tokio::time::Instant;

use super::store_retry::{Crowding, Trouble};
use crate::token::authentication::ClientSecret;
use crate::token::error::TokenError;

/// After a failure, the store is not called for up to 1 s. The pause doubles with each failure, up to 4 s, so
/// that a store that has recovered is used again within seconds. For a store that throttles, the pause grows
/// to 30 s: a fleet of 1,000 instances then sends about 45 requests a second.
const FIRST_STORE_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_STORE_PAUSE: Duration = Duration::from_secs(4);
const LONGEST_THROTTLED_PAUSE: Duration = Duration::from_secs(30);

/// The refresh state of a process. Its lock lets one refresh run at a time.
#[derive(Default)]
pub(in crate::token) struct RefreshState {
    /// The client's secret, once it has been read.
    pub(super) secret: Option<KnownSecret>,
    /// The failure that every caller gets, and until when.
    failed: Option<(Instant, TokenError)>,
    /// Whether the next caller reads the store in spite of that failure, because the failure may not be
    /// stored.
    looks: bool,
    /// The refusal of the current secret, and until when the secret is not tried again.
    refused: Option<(Instant, TokenError)>,
    /// A record in memory that counts the provider's failures while the store is down.
    pub(super) without_store: TokenRecord,
    /// When this process last replaced a rejected token without the store.
    pub(super) forced_at: Option<Timestamp>,
    /// Whether this process has logged that the store cannot hold the token. Each of these four is logged
    /// once per process.
    pub(super) has_logged_invalid: bool,
    /// Whether it has logged that the key holds another token.
    pub(super) has_logged_key: bool,
    /// Whether it has logged that its clock differs from the provider's.
    pub(super) has_logged_clock: bool,
    /// Whether it has logged that the stored token is sealed and that it has no keys.
    pub(super) has_logged_seal: bool,
    /// By how much this machine's clock is behind the provider's, according to the provider's last answer.
    /// Zero if that is 30 s or less.
    pub(super) behind: Duration,
    /// The version that was read last, and when this process saw it first.
    watching: Option<(Version, Instant)>,
    /// Until when the store is not called, and why.
    store_pause: Option<StorePause>,
    /// How crowded the store is.
    pub(super) crowding: Crowding,
}

/// A pause in which the store is not called.
#[derive(Clone, Copy)]
struct StorePause {
    until: Instant,
    length: Duration,
    trouble: Trouble,
}

/// A secret, and the fingerprint that identifies it in the record of a failure.
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

    /// Notes a version that this process wrote. It counts as seen since before the write began.
    pub(super) fn wrote(&mut self, version: Version, since: Instant) {
        self.watching = Some((version, since));
    }

    /// How the store failed, if it is not called for now.
    pub(super) fn suspended_store(&self) -> Option<Trouble> {
        self.store_pause.filter(|pause| Instant::now() < pause.until).map(|pause| pause.trouble)
    }

    pub(super) fn store_failed(&mut self, trouble: Trouble, chance: &Chance) {
        self.crowding.failed(trouble);
        let longest = match trouble {
            Trouble::Throttles => LONGEST_THROTTLED_PAUSE,
            Trouble::Hangs | Trouble::Down => LONGEST_STORE_PAUSE,
        };
        let length =
            self.store_pause.map_or(FIRST_STORE_PAUSE, |pause| (pause.length * 2).min(longest));
        // Half of the pause is certain, so that pauses grow. The rest is drawn, so that a fleet spreads out.
        let half = length / 2;
        let until = Instant::now() + half + chance.up_to(half);
        self.store_pause = Some(StorePause { until, length, trouble });
    }

    pub(super) fn store_answered(&mut self) {
        self.crowding.answered();
        self.store_pause = None;
    }

    /// Lets the store be called again, after a caller has waited for it.
    pub(super) fn end_store_pause(&mut self) {
        self.store_pause = None;
    }

    /// Makes every caller get this error until `pause` has passed.
    pub(super) fn remember(&mut self, pause: Duration, error: TokenError) {
        self.failed = Some((Instant::now() + pause, error));
        self.looks = true;
    }

    /// Notes that the record contains the failure, so that no caller reads it before the failure is over.
    pub(super) fn failure_is_stored(&mut self) {
        self.looks = false;
    }

    pub(super) fn forget_failure(&mut self) {
        self.failed = None;
    }

    /// Whether this caller is the one that reads the store in spite of the failure.
    pub(super) fn claims_look(&mut self) -> bool {
        std::mem::take(&mut self.looks)
    }

    /// Keeps the current secret from being tried until `pause` has passed.
    pub(super) fn refuse(&mut self, pause: Duration, error: TokenError) {
        self.refused = Some((Instant::now() + pause, error));
    }

    pub(super) fn provider_answered(&mut self) {
        (self.failed, self.refused) = (None, None);
    }

    /// The failure that every caller gets now, if there is one.
    pub(super) fn failure(&self) -> Option<TokenError> {
        Self::current(&self.failed)
    }

    /// The refusal that keeps the current secret from being tried now, if there is one.
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
