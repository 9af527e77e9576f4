//! The one rule about every time that is read from a store.
//!
//! A stored time comes from another process, whose clock may be wrong, or from somebody who tampered
//! with the record. For example, a lease stores when it ends. A reader believes such an end only if a
//! process whose clock agrees with its own could have stored it by now. An end that the reader does not
//! believe counts as over.
//!
//! The rule needs no memory, so a process that reads a record for the first time treats it like a
//! process that has read it before. Nobody waits longer than the longest wait that a correct process can
//! store, and one second. Version 0.1 lowered an end that is too late to the latest correct one. Each
//! read then lowered it anew, and the end moved away for as long as the clock had been ahead.

use std::time::Duration;

use crate::Timestamp;

/// Clocks that differ by at most this much count as equal, 1 s. Clocks that NTP synchronizes differ by
/// milliseconds.
pub(crate) const CLOCK_TOLERANCE: Duration = Duration::from_secs(1);

/// Whether a process with a correct clock could have stored the end `until` by `now`, for something
/// that lasts at most `longest`.
pub(crate) fn is_credible_end(until: Timestamp, longest: Duration, now: Timestamp) -> bool {
    until <= now + longest + CLOCK_TOLERANCE
}

/// Whether a process with a correct clock could have stored by `now` that something happened `at`.
pub(crate) fn is_credible_past(at: Timestamp, now: Timestamp) -> bool {
    is_credible_end(at, Duration::ZERO, now)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    #[test]
    fn an_end_is_credible_up_to_the_longest_wait_and_a_second() {
        let longest = Duration::from_secs(60);
        let latest = NOW + Duration::from_secs(61);
        assert!(is_credible_end(latest, longest, NOW));
        assert!(!is_credible_end(latest + Duration::from_millis(1), longest, NOW));
        assert!(is_credible_end(Timestamp::from_millis(i64::MIN), longest, NOW));
        assert!(!is_credible_end(Timestamp::from_millis(i64::MAX), longest, NOW));
        assert!(is_credible_past(NOW + CLOCK_TOLERANCE, NOW));
        assert!(!is_credible_past(NOW + CLOCK_TOLERANCE + Duration::from_millis(1), NOW));
    }
}
