use std::{fmt, time::Duration};

/// What is wrong with one value of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::circuit) struct PolicyFault {
    option: &'static str,
    expected: String,
    got: String,
}

impl fmt::Display for PolicyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` must be {}, got {}", self.option, self.expected, self.got)
    }
}

/// Collects everything that is wrong with a policy.
#[derive(Debug, Default)]
pub(in crate::circuit) struct Faults(Vec<PolicyFault>);

impl Faults {
    /// The shortest duration, 1 ms, because records hold whole milliseconds.
    pub(in crate::circuit) const SHORTEST: Duration = Duration::from_millis(1);
    /// The longest duration, a day. A store keeps a record for a day beyond the times in it, so nothing in
    /// the record may count for longer.
    pub(in crate::circuit) const DAY: Duration = Duration::from_secs(86_400);
    /// The longest call, 15 minutes: the longest time that Lambda runs a function.
    pub(in crate::circuit) const LONGEST_CALL: Duration = Duration::from_secs(900);

    pub(in crate::circuit) fn add(
        &mut self,
        option: &'static str,
        expected: impl Into<String>,
        got: impl fmt::Debug,
    ) {
        let got = format!("{got:?}");
        self.0.push(PolicyFault { option, expected: expected.into(), got });
    }

    /// Checks that a number is `least` to `most`.
    pub(in crate::circuit) fn check_count(
        &mut self,
        option: &'static str,
        got: u32,
        least: u32,
        most: u32,
    ) {
        if !(least..=most).contains(&got) {
            self.add(option, format!("{least} to {most}"), got);
        }
    }

    /// Checks that a share of the calls is more than 0 and at most 1.
    pub(in crate::circuit) fn check_share(&mut self, option: &'static str, got: f64) {
        if !(got > 0.0 && got <= 1.0) {
            self.add(option, "more than 0 and at most 1", got);
        }
    }

    /// Checks that a duration is `shortest` to `longest`.
    pub(in crate::circuit) fn check_duration(
        &mut self,
        option: &'static str,
        got: Duration,
        shortest: Duration,
        longest: Duration,
    ) {
        if !(shortest..=longest).contains(&got) {
            self.add(option, format!("{shortest:?} to {longest:?}"), got);
        }
    }

    pub(in crate::circuit) fn into_list(self) -> Vec<PolicyFault> {
        self.0
    }
}
