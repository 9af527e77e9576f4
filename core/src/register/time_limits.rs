//! The time limits of a store, from two options of its URL: one for a whole operation, and one for
//! connecting. The default of the second one follows from the first.

use std::{fmt, ops::RangeInclusive, time::Duration};

use super::poll_policy::OPERATION;

/// How long an operation on a store may take, and how long connecting to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeLimits {
    timeout: Option<Duration>,
    connect_timeout: Option<Duration>,
}

/// Why time limits were refused. The message says which option to change, and to what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeLimitError {
    option: &'static str,
    problem: Problem,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Problem {
    Number,
    Range(RangeInclusive<u128>),
    /// The limit for connecting is more than half of that for an operation. Both limits are in milliseconds.
    Half(u128, u128),
}

/// The range of `timeout`: from 100 ms, because a busy function alone can take that long, to 10 s, which is
/// longer than a caller waits.
const TIMEOUT_MS: RangeInclusive<u128> = 100..=10_000;
const CONNECT_TIMEOUT_MS: RangeInclusive<u128> = 20..=5_000;

impl TimeLimits {
    /// The name of the option for a whole operation with its retries.
    pub const TIMEOUT: &'static str = "timeout";
    /// The name of the option for opening a connection.
    pub const CONNECT_TIMEOUT: &'static str = "connect_timeout";

    /// Sets the limit of a whole operation.
    #[must_use]
    pub fn with_timeout(self, limit: Duration) -> Self {
        Self { timeout: Some(limit), ..self }
    }

    /// Sets the limit for opening a connection.
    #[must_use]
    pub fn with_connect_timeout(self, limit: Duration) -> Self {
        Self { connect_timeout: Some(limit), ..self }
    }

    /// Parses the values of the two options. An option that is absent has its default.
    ///
    /// # Errors
    ///
    /// [`TimeLimitError`] if a value is not a whole number of milliseconds.
    pub fn parse(
        timeout: Option<&str>,
        connect_timeout: Option<&str>,
    ) -> Result<Self, TimeLimitError> {
        Ok(Self {
            timeout: timeout.map(|text| millis(Self::TIMEOUT, text)).transpose()?,
            connect_timeout: connect_timeout
                .map(|text| millis(Self::CONNECT_TIMEOUT, text))
                .transpose()?,
        })
    }

    /// Checks the range of each limit, and that connecting takes at most half of an operation.
    ///
    /// # Errors
    ///
    /// [`TimeLimitError`] says which option to change.
    pub fn check(&self) -> Result<(), TimeLimitError> {
        let (timeout, connect) = (self.timeout(), self.connect_timeout());
        in_range(Self::TIMEOUT, timeout, TIMEOUT_MS)?;
        in_range(Self::CONNECT_TIMEOUT, connect, CONNECT_TIMEOUT_MS)?;
        if connect.saturating_mul(2) > timeout {
            let problem = Problem::Half(connect.as_millis(), timeout.as_millis());
            return Err(TimeLimitError { option: Self::CONNECT_TIMEOUT, problem });
        }
        Ok(())
    }

    /// Returns how long one operation with its retries may take: 500 ms unless set.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout.unwrap_or(OPERATION)
    }

    /// Returns how long a connection may take to open: half of an operation unless set, so that there is time
    /// left to use it.
    #[must_use]
    pub fn connect_timeout(&self) -> Duration {
        self.connect_timeout.unwrap_or(self.timeout() / 2)
    }

    /// Returns what to do about an attempt that took too long. Its limit is a part of `timeout`.
    #[must_use]
    pub fn advice(&self) -> Advice {
        Advice { option: Self::TIMEOUT, limit: self.timeout() }
    }

    /// Returns what to do about a connection that was not opened in time.
    #[must_use]
    pub fn connect_advice(&self) -> Advice {
        Advice { option: Self::CONNECT_TIMEOUT, limit: self.connect_timeout() }
    }
}

/// Which option to raise if the store works but is far away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advice {
    option: &'static str,
    limit: Duration,
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { option, limit } = self;
        write!(
            f,
            "if the store is far away, raise its option `{option}` (now {} ms)",
            limit.as_millis()
        )
    }
}

fn millis(option: &'static str, text: &str) -> Result<Duration, TimeLimitError> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = if digits { text.parse::<u64>().ok() } else { None };
    number.map(Duration::from_millis).ok_or(TimeLimitError { option, problem: Problem::Number })
}

fn in_range(
    option: &'static str,
    limit: Duration,
    range: RangeInclusive<u128>,
) -> Result<(), TimeLimitError> {
    if range.contains(&limit.as_millis()) {
        return Ok(());
    }
    Err(TimeLimitError { option, problem: Problem::Range(range) })
}

impl fmt::Display for TimeLimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let option = self.option;
        match &self.problem {
            Problem::Number => {
                write!(f, "option `{option}`: expected a whole number of milliseconds, such as 500")
            }
            Problem::Range(range) => {
                let (least, most) = (range.start(), range.end());
                write!(f, "option `{option}`: expected {least} to {most} milliseconds")
            }
            Problem::Half(connect, timeout) => write!(
                f,
                "option `connect_timeout` is {connect} ms and `timeout` is {timeout} ms: connecting may \
                 take half of an operation at most, so raise `timeout` to {} or lower `connect_timeout` to {}",
                connect * 2,
                timeout / 2
            ),
        }
    }
}

impl std::error::Error for TimeLimitError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(timeout: Option<&str>, connect: Option<&str>) -> Result<TimeLimits, String> {
        let limits = TimeLimits::parse(timeout, connect).map_err(|error| error.to_string())?;
        limits.check().map_err(|error| error.to_string())?;
        Ok(limits)
    }

    #[test]
    fn a_limit_that_is_not_given_follows_from_the_other() {
        for (timeout, connect, expected) in [
            (None, None, [500, 250]),
            (Some("1500"), None, [1_500, 750]),
            (Some("1500"), Some("700"), [1_500, 700]),
            (None, Some("100"), [500, 100]),
            (Some("10000"), Some("5000"), [10_000, 5_000]),
            (Some("100"), None, [100, 50]),
        ] {
            let limits = checked(timeout, connect).unwrap();
            let found = [limits.timeout(), limits.connect_timeout()].map(|limit| limit.as_millis());
            assert_eq!(found, expected, "{timeout:?} {connect:?}");
        }
    }

    #[test]
    fn limits_that_make_no_sense_are_refused_with_what_to_do() {
        for (timeout, connect, expected) in [
            (Some("2s"), None, "`timeout`: expected a whole number of milliseconds"),
            (Some(""), None, "`timeout`: expected a whole number of milliseconds"),
            (Some("+500"), None, "`timeout`: expected a whole number of milliseconds"),
            (None, Some("0.2"), "`connect_timeout`: expected a whole number of milliseconds"),
            (Some("2"), None, "`timeout`: expected 100 to 10000 milliseconds"),
            (Some("10001"), None, "`timeout`: expected 100 to 10000 milliseconds"),
            (None, Some("5"), "`connect_timeout`: expected 20 to 5000 milliseconds"),
            (None, Some("600"), "raise `timeout` to 1200 or lower `connect_timeout` to 250"),
            (Some("800"), Some("401"), "raise `timeout` to 802 or lower `connect_timeout` to 400"),
        ] {
            let refused = checked(timeout, connect).unwrap_err();
            assert!(refused.contains(expected), "{refused}");
        }
    }
}
