mod fault;
mod seconds;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use fault::PolicyFault;

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
///     .with_open_duration(Duration::from_secs(10), Duration::from_secs(120));
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
    pub open_duration: Duration,
    /// How long an opening refuses calls at most.
    #[serde(with = "seconds")]
    pub max_open_duration: Duration,
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
    /// over the threshold by the sample, and over three quarters of it by all but a chance of one in
    /// three million. Where every call was reported, as in a fleet of one call a second, the rate
    /// itself decides, once a quarter of the window was seen or if all of them failed.
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
            open_duration: Duration::from_secs(30),
            max_open_duration: Duration::from_secs(300),
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
    pub fn for_token_endpoint() -> Self {
        let five_minutes = Duration::from_secs(300);
        Self::default().with_count(3, five_minutes).with_open_duration(five_minutes, five_minutes)
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
    pub fn with_open_duration(self, first: Duration, cap: Duration) -> Self {
        Self { open_duration: first, max_open_duration: cap, ..self }
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
}
