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
/// Use the same policy in every function that shares the circuit. You can read a policy from JSON or
/// TOML, where durations are numbers of seconds. [`CircuitBreaker::new`](super::CircuitBreaker::new)
/// refuses a policy with a value out of its range.
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
    /// The rule that opens a closed circuit.
    #[doc(hidden)]
    pub rule: Rule,
    /// After how long the breaker ends a call and counts a failure: 1 ms to 15 min. The default is
    /// 3 s.
    ///
    /// A circuit notices a dependency that hangs only when it ends calls. With 3 s and 100 calls a second,
    /// 300 calls have begun before the first one is ended. The lease of a probe lasts for this time and 2 s.
    /// If the process of a probe dies, its place is taken for that long. Set more for a dependency whose
    /// good answers take longer.
    #[serde(with = "seconds")]
    pub call_timeout: Duration,
    /// How long the circuit stays open the first time: 1 ms to 24 h. The default is 30 s.
    ///
    /// The time doubles each time that the circuit opens again. Up to a tenth of it is subtracted at random,
    /// so that circuits that opened together do not probe together.
    #[serde(with = "seconds")]
    pub open_duration: Duration,
    /// How long the circuit stays open at most: `open_duration` to 24 h. The default is 5 min.
    ///
    /// After the circuit was closed for twice this time, the next open duration is `open_duration` again.
    #[serde(with = "seconds")]
    pub max_open_duration: Duration,
    /// How many probes the whole fleet makes at the same time while the circuit is half-open: 1 to 4. The
    /// default is 1.
    pub probes: u32,
    /// How many probes must succeed to close the circuit: 1 to 16. The default is 2.
    pub successes: u32,
    /// How old the snapshot of an instance may be before it reads the store again: 1 ms to 5 min. The
    /// default is 5 s. While the circuit is open, less than 5 s counts as 5 s.
    #[serde(with = "seconds")]
    pub snapshot_ttl: Duration,
    /// How old a snapshot may be after a failure: 1 ms to `snapshot_ttl`. The default is 1 s.
    #[serde(with = "seconds")]
    pub snapshot_ttl_after_failure: Duration,
    /// What an instance does while the store is down. The default is [`StoreDown::Local`].
    pub store_down: StoreDown,
}

/// What an instance does while the store is down.
///
/// An override that an operator has set stays in force in each case.
///
/// # Examples
///
/// ```
/// use funcify_core::circuit::{CircuitPolicy, StoreDown};
///
/// let mut policy = CircuitPolicy::default();
/// policy.store_down = StoreDown::Admit;
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoreDown {
    /// It applies the same rules to a record of its own. This is the default.
    #[default]
    Local,
    /// It admits every call.
    Admit,
    /// It refuses every call.
    Refuse,
}

impl Default for CircuitPolicy {
    /// The circuit opens when half of at least 20 calls within 60 s failed: for 30 s the first time, and for
    /// up to 5 min.
    fn default() -> Self {
        Self::new(RateRule::new(0.5, Duration::from_secs(60), 20))
    }
}

impl CircuitPolicy {
    /// Creates a policy with this rule, a [`CountRule`] or a [`RateRule`], and the default of everything
    /// else.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use funcify_core::circuit::{CircuitPolicy, CountRule};
    ///
    /// // Five failures of the fleet within a minute open the circuit.
    /// let policy = CircuitPolicy::new(CountRule::new(5, Duration::from_secs(60)));
    /// assert_eq!(policy.open_duration, Duration::from_secs(30));
    /// ```
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

    /// Creates a policy for a token endpoint: three failures within five minutes open the circuit for five
    /// minutes.
    ///
    /// A call may take 10 s. The fleet makes one call at a time, so a slow one costs little. This policy is
    /// too sensitive for a dependency that is called often.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use funcify_core::circuit::CircuitPolicy;
    ///
    /// let policy = CircuitPolicy::for_token_endpoint();
    /// assert_eq!(policy.open_duration, Duration::from_secs(300));
    /// ```
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
    /// [`CircuitConfigError`] lists everything that is wrong.
    #[doc(hidden)]
    pub fn check(&self) -> Result<(), CircuitConfigError> {
        let faults = self.faults();
        if faults.is_empty() { Ok(()) } else { Err(CircuitConfigError::new(None, faults)) }
    }

    /// Lists everything that is wrong with this policy.
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
        // A count rule has no slow calls, in JSON neither.
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
