//! A store that is slow is asked again, less and less often, before the provider is.

use std::time::Duration;

use funcify_core::{
    engine::{Chance, OPERATION},
    register::PollPolicy,
};
use tokio::time::Instant;

/// Nobody bears with a slow store for longer than 15 s.
const LONGEST: Duration = Duration::from_secs(15);

/// The pauses grow to five times the longest one of the store's own pace, so that a fleet which
/// overwhelmed its store lets it recover.
const SLOWEST: u32 = 5;

/// How a caller without a token bears with a store that is slow.
///
/// A cold fleet that is too much for its store must not fall upon the provider instead. But the
/// caller has a deadline: one more look at the store and a request to the provider must fit in.
#[derive(Default)]
pub(super) struct Patience {
    since: Option<Instant>,
    looks: u32,
    is_last: bool,
}

impl Patience {
    /// When to look again; `None` if that is enough.
    pub(super) fn next(
        &mut self,
        pace: PollPolicy,
        ends: Instant,
        request: Duration,
        chance: &Chance,
    ) -> Option<Instant> {
        let now = Instant::now();
        let since = *self.since.get_or_insert(now);
        let left = ends.saturating_duration_since(since);
        let spare = left.saturating_sub(request).max(left / 2).saturating_sub(OPERATION);
        let over = since + spare.min(LONGEST);
        if self.is_last || now >= over {
            return None;
        }
        let slower = 2_u32.saturating_pow(self.looks.min(8)).min(SLOWEST);
        self.looks = self.looks.saturating_add(1);
        let longest = pace.longest.saturating_mul(slower);
        let again = now + PollPolicy::new(pace.shortest, longest).interval(chance);
        if again < over {
            return Some(again);
        }
        // The last look, at any moment of what is left: not all of a fleet look at its end.
        self.is_last = true;
        Some(now + chance.up_to(over - now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: Duration = Duration::from_secs(3);

    /// The pauses of a caller with so much time, and what is left of it at the end.
    async fn pauses(time: Duration) -> (Vec<Duration>, Duration) {
        let (mut patience, chance) = (Patience::default(), Chance::seeded(7));
        let ends = Instant::now() + time;
        let mut pauses = Vec::new();
        while let Some(again) = patience.next(PollPolicy::default(), ends, REQUEST, &chance) {
            pauses.push(again - Instant::now());
            tokio::time::sleep_until(again).await;
        }
        (pauses, ends - Instant::now())
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_and_a_request_fit_into_what_is_left() {
        for (time, spared) in
            [(60_000, 45_000), (10_000, 3_500), (2_200, 1_600), (900, 900), (0, 0)]
        {
            let (pauses, left) = pauses(Duration::from_millis(time)).await;
            assert!(left >= Duration::from_millis(spared), "{left:?} of {time} ms");
            assert_eq!(pauses.is_empty(), time < 1_000, "{pauses:?} in {time} ms");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_to_five_times_the_pace_and_no_further() {
        let (pauses, _) = pauses(Duration::from_secs(60)).await;
        assert!(pauses.len() <= 24, "{pauses:?}");
        assert!(pauses.iter().all(|pause| pause.as_secs() < 2), "{pauses:?}");
        assert!(pauses.iter().any(|pause| pause.as_millis() > 1_000), "{pauses:?}");
    }
}
