//! The token in this process's memory, and the lookup that needs no lock and no I/O.

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
    engine::{Chance, Clock},
    token::{AccessToken, TokenRecord},
};
use tokio::time::Instant;

use crate::client::{secret_header, secret_text};
use crate::token::bearer::{Held, Token, TokenSource};

/// If the wall clock goes back by more than this, somebody has set it. Smaller steps are corrections by NTP.
const SET_BACK: Duration = Duration::from_secs(1);

/// If the store fails, a process asks the provider without it at a moment that it draws from this part of
/// the refresh window. The rest of the window leaves time to repeat a failed request before the token
/// expires.
const ALONE_FROM: f64 = 0.05;
const ALONE_TO: f64 = 0.9;

/// A process begins to read the store at half of the way from the start of the window to that moment. This
/// leaves time for a second read: otherwise each read that is lost would cost a grant.
const SLOT: f64 = 0.5;

/// What a lookup finds.
pub(super) enum Lookup {
    /// A token to use.
    Hit(Token),
    /// A token to use, which this call should try to refresh.
    Due(Token),
    Empty,
}

/// The token in memory. A lookup takes no lock, allocates nothing and waits for nobody.
pub(super) struct Memory {
    held: ArcSwapOption<Held>,
    /// The latest wall-clock time that a lookup has seen, in milliseconds.
    latest: AtomicI64,
    /// Until when no call tries to refresh, in milliseconds.
    suppressed_until: AtomicI64,
    /// Whether the last refresh failed, so that a token past its refresh time counts as overdue.
    degraded: AtomicBool,
}

impl Memory {
    pub(super) fn empty() -> Self {
        Self {
            held: ArcSwapOption::empty(),
            latest: AtomicI64::new(0),
            suppressed_until: AtomicI64::new(0),
            degraded: AtomicBool::new(false),
        }
    }

    pub(super) fn look_up(&self, clock: &dyn Clock) -> Lookup {
        let Some(held) = self.held.load_full() else { return Lookup::Empty };
        let now = clock.now();
        let latest = Timestamp::from_millis(self.latest.load(Ordering::Relaxed));
        if now > latest {
            self.latest.store(now.as_millis(), Ordering::Relaxed);
        } else if latest.since(now) > SET_BACK {
            self.follow_clock_back(&held, latest, now);
            return self.valid(clock, None).map_or(Lookup::Empty, Lookup::Due);
        }
        if now < held.refresh_at {
            return Lookup::Hit(Token { held, source: TokenSource::Memory });
        }
        if now >= held.expires_at {
            return Lookup::Empty;
        }
        let source = if self.degraded.load(Ordering::Relaxed) {
            TokenSource::Overdue
        } else {
            TokenSource::Memory
        };
        let is_suppressed = now.as_millis() < self.suppressed_until.load(Ordering::Relaxed);
        let tries = !is_suppressed && now >= held.refresh_slot;
        let token = Token { held, source };
        if tries { Lookup::Due(token) } else { Lookup::Hit(token) }
    }

    /// The token, if it is still valid and not the `rejected` one.
    pub(super) fn valid(&self, clock: &dyn Clock, rejected: Option<&AccessToken>) -> Option<Token> {
        let held = self.held.load_full()?;
        let is_valid = clock.now() < held.expires_at && rejected != Some(&held.token);
        is_valid.then_some(Token { held, source: TokenSource::Memory })
    }

    /// Takes the token of a record into memory, unless it is there already.
    ///
    /// Returns `None` if the record has no token, or one that a header cannot contain.
    pub(super) fn accept(
        &self,
        record: &TokenRecord,
        source: TokenSource,
        now: Timestamp,
        chance: &Chance,
    ) -> Option<Token> {
        let token = record.token.as_ref()?;
        if let Some(held) = self.held.load_full()
            && held.token == *token
            && !held.is_older_than(record)
        {
            return Some(Token { held, source: TokenSource::Memory });
        }
        let authorization = secret_header(secret_text(&["Bearer ", token.expose()]))?;
        let window = record.expires_at.since(record.refresh_at);
        let place = window.mul_f64(ALONE_FROM + (ALONE_TO - ALONE_FROM) * chance.draw());
        let held = Arc::new(Held {
            token: token.clone(),
            authorization,
            scope: record.scope.clone(),
            refresh_at: record.refresh_at,
            expires_at: record.expires_at,
            accepted_at: now,
            accepted: Instant::now(),
            refresh_slot: record.refresh_at + place.mul_f64(SLOT),
            alone_at: record.refresh_at + place,
        });
        self.replace(Arc::clone(&held), now);
        Some(Token { held, source })
    }

    /// Makes no call try to refresh before `until`, because another process is refreshing.
    pub(super) fn suppress_until(&self, until: Timestamp) {
        self.suppress(until, false);
    }

    /// Makes no call try to refresh before `until`, because a refresh failed. Calls that get a token past its
    /// refresh time get it as [`TokenSource::Overdue`].
    pub(super) fn degrade_until(&self, until: Timestamp) {
        self.suppress(until, true);
    }

    fn suppress(&self, until: Timestamp, degraded: bool) {
        self.suppressed_until.store(until.as_millis(), Ordering::Relaxed);
        self.degraded.store(degraded, Ordering::Relaxed);
    }

    fn replace(&self, held: Arc<Held>, now: Timestamp) {
        self.held.store(Some(held));
        self.latest.store(now.as_millis(), Ordering::Relaxed);
        self.suppress(Timestamp::EPOCH, false);
    }

    /// Moves the token's times back together with a wall clock that was set back. The monotonic clock shows
    /// by how much.
    fn follow_clock_back(&self, held: &Held, latest: Timestamp, now: Timestamp) {
        let was = latest.max(held.accepted_at + held.accepted.elapsed());
        let back = was.since(now);
        self.replace(
            Arc::new(Held {
                token: held.token.clone(),
                authorization: held.authorization.clone(),
                scope: held.scope.clone(),
                refresh_at: held.refresh_at - back,
                expires_at: held.expires_at - back,
                accepted_at: now,
                accepted: Instant::now(),
                refresh_slot: held.refresh_slot - back,
                alone_at: held.alone_at - back,
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
            token: Some(AccessToken::from("canary")),
            minted_at: NOW,
            refresh_at: NOW + Duration::from_secs(2_700),
            expires_at: NOW + Duration::from_secs(3_600),
            ..TokenRecord::default()
        }
    }

    fn memory_with_token() -> (Memory, ManualClock) {
        let (memory, clock, chance) = (Memory::empty(), ManualClock::at(NOW), Chance::seeded(1));
        memory.accept(&record(), TokenSource::Minted, NOW, &chance).unwrap();
        (memory, clock)
    }

    #[test]
    fn a_token_shows_neither_itself_nor_its_header() {
        let (memory, clock) = memory_with_token();
        let token = memory.valid(&clock, None).unwrap();
        assert!(!format!("{token:?}{:?}", token.authorization()).contains("canary"));
        assert_eq!(token.authorization(), "Bearer canary");
        assert_eq!(token.fingerprint().len(), 8);
    }

    #[test]
    fn a_token_that_does_not_fit_into_a_header_is_not_accepted() {
        let (memory, chance) = (Memory::empty(), Chance::seeded(1));
        for token in ["a\nb", "a\rb", "a\0b", "\u{7f}"] {
            let record = TokenRecord { token: Some(AccessToken::from(token)), ..record() };
            assert!(
                memory.accept(&record, TokenSource::Store, NOW, &chance).is_none(),
                "{token:?}"
            );
        }
    }

    #[test]
    fn fallback_times_are_drawn_evenly_from_five_to_ninety_percent_of_the_window() {
        let (chance, mut tenths) = (Chance::seeded(1), [0_u32; 10]);
        for _ in 0..10_000 {
            let token = Memory::empty().accept(&record(), TokenSource::Minted, NOW, &chance);
            let place = token.unwrap().alone_at().since(record().refresh_at).as_secs_f64() / 900.0;
            let tenth = (place - ALONE_FROM) / (ALONE_TO - ALONE_FROM) * 10.0;
            assert!((0.0..=10.0).contains(&tenth), "{place}");
            *tenths.get_mut(tenth as usize).unwrap_or(&mut 0) += 1;
        }
        assert!(tenths.iter().all(|count| (850..1_150).contains(count)), "{tenths:?}");
    }

    #[test]
    fn a_degraded_memory_serves_a_due_token_until_it_expires() {
        let (memory, clock) = memory_with_token();
        clock.advance(Duration::from_millis(3_599_999));
        assert!(matches!(memory.look_up(&clock), Lookup::Due(_)));
        memory.degrade_until(NOW + Duration::from_secs(9_999));
        let Lookup::Hit(token) = memory.look_up(&clock) else { panic!("not served") };
        assert_eq!(token.source(), TokenSource::Overdue);
        clock.advance(Duration::from_millis(1));
        assert!(matches!(memory.look_up(&clock), Lookup::Empty));
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_set_back_does_not_extend_a_tokens_lifetime() {
        let (memory, clock) = memory_with_token();
        tokio::time::advance(Duration::from_secs(2_400)).await;
        clock.set(NOW - Duration::from_secs(1_200));
        assert!(matches!(memory.look_up(&clock), Lookup::Due(_)), "the store is read again");
        assert!(matches!(memory.look_up(&clock), Lookup::Hit(_)), "600 s before it is due");
        clock.advance(Duration::from_secs(1_199));
        assert!(memory.valid(&clock, None).is_some());
        clock.advance(Duration::from_secs(1));
        assert!(memory.valid(&clock, None).is_none());
    }
}
