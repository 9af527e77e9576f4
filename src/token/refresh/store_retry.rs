//! Retries of a slow store: less and less often, before the provider is asked without it.

use std::time::Duration;

use funcify_core::{engine::Chance, register::PollPolicy};
use tokio::time::Instant;

/// A slow store is retried for 15 s at most: half of the longest time that an API Gateway
/// integration gives a function (29 s).
const LONGEST: Duration = Duration::from_secs(15);

/// The pauses grow to five times the longest poll interval of the store, so that a fleet which
/// overloaded its store lets it recover. Redis then gets a read per caller every 1 to 2 s.
const SLOWEST: u32 = 5;

/// The retries of one caller without a token.
///
/// A cold fleet that overloads its store must not overload the provider instead. But the caller has
/// a deadline: one more read of the store and a request to the provider must fit in.
#[derive(Default)]
pub(super) struct StoreRetry {
    since: Option<Instant>,
    retries: u32,
    is_last: bool,
}

impl StoreRetry {
    /// When to read the store again. `None`: no more retries.
    pub(super) fn next(
        &mut self,
        poll: PollPolicy,
        ends: Instant,
        request: Duration,
        chance: &Chance,
    ) -> Option<Instant> {
        let now = Instant::now();
        let since = *self.since.get_or_insert(now);
        let left = ends.saturating_duration_since(since);
        let spare = left.saturating_sub(request).max(left / 2).saturating_sub(poll.timeout);
        let over = since + spare.min(LONGEST);
        if self.is_last || now >= over {
            return None;
        }
        let slower = 2_u32.saturating_pow(self.retries.min(8)).min(SLOWEST);
        self.retries = self.retries.saturating_add(1);
        let longest = poll.longest.saturating_mul(slower);
        let again = now + PollPolicy::new(poll.shortest, longest).interval(chance);
        if again < over {
            return Some(again);
        }
        // The last retry is at any moment of the rest, so that a fleet does not retry all at once.
        self.is_last = true;
        Some(now + chance.up_to(over - now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: Duration = Duration::from_secs(3);

    /// The pauses of a caller with this much time, and the time that is left at the end.
    async fn pauses(time: Duration) -> (Vec<Duration>, Duration) {
        let (mut retry, chance) = (StoreRetry::default(), Chance::seeded(7));
        let ends = Instant::now() + time;
        let mut pauses = Vec::new();
        while let Some(again) = retry.next(PollPolicy::default(), ends, REQUEST, &chance) {
            pauses.push(again - Instant::now());
            tokio::time::sleep_until(again).await;
        }
        (pauses, ends - Instant::now())
    }

    #[tokio::test(start_paused = true)]
    async fn a_read_and_a_request_fit_into_the_time_that_is_left() {
        for (time, spared) in
            [(60_000, 45_000), (10_000, 3_500), (2_200, 1_600), (900, 900), (0, 0)]
        {
            let (pauses, left) = pauses(Duration::from_millis(time)).await;
            assert!(left >= Duration::from_millis(spared), "{left:?} of {time} ms");
            assert_eq!(pauses.is_empty(), time < 1_000, "{pauses:?} in {time} ms");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_to_five_times_the_poll_interval_and_no_further() {
        let (pauses, _) = pauses(Duration::from_secs(60)).await;
        assert!(pauses.len() <= 24, "{pauses:?}");
        assert!(pauses.iter().all(|pause| pause.as_secs() < 2), "{pauses:?}");
        assert!(pauses.iter().any(|pause| pause.as_millis() > 1_000), "{pauses:?}");
    }
}
