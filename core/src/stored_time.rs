//! The one rule about every time that is read from a store.
//!
//! Another process wrote it, by a clock that may be wrong, or somebody planted it. A reader believes
//! the end of something only if a process whose clock agrees with its own could have stored that end
//! by now. An end that it does not believe counts as over.
//!
//! The rule needs no memory. A process that reads a record for the first time is bound by it exactly
//! as one that has read it before: nobody waits longer than the longest honest wait and one second.
//! Lowering such an end to the latest honest one would not do: lowered again at each read, it recedes
//! for as long as the clock was ahead.

use std::time::Duration;

use crate::Timestamp;

/// Clocks that differ by no more than this count as equal. Clocks that NTP keeps differ by
/// milliseconds.
pub(crate) const CLOCK_TOLERANCE: Duration = Duration::from_secs(1);

/// Whether a process with a correct clock could have stored, by `now`, that something which lasts
/// `longest` at most ends at `until`.
pub(crate) fn is_credible_end(until: Timestamp, longest: Duration, now: Timestamp) -> bool {
    until <= now + longest + CLOCK_TOLERANCE
}

/// Whether a process with a correct clock could have stored, by `now`, that something happened `at`.
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
