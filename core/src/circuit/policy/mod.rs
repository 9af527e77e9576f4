pub(super) mod fault;
pub(super) mod seconds;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use self::fault::{Faults, PolicyFault};
use super::{
    CircuitConfigError,
    rules::{CountRule, RateRule, Rule},
};

/// When a circuit opens, how long it stays open, and how it closes again.
///
/// Use the same policy in every function that shares the circuit. A policy can be read from JSON or
/// TOML, where durations are written in seconds. A policy that makes no sense is refused by
/// [`CircuitBreaker::new`](super::CircuitBreaker::new).
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use funcify_core::circuit::{CircuitPolicy, CountRule, RateRule};
///
/// let mut policy = CircuitPolicy::new(RateRule::new(0.2, Duration::from_secs(60), 50));
/// policy.open_duration = Duration::from_secs(10);
/// policy.max_open_duration = Duration::from_secs(120);
///
/// let read: CircuitPolicy =
///     serde_json::from_str(r#"{"rule":{"count":{"failures":5,"window":30,"quorum":2}}}"#)?;
/// let mut rule = CountRule::new(5, Duration::from_secs(30));
/// rule.quorum = 2;
/// assert_eq!(read, CircuitPolicy::new(rule));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct CircuitPolicy {
    /// What opens a closed circuit.
    #[doc(hidden)]
    pub rule: Rule,
    /// After how long the breaker ends a call and counts a failure: 1 ms to 15 min. The default is
    /// 3 s.
    ///
    /// A dependency that hangs is found only when calls are ended. At 100 calls/s, 300 calls are under
    /// way before the first of them is. A probe's lease lasts as long as this and 2 s more, so this is also what
    /// a killed probe costs. Raise it for a dependency whose good answers take longer.
    #[serde(with = "seconds")]
    pub call_timeout: Duration,
    /// How long the circuit stays open the first time: 1 ms to 24 h. The default is 30 s. It doubles
    /// each time that the circuit opens again. A random tenth is taken off, once for the whole fleet.
    #[serde(with = "seconds")]
    pub open_duration: Duration,
    /// How long the circuit stays open at most: `open_duration` to 24 h. The default is 5 min.
    ///
    /// A circuit that was closed for twice as long as this starts with `open_duration` again.
    #[serde(with = "seconds")]
    pub max_open_duration: Duration,
    /// How many probes the whole fleet sends at a time while the circuit is half-open: 1 to 4. The
    /// default is 1.
    pub probes: u32,
    /// How many probes must succeed to close the circuit: 1 to 16. The default is 2.
    pub successes: u32,
    /// How old a snapshot of the record may be before the store is read again: 1 ms to 5 min. The
    /// default is 5 s. While the circuit refuses calls it is at least 5 s.
    #[serde(with = "seconds")]
    pub snapshot_ttl: Duration,
    /// How old a snapshot may be after a failure: 1 ms to `snapshot_ttl`. The default is 1 s.
    #[serde(with = "seconds")]
    pub snapshot_ttl_after_failure: Duration,
    /// What the breaker does while the store is down. The default is [`StoreDown::Local`].
    pub store_down: StoreDown,
}

/// What a breaker does while the store is down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoreDown {
    /// Each instance applies the same rules to a record of its own.
    #[default]
    Local,
    /// Every call is admitted.
    Admit,
    /// Every call is refused.
    Refuse,
}

impl Default for CircuitPolicy {
    /// Opens for 30 s, and up to 5 min, when half of at least 20 calls within 60 s failed.
    fn default() -> Self {
        Self::new(RateRule::new(0.5, Duration::from_secs(60), 20))
    }
}

impl CircuitPolicy {
    /// A policy with this rule, a [`CountRule`] or a [`RateRule`], and the default of everything else.
    #[must_use]
    pub fn new(rule: impl Into<Rule>) -> Self {
        Self {
            rule: rule.into(),
            call_timeout: Duration::from_secs(3),
            open_duration: Duration::from_secs(30),
            max_open_duration: Duration::from_secs(300),
            probes: 1,
            successes: 2,
            snapshot_ttl: Duration::from_secs(5),
            snapshot_ttl_after_failure: Duration::from_secs(1),
            store_down: StoreDown::Local,
        }
    }

    /// Opens for five minutes at three failures within five minutes.
    ///
    /// This suits a token endpoint. It is too sensitive for anything that is called often. A call may
    /// take 10 s: the fleet makes one at a time, so that a slow one costs little.
    #[must_use]
    pub fn for_token_endpoint() -> Self {
        let five_minutes = Duration::from_secs(300);
        Self {
            open_duration: five_minutes,
            max_open_duration: five_minutes,
            call_timeout: Duration::from_secs(10),
            ..Self::new(CountRule::new(3, five_minutes))
        }
    }

    /// Checks the policy without a breaker.
    ///
    /// # Errors
    ///
    /// [`CircuitConfigError`] with everything that is wrong.
    #[doc(hidden)]
    pub fn check(&self) -> Result<(), CircuitConfigError> {
        let faults = self.faults();
        if faults.is_empty() { Ok(()) } else { Err(CircuitConfigError::new(None, faults)) }
    }

    /// Everything that is wrong with this policy.
    pub(super) fn faults(&self) -> Vec<PolicyFault> {
        const LONGEST_TTL: Duration = Duration::from_secs(300);

        let mut faults = Faults::default();
        self.rule.add_faults(&mut faults);
        let shortest = Faults::SHORTEST;
        faults.check_duration("call_timeout", self.call_timeout, shortest, Faults::LONGEST_CALL);
        faults.check_duration("open_duration", self.open_duration, shortest, Faults::DAY);
        faults.check_duration("max_open_duration", self.max_open_duration, shortest, Faults::DAY);
        if self.max_open_duration < self.open_duration {
            faults.add("max_open_duration", "at least `open_duration`", self.max_open_duration);
        }
        faults.check_count("probes", self.probes, 1, 4);
        faults.check_count("successes", self.successes, 1, 16);
        faults.check_duration("snapshot_ttl", self.snapshot_ttl, shortest, LONGEST_TTL);
        let after_failure = self.snapshot_ttl_after_failure;
        faults.check_duration("snapshot_ttl_after_failure", after_failure, shortest, LONGEST_TTL);
        if self.snapshot_ttl < after_failure {
            faults.add("snapshot_ttl_after_failure", "at most `snapshot_ttl`", after_failure);
        }
        faults.into_list()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(policy: &CircuitPolicy) -> String {
        policy.check().map_or_else(|error| error.to_string(), |()| String::new())
    }

    #[test]
    fn every_fault_is_described_at_once() {
        let rule = CountRule { quorum: 0, ..CountRule::new(17, Duration::ZERO) };
        let policy = CircuitPolicy {
            call_timeout: Duration::from_secs(901),
            open_duration: Duration::from_secs(20),
            max_open_duration: Duration::from_secs(10),
            probes: 5,
            successes: 0,
            snapshot_ttl: Duration::from_secs(1),
            snapshot_ttl_after_failure: Duration::from_secs(5),
            ..CircuitPolicy::new(rule)
        };
        assert_eq!(
            described(&policy),
            "the circuit cannot be configured: \
             `rule.count.failures` must be 1 to 16, got 17; \
             `rule.count.window` must be 1s to 86400s, got 0ns; \
             `rule.count.quorum` must be 1 to 16, got 0; \
             `call_timeout` must be 1ms to 900s, got 901s; \
             `max_open_duration` must be at least `open_duration`, got 10s; \
             `probes` must be 1 to 4, got 5; \
             `successes` must be 1 to 16, got 0; \
             `snapshot_ttl_after_failure` must be at most `snapshot_ttl`, got 5s"
        );
    }

    #[test]
    fn a_rule_accepts_what_it_can_use_and_nothing_else() {
        let minute = Duration::from_secs(60);
        let count = |quorum| CountRule { quorum, ..CountRule::new(5, minute) };
        let rate = |rate| RateRule::new(rate, minute, 20);
        let rate_of = |share, quorum| {
            let mut rule = rate(share);
            rule.quorum = quorum;
            rule
        };
        let rules: [(Rule, &str); 10] = [
            (count(5).into(), ""),
            (count(6).into(), "`rule.count.quorum` must be 1 to 5"),
            (rate_of(1.0, 4).into(), ""),
            (rate_of(0.5, 5).into(), "`rule.rate.quorum` must be 1 to 4, got 5"),
            (rate(0.0).into(), "`rule.rate.failures` must be more than 0 and at most 1, got 0.0"),
            (rate(f64::NAN).into(), "`rule.rate.failures` must be more than 0 and at most 1"),
            (RateRule::new(0.5, minute * 61, 0).into(), "`rule.rate.minimum_calls` must be 1 to"),
            (rate(0.5).with_slow_calls(0.5, minute).into(), ""),
            (rate(0.5).with_slow_calls(1.5, minute).into(), "`rule.rate.slow.rate` must be more"),
            (rate(0.5).with_slow_calls(0.5, minute * 16).into(), "`rule.rate.slow.after` must be"),
        ];
        for (rule, fault) in rules {
            let described = described(&CircuitPolicy::new(rule));
            assert_eq!(described.is_empty(), fault.is_empty(), "{rule:?}: {described}");
            assert!(described.contains(fault), "{rule:?}: {described}");
        }
        // A count rule knows no slow calls, not in JSON either.
        let slow = r#"{"rule":{"count":{"failures":5,"window":60,"slow":{"rate":0.5,"after":1}}}}"#;
        assert!(serde_json::from_str::<CircuitPolicy>(slow).is_err());
    }

    #[test]
    fn a_policy_is_read_as_it_is_written() {
        let mut rule = RateRule::new(0.2, Duration::from_secs(60), 50)
            .with_slow_calls(0.5, Duration::from_millis(1_500));
        rule.quorum = 2;
        let policy = CircuitPolicy { store_down: StoreDown::Refuse, ..CircuitPolicy::new(rule) };
        let text = serde_json::to_string(&policy).unwrap();
        assert!(text.contains(r#""slow":{"rate":0.5,"after":1.5}"#), "{text}");
        assert_eq!(serde_json::from_str::<CircuitPolicy>(&text).unwrap(), policy);
    }
}
