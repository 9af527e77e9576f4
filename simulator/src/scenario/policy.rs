//! The policies and the units of the scenarios.

use std::time::Duration;

use funcify_core::circuit::{CircuitPolicy, CountRule, RateRule};

/// Opens at five failures in a minute, for 30 s.
pub(super) fn five_a_minute() -> CircuitPolicy {
    CircuitPolicy::new(CountRule::new(5, seconds(60)))
}

/// Opens when a fifth of the calls in a minute fail, for 30 s.
pub(super) fn a_fifth() -> CircuitPolicy {
    CircuitPolicy::new(RateRule::new(0.2, seconds(60), 20))
}

pub(super) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(super) const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
