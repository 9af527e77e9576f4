//! Retries of a store that throttles or hangs, and the moment at which a caller asks the provider without it.
//!
//! A store that throttles or hangs usually has many clients: other instances of this fleet want the same
//! token. So a process reads it less often the more it fails, and draws the moment at which it gives up.
//! Otherwise a fleet that overloads its store would overload the provider next.

use std::time::Duration;

use funcify_core::{engine::Chance, register::PollPolicy};
use tokio::time::Instant;

/// A caller with enough time retries for up to 94 s. If 1,000 instances give up evenly over the last nine
/// tenths of that time, they send the provider 12 requests a second.
const LONGEST: Duration = Duration::from_secs(94);

/// The part of a caller's time in which it does not give up: a tenth if the store hangs, half if the store
/// has answered this caller before and may only be slow, and four fifths if the store throttles. A store that
/// throttles works, and serves every instance in the end.
const KEPT: f64 = 0.1;
const KEPT_IF_ANSWERED: f64 = 0.5;
const KEPT_IF_THROTTLED: f64 = 0.8;

/// The longest interval grows to five times the poll interval of the store. In Redis that is 2 s: a process
/// notices within 2 s that the store has recovered.
const SLOWEST: f64 = 5.0;

/// A throttled request quadruples the interval at once, because each request too many costs another process
/// its answer. A request without an answer doubles it: it may only be a lost packet.
const DOUBLINGS_IF_THROTTLED: f64 = 2.0;

/// An answer shortens the intervals by less than a failure lengthens them, so that a fleet settles where
/// about one read in five is throttled. If it were one in two, the process with the lease could not write.
const RECOVERY: f64 = 0.25;

/// How the store fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The store works, but refuses some requests.
    Throttles,
    /// The store answers too late or not at all.
    Hangs,
    /// The store cannot be reached, or refuses every request.
    Down,
}

/// How crowded the store is, judged by its answers to this process. Kept from one caller to the next.
#[derive(Debug, Default)]
pub(super) struct Crowding {
    /// The factor of the intervals, as its logarithm to base 2.
    doublings: f64,
}

impl Crowding {
    pub(super) fn failed(&mut self, trouble: Trouble) {
        let more = if trouble == Trouble::Throttles { DOUBLINGS_IF_THROTTLED } else { 1.0 };
        self.doublings = (self.doublings + more).min(SLOWEST.log2());
    }

    pub(super) fn answered(&mut self) {
        self.doublings = (self.doublings - RECOVERY).max(0.0);
    }

    /// How long to wait before the next read.
    pub(super) fn interval(&self, poll: PollPolicy, chance: &Chance) -> Duration {
        self.slowed(poll).interval(chance)
    }

    /// How long to wait while other contenders for the lease write first.
    pub(super) fn back_off(&self, poll: PollPolicy, chance: &Chance) -> Duration {
        self.slowed(poll).contention_back_off(chance)
    }

    fn slowed(&self, mut poll: PollPolicy) -> PollPolicy {
        let factor = self.doublings.exp2();
        poll.longest = poll.longest.mul_f64(factor);
        poll.contention = poll.contention.mul_f64(factor);
        poll
    }
}

/// The retries of one caller without a token. They end while one more read of the store and a request to the
/// provider still fit into the caller's time.
#[derive(Debug)]
pub(super) struct StoreRetry {
    /// The longest that one operation on the store may take, and one request to the provider.
    operation: Duration,
    request: Duration,
    /// Where in the time in which it may give up this caller does so, from 0 to 1. Drawn once.
    place: f64,
    since: Option<Instant>,
    has_answered: bool,
    is_throttled: bool,
    is_last: bool,
}

impl StoreRetry {
    pub(super) fn new(operation: Duration, request: Duration, chance: &Chance) -> Self {
        let (place, since) = (chance.draw(), None);
        let [has_answered, is_throttled, is_last] = [false; 3];
        Self { operation, request, place, since, has_answered, is_throttled, is_last }
    }

    /// Notes that the store answered: the caller's time to give up counts from the next failure.
    pub(super) fn answered(&mut self) {
        (self.since, self.is_throttled, self.is_last) = (None, false, false);
        self.has_answered = true;
    }

    /// When to read the store again: after `interval`, or earlier if the caller gives up before that.
    /// Returns `None` if the caller gives up now and asks the provider without the store.
    pub(super) fn next(
        &mut self,
        trouble: Trouble,
        interval: Duration,
        ends: Instant,
    ) -> Option<Instant> {
        let now = Instant::now();
        let since = *self.since.get_or_insert(now);
        self.is_throttled |= trouble == Trouble::Throttles;
        let left = ends.saturating_duration_since(since);
        let spare = left.saturating_sub(self.request).max(left / 2).saturating_sub(self.operation);
        let kept = match (self.is_throttled, self.has_answered) {
            (true, _) => KEPT_IF_THROTTLED,
            (false, true) => KEPT_IF_ANSWERED,
            (false, false) => KEPT,
        };
        let gives_up = since + spare.min(LONGEST).mul_f64(kept + (1.0 - kept) * self.place);
        if self.is_last || now >= gives_up {
            return None;
        }
        self.is_last = now + interval >= gives_up;
        Some(gives_up.min(now + interval))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPERATION: Duration = Duration::from_millis(500);
    const REQUEST: Duration = Duration::from_secs(3);

    /// The pauses of a caller with so much time, if the store always fails like this, and the time that is
    /// left when it gives up.
    async fn pauses(trouble: Trouble, time: Duration, seed: u64) -> (Vec<Duration>, Duration) {
        let chance = Chance::seeded(seed);
        let (mut retry, mut crowding) =
            (StoreRetry::new(OPERATION, REQUEST, &chance), Crowding::default());
        let ends = Instant::now() + time;
        let mut pauses = Vec::new();
        loop {
            crowding.failed(trouble);
            let interval = crowding.interval(PollPolicy::default(), &chance);
            let Some(again) = retry.next(trouble, interval, ends) else { break };
            pauses.push(again - Instant::now());
            tokio::time::sleep_until(again).await;
        }
        (pauses, ends - Instant::now())
    }

    #[tokio::test(start_paused = true)]
    async fn a_read_and_a_request_fit_into_the_time_that_is_left() {
        for (time, spared) in [(60_000, 3_500), (10_000, 3_500), (2_200, 1_600), (900, 900), (0, 0)]
        {
            for (seed, trouble) in
                (0..20).flat_map(|seed| [(seed, Trouble::Hangs), (seed, Trouble::Throttles)])
            {
                let (pauses, left) = pauses(trouble, Duration::from_millis(time), seed).await;
                assert!(left >= Duration::from_millis(spared), "{left:?} of {time} ms");
                assert_eq!(pauses.is_empty(), time < 1_000, "{pauses:?} in {time} ms");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_to_five_times_the_poll_interval_and_no_further() {
        let (pauses, _) = pauses(Trouble::Throttles, Duration::from_secs(60), 7).await;
        assert!(pauses.iter().all(|pause| pause.as_secs() < 2), "{pauses:?}");
        assert!(pauses.iter().any(|pause| pause.as_millis() > 1_000), "{pauses:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_fleet_gives_up_evenly_over_its_time_and_later_if_the_store_throttles() {
        let time = Duration::from_secs(30);
        for (trouble, first, each_second) in [(Trouble::Hangs, 2, 18), (Trouble::Throttles, 21, 60)]
        {
            let mut seconds = [0; 30];
            for seed in 0..200 {
                let (_, left) = pauses(trouble, time, seed).await;
                seconds[usize::try_from((time - left).as_secs()).unwrap()] += 1;
            }
            assert_eq!(seconds[..first].iter().sum::<u32>(), 0, "{trouble:?} {seconds:?}");
            assert!(seconds.iter().all(|count| *count <= each_second), "{trouble:?} {seconds:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_has_answered_before_is_tried_for_half_of_the_time() {
        for seed in 0..200 {
            let chance = Chance::seeded(seed);
            let mut retry = StoreRetry::new(OPERATION, REQUEST, &chance);
            let ends = Instant::now() + Duration::from_secs(30);
            retry.answered();
            let second = Duration::from_secs(1);
            while let Some(again) = retry.next(Trouble::Hangs, second, ends) {
                tokio::time::sleep_until(again).await;
            }
            let left = ends - Instant::now();
            let half = Duration::from_millis(30_000 - 26_500 / 2);
            assert!((OPERATION + REQUEST..=half).contains(&left), "{left:?}");
        }
    }

    #[test]
    fn answers_shorten_the_intervals_slowly() {
        let (mut crowding, chance) = (Crowding::default(), Chance::seeded(1));
        let poll = PollPolicy::default();
        let longest = |crowding: &Crowding| {
            (0..1_000).map(|_| crowding.interval(poll, &chance)).max().unwrap().as_millis()
        };
        assert!((390..=400).contains(&longest(&crowding)));
        (0..9).for_each(|_| crowding.failed(Trouble::Hangs));
        assert!((1_900..=2_000).contains(&longest(&crowding)));
        crowding.answered();
        assert!((1_600..=1_700).contains(&longest(&crowding)));
        (0..10).for_each(|_| crowding.answered());
        assert!((390..=400).contains(&longest(&crowding)));
    }
}
