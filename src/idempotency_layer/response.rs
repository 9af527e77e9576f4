//! The stored form of a response.

use axum::{body::Body, response::Response};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};

/// The header that marks a response as that of an earlier request.
pub(super) const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// The headers that belong to one exchange only, and are not replayed.
const NOT_REPLAYED: [&str; 14] = [
    "connection",
    "content-length",
    "date",
    "keep-alive",
    "server-timing",
    "set-cookie",
    "te",
    "trailer",
    "traceparent",
    "tracestate",
    "transfer-encoding",
    "upgrade",
    "x-amzn-requestid",
    "x-amzn-trace-id",
];

/// A response as it is stored.
#[derive(Serialize, Deserialize)]
pub(super) struct Remembered {
    status: u16,
    headers: Vec<(String, String)>,
    /// The body, if it is UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// Any other body, as base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
}

/// Whether a response with this status is final. Another one may turn out differently if the request is
/// repeated.
pub(super) fn is_final(status: StatusCode) -> bool {
    let is_for_now = matches!(status.as_u16(), 401 | 403 | 408 | 425 | 429);
    !is_for_now && !status.is_server_error()
}

impl Remembered {
    /// Returns `None` if a header is not text.
    pub(super) fn of(status: StatusCode, headers: &HeaderMap, body: &Bytes) -> Option<Self> {
        let kept = headers.iter().filter(|(name, _)| !NOT_REPLAYED.contains(&name.as_str()));
        let pair = |(name, value): (&HeaderName, &HeaderValue)| {
            Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
        };
        let headers = kept.map(pair).collect::<Option<Vec<_>>>()?;
        let text = std::str::from_utf8(body).ok().map(str::to_owned);
        let base64 = text.is_none().then(|| STANDARD.encode(body));
        Some(Self { status: status.as_u16(), headers, text, base64 })
    }

    /// Returns `None` if the stored response cannot be decoded.
    pub(super) fn response(self) -> Option<Response> {
        let body = match (self.text, self.base64) {
            (Some(text), _) => Bytes::from(text),
            (None, Some(base64)) => STANDARD.decode(base64).ok()?.into(),
            (None, None) => Bytes::new(),
        };
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = StatusCode::from_u16(self.status).ok()?;
        for (name, value) in self.headers {
            let name = HeaderName::try_from(name).ok()?;
            response.headers_mut().append(name, HeaderValue::try_from(value).ok()?);
        }
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
        Some(response)
    }
}

/// The header `Retry-After`, in whole seconds and at least 1.
pub(super) fn retry_after(time: std::time::Duration) -> (HeaderName, HeaderValue) {
    let seconds = u64::try_from(time.as_millis().div_ceil(1_000).max(1)).unwrap_or(u64::MAX);
    (header::RETRY_AFTER, seconds.into())
}
