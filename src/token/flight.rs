//! What a process knows besides the token: kept by whoever renews it, and only then.

use std::{sync::Arc, time::Duration};

use funcify_core::{Timestamp, engine::Chance, register::Version, token::TokenRecord};
use tokio::time::Instant;

use crate::token::authentication::ClientSecret;
use crate::token::error::TokenError;

/// After a failure of the store it is left alone for 1 s, later for up to 30 s.
const FIRST_ABSENCE: Duration = Duration::from_secs(1);
const LONGEST_ABSENCE: Duration = Duration::from_secs(30);

/// The state of renewing, behind the single-flight lock.
#[derive(Default)]
pub(super) struct Flight {
    /// The client's secret and its fingerprint, once they were asked for.
    pub(super) secret: Option<Known>,
    /// The failure of this process that is answered to everybody until its time is over.
    pub(super) failed: Option<(Instant, TokenError)>,
    /// Until when the secret at hand is not tried again, for it was refused.
    pub(super) refused: Option<(Instant, TokenError)>,
    /// Failures while the store is down, remembered here alone.
    pub(super) alone: TokenRecord,
    /// When this process last renewed a rejected token without the store.
    pub(super) forced_at: Option<Timestamp>,
    /// Whether it was said already that the store can never take this token.
    pub(super) said_invalid: bool,
    watching: Option<(Version, Instant)>,
    absent: Option<(Instant, Duration)>,
}

/// A secret and what identifies it in the record of a failure.
#[derive(Clone)]
pub(super) struct Known {
    pub(super) secret: Option<Arc<ClientSecret>>,
    pub(super) fingerprint: String,
}

impl Flight {
    /// For how long this version has been there, by the monotonic clock.
    pub(super) fn watch(&mut self, version: Option<Version>) -> Duration {
        self.watching = version.map(|version| match self.watching {
            Some((watched, since)) if watched == version => (version, since),
            _ => (version, Instant::now()),
        });
        self.watching.map_or(Duration::ZERO, |(_, since)| since.elapsed())
    }

    /// A version of this process's own is watched from before it was written.
    pub(super) fn wrote(&mut self, version: Version, since: Instant) {
        self.watching = Some((version, since));
    }

    /// Whether the store failed a moment ago and is left alone.
    pub(super) fn store_is_absent(&self) -> bool {
        self.absent.is_some_and(|(until, _)| Instant::now() < until)
    }

    pub(super) fn store_failed(&mut self, chance: &Chance) {
        let absence =
            self.absent.map_or(FIRST_ABSENCE, |(_, absence)| (absence * 2).min(LONGEST_ABSENCE));
        let half = absence / 2;
        self.absent = Some((Instant::now() + half + chance.up_to(half), absence));
    }

    pub(super) fn store_answered(&mut self) {
        self.absent = None;
    }

    /// The failure that still stands.
    pub(super) fn standing(remembered: &Option<(Instant, TokenError)>) -> Option<TokenError> {
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
