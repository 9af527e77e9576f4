use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use crate::{Clock, Timestamp};

/// A wall clock that follows tokio's time. On a paused runtime, an hour passes at once.
///
/// The simulator and all tests on virtual time use this clock. Its constructors return an `Arc`,
/// because every consumer of a clock shares it.
#[derive(Debug)]
pub struct VirtualClock {
    began: Instant,
    start: Timestamp,
    /// How far this clock is ahead of tokio's time, in nanoseconds.
    skipped: Arc<AtomicU64>,
}

impl VirtualClock {
    /// The time that a new clock shows. It is a whole second, because the buckets of the rate rule begin
    /// on whole seconds.
    pub const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    /// Creates a clock that shows [`START`](Self::START) now.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Self::at(Self::START)
    }

    /// Creates a clock that shows `start` now.
    #[must_use]
    pub fn at(start: Timestamp) -> Arc<Self> {
        Arc::new(Self { began: Instant::now(), start, skipped: Arc::default() })
    }

    /// Creates a clock that moves with this one and differs from it by `millis` milliseconds.
    #[must_use]
    pub fn off_by(&self, millis: i64) -> Arc<Self> {
        let start = Timestamp::from_millis(self.start.as_millis().saturating_add(millis));
        Arc::new(Self { began: self.began, start, skipped: Arc::clone(&self.skipped) })
    }

    /// How much time has passed since the clock was created.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed() + Duration::from_nanos(self.skipped.load(Ordering::Relaxed))
    }

    /// Moves this clock, and the clocks that [`off_by`](Self::off_by) made of it, without a timer.
    /// Tokio's time does not move, so no timer fires.
    pub fn skip(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.skipped.fetch_add(nanos, Ordering::Relaxed);
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        self.start + self.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_moves_with_paused_time_and_with_what_was_skipped() {
        let clock = VirtualClock::new();
        let wrong = clock.off_by(-300_000);
        tokio::time::sleep(Duration::from_secs(60)).await;
        clock.skip(Duration::from_secs(5));
        assert_eq!(clock.now(), VirtualClock::START + Duration::from_secs(65));
        assert_eq!(wrong.now(), clock.now() - Duration::from_secs(300));
    }
}
