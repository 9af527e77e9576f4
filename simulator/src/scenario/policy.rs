//! The circuit policies and the units of the scenarios.

use std::time::Duration;

use funcify_core::circuit::{CircuitPolicy, CountRule, RateRule};

/// A policy whose circuit opens for 30 s at five failures in a minute.
pub(super) fn five_a_minute() -> CircuitPolicy {
    CircuitPolicy::new(CountRule::new(5, seconds(60)))
}

/// A policy whose circuit opens for 30 s when a fifth of the calls in a minute fail.
pub(super) fn a_fifth() -> CircuitPolicy {
    CircuitPolicy::new(RateRule::new(0.2, seconds(60), 20))
}

pub(super) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(super) const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
