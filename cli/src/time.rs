//! Times and spans for people and for scripts.

use std::time::{Duration, SystemTime};

use funcify_core::Timestamp;
use serde_json::Value;

pub(crate) fn now() -> Timestamp {
    Timestamp::from(SystemTime::now())
}

/// In whole seconds: `1m 30s`.
pub(crate) fn span(span: Duration) -> String {
    humantime::format_duration(Duration::from_secs(span.as_secs())).to_string()
}

/// `3m 2s ago`, or `in 5s`.
pub(crate) fn relative(time: Timestamp, now: Timestamp) -> String {
    if time == Timestamp::EPOCH {
        "never".to_owned()
    } else if time > now {
        format!("in {}", span(time.since(now)))
    } else {
        format!("{} ago", span(now.since(time)))
    }
}

/// RFC 3339 in UTC; null for a time that was never set.
pub(crate) fn json(time: Timestamp) -> Value {
    if time == Timestamp::EPOCH { Value::Null } else { absolute(time).into() }
}

/// A time that no calendar can express is shown in milliseconds.
pub(crate) fn absolute(time: Timestamp) -> String {
    // The years 1970 to 9999, which RFC 3339 can express.
    if (0..253_402_300_800_000).contains(&time.as_millis()) {
        humantime::format_rfc3339_seconds(SystemTime::from(time)).to_string()
    } else {
        format!("{time} ms")
    }
}
