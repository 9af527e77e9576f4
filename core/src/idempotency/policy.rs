use std::{ops::RangeInclusive, time::Duration};

/// The numbers in the rules of idempotency. Use the same in every function that shares a scope.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use funcify_core::idempotency::IdempotencyPolicy;
///
/// let mut policy = IdempotencyPolicy::default();
/// policy.retention = Duration::from_secs(7 * 86_400);
/// policy.longest_claim = Duration::from_secs(30);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IdempotencyPolicy {
    /// How long an answer is remembered: 1 s to 366 days. The default is 24 hours.
    ///
    /// A duplicate that comes later is a new operation. Choose more than the time for which a queue or
    /// a client retries.
    pub retention: Duration,
    /// How long a duplicate waits for the first one's answer: up to 15 minutes. The default is 5 s.
    /// Zero does not wait. The deadline of the invocation may end it earlier.
    pub wait: Duration,
    /// How long the work may take: 1 s to 15 minutes. The default is 15 minutes, the longest that Lambda
    /// runs a function.
    ///
    /// The deadline of the invocation may end it earlier. If a process dies inside the work, the key
    /// is free again after this time. So set it outside Lambda, where no deadline does.
    pub longest_claim: Duration,
    /// The largest answer that is remembered, in bytes of JSON: up to 300,000. The default is 100,000.
    /// Of a larger one it is remembered only that the work was done.
    pub max_answer: usize,
}

#[doc(hidden)]
impl IdempotencyPolicy {
    /// No claim is believed to last longer than a function can run.
    pub const LONGEST_CLAIM: Duration = Duration::from_secs(15 * 60);
    /// The end of a claim is stored later by so much than its claimant stops: by so much may the clocks
    /// of two processes differ before both work at once.
    pub const CLOCK_ALLOWANCE: Duration = Duration::from_secs(1);
    /// No answer is believed to be kept longer than this.
    pub const LONGEST_RETENTION: Duration = Duration::from_secs(366 * 86_400);
    /// A claim that ended without an answer is remembered for so long: the attempts are counted on, and
    /// another payload does not get the key.
    pub const REMEMBERED: Duration = Duration::from_secs(86_400);

    /// What is wrong with the numbers, a sentence each.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        const SECOND: Duration = Duration::from_secs(1);
        let mut faults = Vec::new();
        let mut check =
            |what: &str, value: Duration, range: RangeInclusive<Duration>, text: &str| {
                if !range.contains(&value) {
                    faults.push(format!("{what} is {value:?}, expected {text}"));
                }
            };
        check("retention", self.retention, SECOND..=Self::LONGEST_RETENTION, "1 s to 366 days");
        check("wait", self.wait, Duration::ZERO..=Self::LONGEST_CLAIM, "at most 15 minutes");
        let longest = SECOND..=Self::LONGEST_CLAIM;
        check("longest_claim", self.longest_claim, longest, "1 s to 15 minutes");
        if self.max_answer > 300_000 {
            faults
                .push(format!("max_answer is {}, expected at most 300000 bytes", self.max_answer));
        }
        faults
    }
}

impl Default for IdempotencyPolicy {
    fn default() -> Self {
        Self {
            retention: Duration::from_secs(86_400),
            wait: Duration::from_secs(5),
            longest_claim: Self::LONGEST_CLAIM,
            max_answer: 100_000,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_that_makes_no_sense_is_refused_with_every_fault() {
        assert!(IdempotencyPolicy::default().faults().is_empty());
        let policy = IdempotencyPolicy {
            retention: Duration::from_millis(999),
            wait: Duration::from_secs(901),
            longest_claim: Duration::ZERO,
            max_answer: 300_001,
        };
        assert_eq!(
            policy.faults(),
            [
                "retention is 999ms, expected 1 s to 366 days",
                "wait is 901s, expected at most 15 minutes",
                "longest_claim is 0ns, expected 1 s to 15 minutes",
                "max_answer is 300001, expected at most 300000 bytes",
            ]
        );
    }
}
