//! The X-Ray trace id of an invocation.

use http::HeaderValue;

use crate::trace::{TraceContext, w3c::is_xray};

/// Replaces the X-Ray trace id of the request with the one that Lambda gave to the invocation. A malformed id
/// is ignored.
pub(super) fn with_xray(mut trace: TraceContext, trace_id: &str) -> TraceContext {
    let xray = HeaderValue::from_str(trace_id).ok().filter(|_| is_xray(trace_id));
    trace.xray = xray.or(trace.xray);
    trace
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    #[test]
    fn the_id_of_lambda_replaces_that_of_the_request_unless_it_is_illegal() {
        let mut headers = HeaderMap::new();
        headers.insert("x-amzn-trace-id", HeaderValue::from_static("Root=of-the-request"));
        let trace = TraceContext::from(&headers);
        for (lambda, expected) in [
            ("Root=of-lambda", "Root=of-lambda"),
            ("", "Root=of-the-request"),
            ("a\nb", "Root=of-the-request"),
        ] {
            let headers = HeaderMap::from(with_xray(trace.clone(), lambda));
            assert_eq!(headers["x-amzn-trace-id"], expected);
        }
    }
}
