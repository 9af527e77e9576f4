use std::time::Duration;

use crate::chance::Chance;

/// How long one read or write may take, with all its retries, unless the store sets another limit.
pub const OPERATION: Duration = Duration::from_millis(500);

/// The same for the first operation on a store, which also opens the connection.
const FIRST_OPERATION: Duration = Duration::from_secs(2);

/// How a process uses a store: how often it reads a record that another process is about to change,
/// and how long it waits for one operation.
///
/// With short intervals a process notices the change soon. Long intervals save requests to a store that
/// is slow or bills each operation.
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
    /// The shortest interval between two reads. The default is 100 ms.
    pub shortest: Duration,
    /// The longest interval between two reads. The default is 400 ms. Each interval is drawn evenly from
    /// `shortest` to `longest`.
    pub longest: Duration,
    /// The longest back-off under contention. The default is zero.
    ///
    /// With a back-off, a process that wants to replace a record waits for a random time up to this limit
    /// and reads the record again before it writes. Set it for a store on which a write that loses costs
    /// more than a second read.
    pub contention: Duration,
    /// How long one read or write may take, with its retries. The default is 500 ms. Set more for a store
    /// that is far away.
    ///
    /// The first operation on a store also opens the connection, so it gets 2 s, or twice `timeout` if
    /// that is more.
    pub timeout: Duration,
    /// Why the store is unsuitable for idempotency, such as that it keeps few records, or keeps them for
    /// ever, or that its reads may be stale. The default is `None`: the store is suitable.
    pub no_idempotency: Option<&'static str>,
}

impl PollPolicy {
    /// Creates a policy with this range of intervals between two reads, and the default of everything else.
    #[doc(hidden)]
    #[must_use]
    pub const fn new(shortest: Duration, longest: Duration) -> Self {
        let (contention, timeout) = (Duration::ZERO, OPERATION);
        Self { shortest, longest, contention, timeout, no_idempotency: None }
    }
}

#[doc(hidden)]
impl PollPolicy {
    /// Returns the same policy with another limit for one operation.
    #[must_use]
    pub const fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Returns how long the first operation on the store may take.
    #[must_use]
    pub fn first_timeout(&self) -> Duration {
        FIRST_OPERATION.max(self.timeout.saturating_mul(2))
    }

    /// Draws one interval evenly from `shortest` to `longest`.
    #[must_use]
    pub fn interval(&self, chance: &Chance) -> Duration {
        self.shortest + chance.up_to(self.longest.saturating_sub(self.shortest))
    }

    /// Draws how long one contender waits before it reads again and writes. Few contenders wait briefly and
    /// most of them wait long, so that one or two write first and the others see the result, whether there
    /// are ten contenders or five hundred.
    ///
    /// If the waits were drawn evenly and a read took a tenth of `contention`, one contender in ten would
    /// write. These waits become exponentially more likely towards the end, as the slots of Sift do
    /// (Jamieson, Balakrishnan and Tay: *Sift: A MAC Protocol for Event-Driven Wireless Sensor Networks*,
    /// 2003).
    #[must_use]
    pub fn contention_back_off(&self, chance: &Chance) -> Duration {
        const CONTENDERS: f64 = 512.0;
        let draw = chance.draw();
        let place = 1.0 + (draw + (1.0 - draw) / CONTENDERS).ln() / CONTENDERS.ln();
        self.contention.mul_f64(place.clamp(0.0, 1.0))
    }
}

impl Default for PollPolicy {
    /// A read every 100 to 400 ms, no back-off, and 500 ms for an operation: for a store that answers in
    /// about a millisecond and does not bill operations.
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

    /// How many of the contenders have begun to write when the first write is visible.
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
            // If the waits were drawn evenly, a tenth of the contenders would have written.
            assert!(writers <= 350, "{writers} in a hundred fleets of {contenders}");
        }
    }
}
