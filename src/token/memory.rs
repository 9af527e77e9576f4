//! The token this process holds, and the way to it that costs nothing.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use funcify_core::{
    Timestamp,
    engine::{Chance, Clock, refreshes_early},
    token::{AccessToken, TokenRecord},
};
use http::HeaderValue;
use tokio::time::Instant;

use crate::token::bearer::{Held, Token, TokenSource};

/// A clock that goes back by more than this was set: 1 s.
const SET_BACK: Duration = Duration::from_secs(1);

/// The last part of the refresh window that is nobody's place while the store is down.
const LAST_PLACE: f64 = 0.9;

/// What a look at the memory finds.
pub(super) enum Look {
    /// A token to use.
    Hit(Token),
    /// A token to use, which this call should try to renew.
    Due(Token),
    Empty,
}

/// The token in memory. Looking takes no lock, allocates nothing and waits for nobody.
pub(super) struct Memory {
    held: ArcSwapOption<Held>,
    latest: AtomicI64,
    quiet_until: AtomicI64,
    troubled: AtomicBool,
}

impl Memory {
    pub(super) fn empty() -> Self {
        Self {
            held: ArcSwapOption::empty(),
            latest: AtomicI64::new(0),
            quiet_until: AtomicI64::new(0),
            troubled: AtomicBool::new(false),
        }
    }

    pub(super) fn look(&self, clock: &dyn Clock, chance: &Chance) -> Look {
        let Some(held) = self.held.load_full() else { return Look::Empty };
        let now = clock.now();
        let latest = Timestamp::from_millis(self.latest.load(Ordering::Relaxed));
        if now > latest {
            self.latest.store(now.as_millis(), Ordering::Relaxed);
        } else if latest.since(now) > SET_BACK {
            self.set_back(&held, latest, now);
            return self.valid(clock, None).map_or(Look::Empty, Look::Due);
        }
        if now < held.refresh_at {
            return Look::Hit(Token { held, source: TokenSource::Memory });
        }
        if now >= held.expires_at {
            return Look::Empty;
        }
        let source = if self.troubled.load(Ordering::Relaxed) {
            TokenSource::Overdue
        } else {
            TokenSource::Memory
        };
        let is_quiet = now.as_millis() < self.quiet_until.load(Ordering::Relaxed);
        let tries =
            !is_quiet && refreshes_early(held.refresh_at, held.expires_at, now, chance.draw());
        let token = Token { held, source };
        if tries { Look::Due(token) } else { Look::Hit(token) }
    }

    /// The token, if it is still valid and not `rejected`.
    pub(super) fn valid(&self, clock: &dyn Clock, rejected: Option<&AccessToken>) -> Option<Token> {
        let held = self.held.load_full()?;
        let is_valid = clock.now() < held.expires_at && rejected != Some(&held.token);
        is_valid.then_some(Token { held, source: TokenSource::Memory })
    }

    /// Takes the token of a record; the one that is held already stays as it is.
    ///
    /// `None`: the record has no token that fits into a header.
    pub(super) fn hold(
        &self,
        record: &TokenRecord,
        source: TokenSource,
        now: Timestamp,
        chance: &Chance,
    ) -> Option<Token> {
        let token = record.token.as_ref()?;
        if let Some(held) = self.held.load_full()
            && held.token == *token
            && held.expires_at >= record.expires_at
        {
            return Some(Token { held, source: TokenSource::Memory });
        }
        let mut authorization =
            HeaderValue::from_str(&format!("Bearer {}", token.expose())).ok()?;
        authorization.set_sensitive(true);
        let window = record.expires_at.since(record.refresh_at);
        let held = Arc::new(Held {
            token: token.clone(),
            authorization,
            scope: record.scope.clone(),
            refresh_at: record.refresh_at,
            expires_at: record.expires_at,
            adopted_at: now,
            adopted: Instant::now(),
            place: record.refresh_at + window.mul_f64(chance.draw() * LAST_PLACE),
        });
        self.replace(Arc::clone(&held), now);
        Some(Token { held, source })
    }

    /// Lets nobody try to renew before `until`. `troubled`: because renewing failed.
    pub(super) fn quiet(&self, until: Timestamp, troubled: bool) {
        self.quiet_until.store(until.as_millis(), Ordering::Relaxed);
        self.troubled.store(troubled, Ordering::Relaxed);
    }

    fn replace(&self, held: Arc<Held>, now: Timestamp) {
        self.held.store(Some(held));
        self.latest.store(now.as_millis(), Ordering::Relaxed);
        self.quiet(Timestamp::EPOCH, false);
    }

    /// The wall clock was set back: the monotonic one tells by how much, and the token's times
    /// follow.
    fn set_back(&self, held: &Held, latest: Timestamp, now: Timestamp) {
        let was = latest.max(held.adopted_at + held.adopted.elapsed());
        let back = was.since(now);
        self.replace(
            Arc::new(Held {
                token: held.token.clone(),
                authorization: held.authorization.clone(),
                scope: held.scope.clone(),
                refresh_at: held.refresh_at - back,
                expires_at: held.expires_at - back,
                adopted_at: now,
                adopted: Instant::now(),
                place: held.place - back,
            }),
            now,
        );
    }
}

#[cfg(test)]
mod tests {
    use funcify_core::engine::ManualClock;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn record() -> TokenRecord {
        TokenRecord {
            token: Some(AccessToken::new("canary")),
            minted_at: NOW,
            refresh_at: NOW + Duration::from_secs(2_700),
            expires_at: NOW + Duration::from_secs(3_600),
            ..TokenRecord::default()
        }
    }

    fn remembering() -> (Memory, ManualClock, Chance) {
        let (memory, clock, chance) = (Memory::empty(), ManualClock::at(NOW), Chance::seeded(1));
        memory.hold(&record(), TokenSource::Minted, NOW, &chance).unwrap();
        (memory, clock, chance)
    }

    #[test]
    fn a_token_shows_neither_itself_nor_its_header() {
        let (memory, clock, _) = remembering();
        let token = memory.valid(&clock, None).unwrap();
        assert!(!format!("{token:?}{:?}", token.authorization()).contains("canary"));
        assert_eq!(token.authorization(), "Bearer canary");
        assert_eq!(token.fingerprint().len(), 8);
    }

    #[test]
    fn a_token_that_fits_no_header_is_not_held() {
        let (memory, chance) = (Memory::empty(), Chance::seeded(1));
        for token in ["a\nb", "a\rb", "a\0b", "\u{7f}"] {
            let record = TokenRecord { token: Some(AccessToken::new(token)), ..record() };
            assert!(memory.hold(&record, TokenSource::Store, NOW, &chance).is_none(), "{token:?}");
        }
    }

    #[test]
    fn a_quiet_memory_serves_a_due_token_until_its_true_end() {
        let (memory, clock, chance) = remembering();
        clock.advance(Duration::from_millis(3_599_999));
        assert!(matches!(memory.look(&clock, &chance), Look::Due(_)));
        memory.quiet(NOW + Duration::from_secs(9_999), true);
        let Look::Hit(token) = memory.look(&clock, &chance) else { panic!("not served") };
        assert_eq!(token.source(), TokenSource::Overdue);
        clock.advance(Duration::from_millis(1));
        assert!(matches!(memory.look(&clock, &chance), Look::Empty));
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_set_back_does_not_lengthen_a_tokens_life() {
        let (memory, clock, chance) = remembering();
        tokio::time::advance(Duration::from_secs(2_400)).await;
        clock.set(NOW - Duration::from_secs(1_200));
        assert!(matches!(memory.look(&clock, &chance), Look::Due(_)), "looked at anew");
        assert!(matches!(memory.look(&clock, &chance), Look::Hit(_)), "600 s before it is due");
        clock.advance(Duration::from_secs(1_199));
        assert!(memory.valid(&clock, None).is_some());
        clock.advance(Duration::from_secs(1));
        assert!(memory.valid(&clock, None).is_none());
    }
}
