use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    count::CountRule,
    rate::RateRule,
    report::Report,
    verdict::{Sampling, Verdict},
};
use crate::{
    Timestamp,
    circuit::{CircuitRecord, CircuitState, Instance, policy::fault::Faults},
};

/// The rule that opens a closed circuit. Its methods are all that differs between the rules.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Rule {
    /// A number of failures opens the circuit.
    Count(CountRule),
    /// A share of the calls that fail opens the circuit.
    Rate(RateRule),
}

impl Rule {
    /// Adds everything that is wrong with the rule to `faults`.
    pub(in crate::circuit) fn add_faults(&self, faults: &mut Faults) {
        match self {
            Self::Count(rule) => rule.add_faults(faults),
            Self::Rate(rule) => rule.add_faults(faults),
        }
    }

    /// Counts a report on the record of a closed circuit. `None` if it changes nothing.
    pub(super) fn count(
        &self,
        record: &CircuitRecord,
        report: &Report,
        now: Timestamp,
    ) -> Option<Verdict> {
        match self {
            Self::Count(rule) => rule.count(record, report, now),
            Self::Rate(rule) => Some(rule.count(record, report, now)),
        }
    }

    /// Whether the record shows so many failures that instances should refresh their snapshots sooner.
    #[must_use]
    pub fn shows_failures(&self, record: &CircuitRecord, now: Timestamp) -> bool {
        match self {
            Self::Count(rule) => rule.shows_failures(record, now),
            Self::Rate(rule) => rule.shows_failures(record, now),
        }
    }

    /// Returns how many calls a report represents, which follows from the record.
    #[must_use]
    pub fn sampling(&self, record: &CircuitRecord, now: Timestamp) -> Sampling {
        match self {
            Self::Count(_) => Sampling::EVERY_CALL,
            Self::Rate(rule) => rule.sampling(record, now),
        }
    }

    /// Returns the weight of the report of a call. `None` if such calls are not reported.
    #[inline]
    pub(in crate::circuit) fn weight(&self, sampling: Sampling, is_bad: bool) -> Option<u32> {
        match self {
            Self::Count(_) => CountRule::weight(is_bad),
            Self::Rate(_) => Some(sampling.weight(is_bad)),
        }
    }

    /// Returns after how many conflicts a report is given up. `None` if it is never given up for that.
    pub(in crate::circuit) fn most_conflicts(&self) -> Option<u32> {
        match self {
            Self::Count(_) => None,
            Self::Rate(_) => Some(RateRule::MOST_CONFLICTS),
        }
    }

    /// Whether another failure of `instance` shows that the instance is broken and not the dependency. The
    /// circuit then opens for this instance alone.
    #[must_use]
    pub(in crate::circuit) fn is_instance_local(
        &self,
        record: &CircuitRecord,
        instance: Instance,
        now: Timestamp,
    ) -> bool {
        record.state == CircuitState::Closed
            && match self {
                Self::Count(rule) => {
                    rule.quorum > 1 && rule.is_instance_local(record, instance, now)
                }
                Self::Rate(rule) => {
                    rule.quorum > 1 && rule.is_instance_local(record, instance, now)
                }
            }
    }

    /// Returns the duration from which on a call is slow. `None` if no call is.
    #[inline]
    pub(in crate::circuit) fn slow_after(&self) -> Option<Duration> {
        match self {
            Self::Count(_) => None,
            Self::Rate(rule) => rule.slow_after(),
        }
    }

    /// Returns the same rule with a quorum of 1.
    pub(in crate::circuit) fn without_quorum(mut self) -> Self {
        match &mut self {
            Self::Count(rule) => rule.quorum = 1,
            Self::Rate(rule) => rule.quorum = 1,
        }
        self
    }
}

impl From<CountRule> for Rule {
    fn from(rule: CountRule) -> Self {
        Self::Count(rule)
    }
}

impl From<RateRule> for Rule {
    fn from(rule: RateRule) -> Self {
        Self::Rate(rule)
    }
}
