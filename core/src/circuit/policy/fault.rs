use std::time::Duration;

use super::{CircuitPolicy, Rule, SlowCalls};

impl CircuitPolicy {
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
        faults.lasts("open_duration", self.open_duration, 0, DAY);
        faults.lasts("max_open_duration", self.max_open_duration, 0, DAY);
        if self.max_open_duration < self.open_duration {
            faults.add("max_open_duration", "at least open_duration", self.max_open_duration);
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
