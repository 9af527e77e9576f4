use std::time::Duration;

use serde::{Deserialize, Serialize};

/// When a circuit opens, how long it stands down, and how it closes again.
///
/// The same policy belongs in every function that shares the circuit. Durations are written as
/// seconds in JSON and TOML.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use funcify_core::circuit::{CircuitPolicy, Rule};
///
/// let policy = CircuitPolicy::default()
///     .with_rate(0.2, Duration::from_secs(60), 50)
///     .with_stand_down(Duration::from_secs(10), Duration::from_secs(120));
/// assert!(policy.faults().is_empty());
///
/// let read: CircuitPolicy =
///     serde_json::from_str(r#"{"rule":{"count":{"failures":5,"window":30}},"quorum":2}"#)?;
/// assert_eq!(read.rule, Rule::Count { failures: 5, window: Duration::from_secs(30) });
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct CircuitPolicy {
    /// What opens a closed circuit.
    pub rule: Rule,
    /// From how many instances the failures must come.
    pub quorum: u32,
    /// After how long the breaker ends a call itself and counts a failure.
    #[serde(with = "seconds")]
    pub call_timeout: Duration,
    /// How long the first opening refuses calls; it doubles with each further one.
    #[serde(with = "seconds")]
    pub stand_down: Duration,
    /// How long an opening refuses calls at most.
    #[serde(with = "seconds")]
    pub stand_down_cap: Duration,
    /// How many probes the whole fleet has under way at most while half-open.
    pub probes: u32,
    /// How many probes must succeed to close the circuit.
    pub successes: u32,
    /// How old a snapshot may be while all is well.
    #[serde(with = "seconds")]
    pub calm: Duration,
    /// How old a snapshot may be after a failure.
    #[serde(with = "seconds")]
    pub suspect: Duration,
    /// What is done while the store is down.
    pub store_down: StoreDown,
}

/// What opens a closed circuit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Rule {
    /// So many failures within the window, whatever the number of calls: exact, up to 16.
    Count {
        /// The failure that opens the circuit: at most the sixteenth.
        failures: u32,
        /// How long a failure counts.
        #[serde(with = "seconds")]
        window: Duration,
    },
    /// A part of the calls within the window.
    ///
    /// Reports are a sample, so that a busy fleet costs no more than a quiet one: the rate must be
    /// over the threshold by the sample, and surely (5 σ) over three quarters of it. Where every
    /// call was reported, as in a fleet of one call a second, the rate itself decides.
    Rate {
        /// The part of failures that opens the circuit, 0 to 1.
        failures: f64,
        /// The window.
        #[serde(with = "seconds")]
        window: Duration,
        /// With fewer calls in the window nothing opens.
        minimum_calls: u32,
        /// The part of slow calls that opens it too.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        slow: Option<SlowCalls>,
    },
}

/// When a call is slow, and how many of them are too many.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlowCalls {
    /// The part of slow calls that opens the circuit, 0 to 1.
    pub rate: f64,
    /// From this duration on a call is slow.
    #[serde(with = "seconds")]
    pub after: Duration,
}

/// What a breaker does while the store is down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoreDown {
    /// The same rules on a private record: each instance for itself.
    #[default]
    Local,
    /// Every call is admitted.
    Admit,
    /// Every call is refused.
    Refuse,
}

impl Default for CircuitPolicy {
    /// Half of at least 20 calls within 60 s; stand-down 30 s, up to 5 min.
    fn default() -> Self {
        Self {
            rule: Rule::Rate {
                failures: 0.5,
                window: Duration::from_secs(60),
                minimum_calls: 20,
                slow: None,
            },
            quorum: 1,
            call_timeout: Duration::from_secs(10),
            stand_down: Duration::from_secs(30),
            stand_down_cap: Duration::from_secs(300),
            probes: 1,
            successes: 2,
            calm: Duration::from_secs(5),
            suspect: Duration::from_secs(1),
            store_down: StoreDown::Local,
        }
    }
}

impl CircuitPolicy {
    /// Three failures in five minutes, five minutes of stand-down: right for a token endpoint, too
    /// touchy for anything that is called often.
    #[must_use]
    pub fn ancestor() -> Self {
        let five_minutes = Duration::from_secs(300);
        Self::default().with_count(3, five_minutes).with_stand_down(five_minutes, five_minutes)
    }

    /// Opens at the `failures`-th failure within `window`.
    #[must_use]
    pub fn with_count(self, failures: u32, window: Duration) -> Self {
        Self { rule: Rule::Count { failures, window }, ..self }
    }

    /// Opens when `failures` (0 to 1) of at least `minimum_calls` within `window` failed.
    ///
    /// "`n` failures in a row" is meant as `with_rate(1.0, window, n)`: a fleet has no order.
    #[must_use]
    pub fn with_rate(self, failures: f64, window: Duration, minimum_calls: u32) -> Self {
        let slow = self.slow_calls();
        Self { rule: Rule::Rate { failures, window, minimum_calls, slow }, ..self }
    }

    /// Opens too when `rate` (0 to 1) of the calls took `after` or longer. Only a rate rule does.
    #[must_use]
    pub fn with_slow_calls(self, rate: f64, after: Duration) -> Self {
        let slow = Some(SlowCalls { rate, after });
        match self.rule {
            Rule::Rate { failures, window, minimum_calls, .. } => {
                Self { rule: Rule::Rate { failures, window, minimum_calls, slow }, ..self }
            }
            Rule::Count { .. } => self,
        }
    }

    /// Asks for failures of so many instances.
    #[must_use]
    pub fn with_quorum(self, quorum: u32) -> Self {
        Self { quorum, ..self }
    }

    /// Ends a call after this long.
    #[must_use]
    pub fn with_call_timeout(self, call_timeout: Duration) -> Self {
        Self { call_timeout, ..self }
    }

    /// Refuses calls for `first` after the first opening, doubled with each further one up to `cap`.
    #[must_use]
    pub fn with_stand_down(self, first: Duration, cap: Duration) -> Self {
        Self { stand_down: first, stand_down_cap: cap, ..self }
    }

    /// Sends so many probes at once, and closes after so many successes.
    #[must_use]
    pub fn with_probes(self, probes: u32, successes: u32) -> Self {
        Self { probes, successes, ..self }
    }

    /// Looks at the store when its snapshot is older than this, while calm and while suspect.
    #[must_use]
    pub fn with_snapshots(self, calm: Duration, suspect: Duration) -> Self {
        Self { calm, suspect, ..self }
    }

    /// Says what is done while the store is down.
    #[must_use]
    pub fn with_store_down(self, store_down: StoreDown) -> Self {
        Self { store_down, ..self }
    }

    /// How long a call may take at most that is slow by this policy, if any is.
    #[must_use]
    pub fn slow_calls(&self) -> Option<SlowCalls> {
        match self.rule {
            Rule::Rate { slow, .. } => slow,
            Rule::Count { .. } => None,
        }
    }

    /// Everything that is wrong with this policy; a breaker takes it only if that is nothing.
    #[must_use]
    pub fn faults(&self) -> Vec<PolicyFault> {
        let mut faults = Faults(Vec::new());
        let quorum = match self.rule {
            Rule::Count { failures, window } => {
                faults.within("rule.count.failures", failures, 1, 16);
                faults.lasts("rule.count.window", window, 1, DAY);
                failures.clamp(1, 16)
            }
            Rule::Rate { failures, window, minimum_calls, slow } => {
                faults.part("rule.rate.failures", failures);
                faults.lasts("rule.rate.window", window, 1, 3_600);
                faults.within("rule.rate.minimum_calls", minimum_calls, 1, u32::MAX);
                if let Some(SlowCalls { rate, after }) = slow {
                    faults.part("rule.rate.slow.rate", rate);
                    faults.lasts("rule.rate.slow.after", after, 0, 900);
                }
                4
            }
        };
        faults.within("quorum", self.quorum, 1, quorum);
        faults.lasts("call_timeout", self.call_timeout, 0, 900);
        faults.lasts("stand_down", self.stand_down, 0, DAY);
        faults.lasts("stand_down_cap", self.stand_down_cap, 0, DAY);
        if self.stand_down_cap < self.stand_down {
            faults.add("stand_down_cap", "at least stand_down", self.stand_down_cap);
        }
        faults.within("probes", self.probes, 1, 4);
        faults.within("successes", self.successes, 1, 16);
        faults.lasts("calm", self.calm, 0, 300);
        faults.lasts("suspect", self.suspect, 0, 300);
        faults.0
    }
}

/// A day, in seconds: as long as a store keeps a record beyond its own times.
const DAY: u64 = 86_400;

/// One option of a policy that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected} as `{option}`, got {got}")]
pub struct PolicyFault {
    option: &'static str,
    expected: String,
    got: String,
}

struct Faults(Vec<PolicyFault>);

impl Faults {
    fn add(
        &mut self,
        option: &'static str,
        expected: impl Into<String>,
        got: impl std::fmt::Debug,
    ) {
        let got = format!("{got:?}");
        self.0.push(PolicyFault { option, expected: expected.into(), got });
    }

    fn within(&mut self, option: &'static str, got: u32, least: u32, most: u32) {
        if !(least..=most).contains(&got) {
            self.add(option, format!("{least} to {most}"), got);
        }
    }

    fn part(&mut self, option: &'static str, got: f64) {
        if !(got > 0.0 && got <= 1.0) {
            self.add(option, "more than 0 and at most 1", got);
        }
    }

    fn lasts(&mut self, option: &'static str, got: Duration, least: u64, most: u64) {
        let bounds =
            Duration::from_secs(least).max(Duration::from_millis(1))..=Duration::from_secs(most);
        if !bounds.contains(&got) {
            self.add(option, format!("{:?} to {:?}", bounds.start(), bounds.end()), got);
        }
    }
}

/// Durations as seconds: what one writes by hand.
mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_f64(duration.as_secs_f64())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        Duration::try_from_secs_f64(f64::deserialize(from)?).map_err(D::Error::custom)
    }
}
