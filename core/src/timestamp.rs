//! Wall-clock time, in the unit in which it is stored.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

/// A point in wall-clock time: integer milliseconds since the Unix epoch, as every record stores it.
///
/// Arithmetic saturates, so no stored time can overflow.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use funcify_core::Timestamp;
///
/// let noon = Timestamp::from_millis(1_700_000_000_000);
/// let later = noon + Duration::from_secs(5);
/// assert_eq!(later.since(noon), Duration::from_secs(5));
/// assert_eq!(noon.since(later), Duration::ZERO);
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The Unix epoch, and the default: the time in a record that was never written.
    #[doc(hidden)]
    pub const EPOCH: Self = Self(0);

    /// The time `millis` milliseconds after the Unix epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// The time from `earlier` until this one. Zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl std::ops::Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl std::ops::Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}ms", self.0)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_arithmetic_overflows() {
        let last = Timestamp::from_millis(i64::MAX);
        let first = Timestamp::from_millis(i64::MIN);
        assert_eq!(last + Duration::MAX, last);
        assert_eq!(first - Duration::MAX, first);
        assert_eq!(first.since(last), Duration::ZERO);
        assert!(last.since(first) > Duration::from_secs(1));
    }
}
