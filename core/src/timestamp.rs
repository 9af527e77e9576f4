//! Wall-clock time in milliseconds, the unit in which records store it.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};

/// A point in wall-clock time: whole milliseconds since the Unix epoch, as every record stores it.
///
/// The range is that of an `i64`; negative values are before 1970. Arithmetic and conversions saturate
/// at its ends. The default is the Unix epoch.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use funcify_core::Timestamp;
///
/// let noon = Timestamp::from_millis(1_700_000_000_000);
/// let later = SystemTime::from(noon + Duration::from_secs(5));
/// assert_eq!(later, SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_005));
/// assert_eq!(Timestamp::from(later).as_millis(), 1_700_000_005_000);
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The Unix epoch, and the default. A record that was never written has this time.
    #[doc(hidden)]
    pub const EPOCH: Self = Self(0);

    /// Returns the time `millis` milliseconds after the Unix epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Returns the milliseconds since the Unix epoch.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// How much time passed from `earlier` until this time. Zero if `earlier` is later.
    #[doc(hidden)]
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl Timestamp {
    /// Formats the time as RFC 3339 does, in UTC: `2026-02-02T02:40:00.000Z`.
    pub(crate) fn rfc3339(self) -> impl fmt::Display {
        const DAY: i64 = 86_400_000;
        let (days, millis) = (self.0.div_euclid(DAY), self.0.rem_euclid(DAY));
        let (year, month, day) = civil(days);
        let (hours, minutes) = (millis / 3_600_000, millis / 60_000 % 60);
        let (seconds, millis) = (millis / 1_000 % 60, millis % 1_000);
        fmt::from_fn(move |f| {
            write!(
                f,
                "{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.{millis:03}Z"
            )
        })
    }
}

/// Converts days since the Unix epoch to year, month and day in the Gregorian calendar. The calculation
/// begins each year on 1 March, so that a leap day is the last day of its year.
fn civil(days: i64) -> (i64, i64, i64) {
    const ERA: i64 = 146_097; // days in 400 years
    const MARCH_OF_YEAR_0: i64 = 719_468; // days before the epoch
    let days = days + MARCH_OF_YEAR_0;
    let (era, day) = (days.div_euclid(ERA), days.rem_euclid(ERA));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    // The five months from March to July have 153 days, and so do the five from August to December.
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + next, month, day)
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

impl From<SystemTime> for Timestamp {
    /// Rounds down to a whole millisecond.
    fn from(time: SystemTime) -> Self {
        match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => Self::EPOCH + after,
            // Before the epoch, rounding down means a larger number of milliseconds.
            Err(before) => {
                let millis = before.duration().as_nanos().div_ceil(1_000_000);
                Self(i64::try_from(millis).map_or(i64::MIN, i64::saturating_neg))
            }
        }
    }
}

impl From<Timestamp> for SystemTime {
    /// Returns the same time, or the nearest one that the platform can express.
    fn from(time: Timestamp) -> Self {
        let millis = time.0.unsigned_abs();
        if time < Timestamp::EPOCH {
            furthest(millis, |time, step| time.checked_sub(step))
        } else {
            furthest(millis, |time, step| time.checked_add(step))
        }
    }
}

/// Returns the time `millis` milliseconds from the epoch, or the furthest one in that direction that the
/// platform can express. Linux can express all of them; other platforms have a smaller range.
fn furthest(
    mut millis: u64,
    moved: impl Fn(SystemTime, Duration) -> Option<SystemTime>,
) -> SystemTime {
    let (mut time, mut step) = (SystemTime::UNIX_EPOCH, millis);
    while step > 0 {
        if let Some(next) = moved(time, Duration::from_millis(step)) {
            time = next;
            millis = millis.saturating_sub(step);
            step = step.min(millis);
        } else {
            step /= 2;
        }
    }
    time
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
    fn a_time_is_written_as_rfc_3339_has_it() {
        for (millis, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199_999, "2024-02-29T23:59:59.999Z"),
            (1_770_000_000_042, "2026-02-02T02:40:00.042Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (-62_135_596_800_000, "0001-01-01T00:00:00.000Z"),
        ] {
            assert_eq!(Timestamp::from_millis(millis).rfc3339().to_string(), expected);
        }
        // Such times are of no use, but they must not panic.
        let _ = Timestamp::from_millis(i64::MAX).rfc3339().to_string();
        let _ = Timestamp::from_millis(i64::MIN).rfc3339().to_string();
    }

    #[test]
    fn no_arithmetic_overflows() {
        let last = Timestamp::from_millis(i64::MAX);
        let first = Timestamp::from_millis(i64::MIN);
        assert_eq!(last + Duration::MAX, last);
        assert_eq!(first - Duration::MAX, first);
        assert_eq!(first.since(last), Duration::ZERO);
        assert!(last.since(first) > Duration::from_secs(1));
    }

    #[test]
    fn a_time_of_the_system_and_back_is_the_same_even_at_the_extremes() {
        for millis in [i64::MIN, i64::MIN + 1, -1_500, -1, 0, 1, 1_500, i64::MAX - 1, i64::MAX] {
            let time = Timestamp::from_millis(millis);
            assert_eq!(Timestamp::from(SystemTime::from(time)), time, "{millis}");
        }
    }

    #[test]
    fn a_time_of_the_system_becomes_the_millisecond_in_which_it_lies() {
        let epoch = SystemTime::UNIX_EPOCH;
        for (nanos, millis) in [(0, 0), (1, 0), (999_999, 0), (1_000_000, 1), (1_000_001, 1)] {
            let after = epoch + Duration::from_nanos(nanos);
            assert_eq!(Timestamp::from(after).as_millis(), millis, "{nanos} ns after");
        }
        for (nanos, millis) in [(1, -1), (999_999, -1), (1_000_000, -1), (1_000_001, -2)] {
            let before = epoch - Duration::from_nanos(nanos);
            assert_eq!(Timestamp::from(before).as_millis(), millis, "{nanos} ns before");
        }
    }

    #[test]
    fn a_time_of_the_system_beyond_every_timestamp_becomes_the_last_or_the_first() {
        let last = SystemTime::from(Timestamp::from_millis(i64::MAX));
        let first = SystemTime::from(Timestamp::from_millis(i64::MIN));
        // This holds only on platforms that can express times this late and this early.
        let beyond = Duration::from_secs(3_600);
        let (later, earlier) = (last.checked_add(beyond), first.checked_sub(beyond));
        assert_eq!(Timestamp::from(later.unwrap_or(last)).as_millis(), i64::MAX);
        assert_eq!(Timestamp::from(earlier.unwrap_or(first)).as_millis(), i64::MIN);
    }

    #[test]
    fn a_time_that_the_platform_cannot_express_becomes_the_nearest_that_it_can() {
        // Simulates a platform whose times end a hundred days from the epoch.
        let end = Duration::from_secs(100 * 86_400);
        let moved = |time: SystemTime, step| {
            let next = time.checked_add(step)?;
            (next.duration_since(SystemTime::UNIX_EPOCH).ok()? <= end).then_some(next)
        };
        let epoch = SystemTime::UNIX_EPOCH;
        let reached = |millis| furthest(millis, moved).duration_since(epoch).unwrap();
        assert_eq!(reached(8_639_999_999), end - Duration::from_millis(1));
        for millis in [8_640_000_000, 8_640_000_001, u64::MAX] {
            assert_eq!(reached(millis), end, "{millis}");
        }
    }
}
