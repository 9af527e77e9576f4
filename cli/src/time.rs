//! Formats times and durations for people and for scripts.

use std::time::{Duration, SystemTime};

use funcify_core::Timestamp;
use serde_json::Value;

pub(crate) fn now() -> Timestamp {
    Timestamp::from(SystemTime::now())
}

/// A duration in whole seconds: `1m 30s`.
pub(crate) fn span(span: Duration) -> String {
    humantime::format_duration(Duration::from_secs(span.as_secs())).to_string()
}

/// A time relative to now: `3m 2s ago`, `in 5s`, or `never`.
pub(crate) fn relative(time: Timestamp, now: Timestamp) -> String {
    if time == Timestamp::EPOCH {
        "never".to_owned()
    } else if time > now {
        format!("in {}", span(time.since(now)))
    } else {
        format!("{} ago", span(now.since(time)))
    }
}

/// A time for JSON: RFC 3339 in UTC, or null if the time was never set.
pub(crate) fn json(time: Timestamp) -> Value {
    if time == Timestamp::EPOCH { Value::Null } else { absolute(time).into() }
}

/// A time in RFC 3339 and UTC, or in milliseconds if RFC 3339 cannot express it.
pub(crate) fn absolute(time: Timestamp) -> String {
    // The years 1970 to 9999, which RFC 3339 can express.
    if (0..253_402_300_800_000).contains(&time.as_millis()) {
        humantime::format_rfc3339_seconds(SystemTime::from(time)).to_string()
    } else {
        format!("{time} ms")
    }
}
