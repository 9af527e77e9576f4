//! What a reply says about the health of the server.

use std::time::Duration;

use funcify_core::circuit::CallOutcome;
use http::{
    HeaderMap, StatusCode,
    header::{DATE, RETRY_AFTER},
};

/// What the status of an answer says about the server's health: 429 and 5xx are failures; another
/// 4xx is the caller's mistake and says nothing about the server.
pub(crate) fn outcome_of(status: StatusCode) -> CallOutcome {
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        CallOutcome::Failure
    } else if status.is_client_error() {
        CallOutcome::Neutral
    } else {
        CallOutcome::Success
    }
}

/// What an answer says about the server's health: its status, and the `Retry-After` of a 429 or a 503.
pub(crate) fn health_of(status: StatusCode, headers: &HeaderMap) -> CallOutcome {
    match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            retry_after(headers).map_or(CallOutcome::Failure, CallOutcome::RetryAfter)
        }
        status => outcome_of(status),
    }
}

/// How long the server asks to be left alone: seconds, or a date (RFC 9110 §10.2.3). A date counts from the
/// response's own `Date`: this machine's clock may be wrong.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| Some(headers.get(name)?.to_str().ok()?.trim());
    let after = text(RETRY_AFTER)?;
    match after.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => {
            let date = |text| httpdate::parse_http_date(text).ok();
            Some(date(after)?.duration_since(date(text(DATE)?)?).unwrap_or_default())
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn only_throttling_and_server_errors_are_failures_of_the_server() {
        for (status, expected) in [
            (200, CallOutcome::Success),
            (204, CallOutcome::Success),
            (302, CallOutcome::Success),
            (400, CallOutcome::Neutral),
            (401, CallOutcome::Neutral),
            (404, CallOutcome::Neutral),
            (429, CallOutcome::Failure),
            (500, CallOutcome::Failure),
            (503, CallOutcome::Failure),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(outcome_of(status), expected, "{status}");
        }
    }

    #[test]
    fn the_retry_after_of_a_429_or_503_is_part_of_what_it_says_about_the_server() {
        let answered = |status: u16, headers: &[(HeaderName, &'static str)]| {
            let headers =
                headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
            health_of(StatusCode::from_u16(status).unwrap(), &headers.collect())
        };
        let after = |seconds| CallOutcome::RetryAfter(Duration::from_secs(seconds));
        let at_noon = (DATE, "Sun, 06 Nov 1994 12:00:00 GMT");
        for (status, value, expected) in [
            (429, "120", after(120)),
            (503, " 7 ", after(7)),
            (503, "18446744073709551615", after(u64::MAX)),
            (503, "Sun, 06 Nov 1994 12:01:30 GMT", after(90)),
            (503, "Sun, 06 Nov 1994 11:00:00 GMT", after(0)),
            (503, "soon", CallOutcome::Failure),
            (503, "-1", CallOutcome::Failure),
            (500, "120", CallOutcome::Failure),
            (404, "120", CallOutcome::Neutral),
            (200, "120", CallOutcome::Success),
        ] {
            let outcome = answered(status, &[at_noon.clone(), (RETRY_AFTER, value)]);
            assert_eq!(outcome, expected, "{status} {value}");
        }
        assert_eq!(answered(503, &[]), CallOutcome::Failure);
        // A date alone says nothing: this machine's clock may be wrong.
        let date = (RETRY_AFTER, "Sun, 06 Nov 1994 12:01:30 GMT");
        assert_eq!(answered(503, &[date]), CallOutcome::Failure);
    }
}
