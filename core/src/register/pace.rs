use std::time::Duration;

use crate::Chance;

/// How one who waits for a record to change looks at its store: often enough to see the change
/// soon, rarely enough for what the store bears and bills.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use funcify_core::register::PollPolicy;
///
/// let pace = PollPolicy { longest: Duration::from_secs(1), ..PollPolicy::default() };
/// assert_eq!(pace.shortest, Duration::from_millis(100));
/// assert!(pace.contention.is_zero());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PollPolicy {
    /// The shortest pause between two looks.
    pub shortest: Duration,
    /// The longest pause between two looks: each one is drawn from between the two.
    pub longest: Duration,
    /// Up to how long one who wants to replace a record that others want to replace as well waits,
    /// and looks again, before it writes: more than zero where a write that loses costs more than a
    /// second look.
    pub contention: Duration,
}

impl PollPolicy {
    /// How long one contender waits before it looks again and writes: a few briefly, most of them
    /// long, so that one or two are first and the others see them, be they ten or five hundred.
    ///
    /// Evenly drawn waits let one in ten of them write if a look takes a tenth of the time. These
    /// grow denser exponentially, as the slots of Sift do (Jamieson, Balakrishnan and Tay 2003).
    #[must_use]
    pub fn give_way(&self, chance: &Chance) -> Duration {
        const CONTENDERS: f64 = 512.0;
        let draw = chance.draw();
        let place = 1.0 + (draw + (1.0 - draw) / CONTENDERS).ln() / CONTENDERS.ln();
        self.contention.mul_f64(place.clamp(0.0, 1.0))
    }

    /// One pause, drawn evenly from the shortest to the longest.
    #[must_use]
    pub fn pause(&self, chance: &Chance) -> Duration {
        self.shortest + chance.up_to(self.longest.saturating_sub(self.shortest))
    }
}

impl Default for PollPolicy {
    /// 100 to 400 ms and no wait before a write: for a store that answers in a millisecond and bills
    /// no operations.
    fn default() -> Self {
        Self {
            shortest: Duration::from_millis(100),
            longest: Duration::from_millis(400),
            contention: Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_lies_between_the_two_and_odd_ones_do_no_harm() {
        let (pace, chance) = (PollPolicy::default(), Chance::seeded(1));
        for _ in 0..1_000 {
            let pause = pace.pause(&chance);
            assert!(pace.shortest <= pause && pause <= pace.longest, "{pause:?}");
        }
        assert_eq!(pace.give_way(&chance), Duration::ZERO);
        let odd = PollPolicy { longest: Duration::ZERO, ..pace };
        assert_eq!(odd.pause(&chance), odd.shortest);
    }

    /// How many of so many contenders have begun to write when the first one is seen to.
    fn writers(contenders: usize, seed: u64) -> usize {
        let pace = PollPolicy { contention: Duration::from_millis(500), ..PollPolicy::default() };
        let chance = Chance::seeded(seed);
        let waits: Vec<_> = (0..contenders).map(|_| pace.give_way(&chance)).collect();
        assert!(waits.iter().all(|wait| *wait <= pace.contention));
        let seen = waits.iter().min().map_or(Duration::ZERO, |first| *first) + pace.contention / 10;
        waits.iter().filter(|wait| **wait < seen).count()
    }

    #[test]
    fn a_few_contenders_write_however_many_there_are() {
        for contenders in [1, 20, 60, 200, 500] {
            let writers: usize = (0..100).map(|seed| writers(contenders, seed)).sum();
            // Evenly drawn it would be a tenth of them.
            assert!(writers <= 350, "{writers} in a hundred fleets of {contenders}");
        }
    }
}
