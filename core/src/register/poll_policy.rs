use std::time::Duration;

use crate::chance::Chance;

/// How long one whole read or write may take, with all its retries, unless the store says otherwise.
pub const OPERATION: Duration = Duration::from_millis(500);

/// The same for the first operation on a store, which also connects.
const FIRST_OPERATION: Duration = Duration::from_secs(2);

/// How a process uses a store: how often it reads a record that another process is about to change,
/// and how long it waits for one operation.
///
/// Short intervals notice the change soon. Long ones spare a store that is slow or bills each
/// operation.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use funcify_core::register::PollPolicy;
///
/// let mut policy = PollPolicy::default();
/// (policy.shortest, policy.longest) = (Duration::from_millis(250), Duration::from_secs(1));
/// assert!(policy.contention.is_zero());
/// assert_eq!(PollPolicy::default().shortest, Duration::from_millis(100));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PollPolicy {
    /// The shortest interval between two reads.
    pub shortest: Duration,
    /// The longest interval between two reads. Each interval is drawn evenly between the two.
    pub longest: Duration,
    /// The longest back-off under contention: how long a process that wants to replace a record
    /// waits at most, and reads again, before it writes. Above zero where a write that loses costs
    /// more than a second read. Zero unless set.
    pub contention: Duration,
    /// How long one read or write may take, with its retries: 500 ms unless set. Above that for a
    /// store that is far away. The first operation on a store may take longer, because it also
    /// connects: 2 s, or twice this where that is more.
    pub timeout: Duration,
    /// Why the store is not made for idempotency, if it is not: it keeps few records, or keeps them for
    /// ever, or its reads may be stale. `None` unless set.
    pub no_idempotency: Option<&'static str>,
}

impl PollPolicy {
    /// A policy with this interval between two reads, without a back-off under contention.
    #[doc(hidden)]
    #[must_use]
    pub const fn new(shortest: Duration, longest: Duration) -> Self {
        let (contention, timeout) = (Duration::ZERO, OPERATION);
        Self { shortest, longest, contention, timeout, no_idempotency: None }
    }
}

#[doc(hidden)]
impl PollPolicy {
    /// The same policy with another limit for one operation.
    #[must_use]
    pub const fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// How long the first operation on the store may take.
    #[must_use]
    pub fn first_timeout(&self) -> Duration {
        FIRST_OPERATION.max(self.timeout.saturating_mul(2))
    }

    /// One interval, drawn evenly from the shortest to the longest.
    #[must_use]
    pub fn interval(&self, chance: &Chance) -> Duration {
        self.shortest + chance.up_to(self.longest.saturating_sub(self.shortest))
    }

    /// How long one contender waits before it reads again and writes. A few wait briefly and most of
    /// them long, so that one or two write first and the others see the result, whether there are ten
    /// contenders or five hundred.
    ///
    /// With evenly drawn waits, one contender in ten would write if a read took a tenth of the time.
    /// These grow denser exponentially, as the slots of Sift do (Jamieson, Balakrishnan and Tay 2003).
    #[must_use]
    pub fn contention_back_off(&self, chance: &Chance) -> Duration {
        const CONTENDERS: f64 = 512.0;
        let draw = chance.draw();
        let place = 1.0 + (draw + (1.0 - draw) / CONTENDERS).ln() / CONTENDERS.ln();
        self.contention.mul_f64(place.clamp(0.0, 1.0))
    }
}

impl Default for PollPolicy {
    /// 100 to 400 ms without a back-off: for a store that answers in a millisecond and does not bill
    /// operations.
    fn default() -> Self {
        Self::new(Duration::from_millis(100), Duration::from_millis(400))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_lies_between_the_two_bounds_and_reversed_bounds_do_not_panic() {
        let (policy, chance) = (PollPolicy::default(), Chance::seeded(1));
        for _ in 0..1_000 {
            let interval = policy.interval(&chance);
            assert!(policy.shortest <= interval && interval <= policy.longest, "{interval:?}");
        }
        assert_eq!(policy.contention_back_off(&chance), Duration::ZERO);
        let reversed = PollPolicy { longest: Duration::ZERO, ..policy };
        assert_eq!(reversed.interval(&chance), reversed.shortest);
    }

    /// How many of so many contenders have begun to write when the first write is visible.
    fn writers(contenders: usize, seed: u64) -> usize {
        let policy = PollPolicy { contention: Duration::from_millis(500), ..PollPolicy::default() };
        let chance = Chance::seeded(seed);
        let waits: Vec<_> = (0..contenders).map(|_| policy.contention_back_off(&chance)).collect();
        assert!(waits.iter().all(|wait| *wait <= policy.contention));
        let first = waits.iter().min().map_or(Duration::ZERO, |first| *first);
        let visible = first + policy.contention / 10;
        waits.iter().filter(|wait| **wait < visible).count()
    }

    #[test]
    fn a_few_contenders_write_however_many_there_are() {
        for contenders in [1, 20, 60, 200, 500] {
            let writers: usize = (0..100).map(|seed| writers(contenders, seed)).sum();
            // With evenly drawn waits it would be a tenth of them.
            assert!(writers <= 350, "{writers} in a hundred fleets of {contenders}");
        }
    }
}
