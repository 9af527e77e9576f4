use std::{ops::RangeInclusive, time::Duration};

/// How long answers are kept, and how long work and its duplicates may take.
///
/// Use the same policy in every function that shares a scope.
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
    /// How long an answer is kept: 1 s to 366 days. The default is 24 hours.
    ///
    /// A duplicate that comes later is a new operation. Choose a longer time than that for which your queue
    /// or client retries.
    pub retention: Duration,
    /// How long a duplicate waits for the answer of the first call: 0 to 15 minutes. The default is 5 s.
    ///
    /// With zero it does not wait. The deadline of the invocation may end the wait earlier.
    pub wait: Duration,
    /// How long the work may take: 1 s to 15 minutes. The default is 15 minutes, the longest time that
    /// Lambda runs a function.
    ///
    /// If a process dies during the work, the key is free again after this time, or at the deadline of the
    /// invocation if that is earlier. Outside of Lambda there is no such deadline, so set this value there.
    pub longest_claim: Duration,
    /// The largest answer that is kept, in bytes of JSON: 0 to 300,000. The default is 100,000.
    ///
    /// Of a larger answer, the record says only that the work was done. A duplicate then gets an error.
    pub max_answer: usize,
}

#[doc(hidden)]
impl IdempotencyPolicy {
    /// The longest claim that a reader believes: 15 minutes, the longest that Lambda runs a function.
    pub const LONGEST_CLAIM: Duration = Duration::from_secs(15 * 60);
    /// How much later than the claimant stops its claim ends in the record, 1 s. If the clocks of two
    /// processes differ by more, both may work at once.
    pub const CLOCK_ALLOWANCE: Duration = Duration::from_secs(1);
    /// The longest retention that a reader believes: 366 days.
    pub const LONGEST_RETENTION: Duration = Duration::from_secs(366 * 86_400);
    /// How long a claim that ended without an answer is remembered: 24 h. Meanwhile the next claim continues
    /// the count of attempts, and another payload does not get the key.
    pub const REMEMBERED: Duration = Duration::from_secs(86_400);

    /// Lists everything that is wrong with the policy, one sentence for each value.
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
