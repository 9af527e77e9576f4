//! From a handler's response to an answer.

use std::fmt;

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use http_body::Body as _;
use http_body_util::{BodyExt, Limited};

use crate::json::redact::without_values;
use crate::pipeline::http::format::Form;
use crate::problem::{Cause, Problem};

/// An HTTP response, read to its end.
pub struct HttpOutput {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// What is still to come, where the answer is streamed.
    rest: Option<Body>,
    pub(crate) form: Form,
}

/// Without the headers, which may set cookies, and without the body.
impl fmt::Debug for HttpOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpOutput")
            .field("status", &self.status)
            .field("body_len", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// What becomes of the body of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyTo {
    /// It is read to its end.
    Memory,
    /// It is sent as it comes.
    Stream,
}

/// What Lambda takes of a function that does not stream: 6 MB, as JSON.
const MAX_ANSWER: usize = 6 * 1024 * 1024;

impl HttpOutput {
    /// Reads `response` to its end and keeps it for a source that takes `form`.
    ///
    /// Also answers the cause that a problem left for the log.
    pub(crate) async fn of(response: Response, form: Form, body_to: BodyTo) -> (Self, Cause) {
        let response =
            if is_bare(&response) { Box::pin(problem_of(response)).await } else { response };
        let (mut parts, body) = response.into_parts();
        let mut cause = parts.extensions.remove::<Cause>().unwrap_or_default();
        if body_to == BodyTo::Stream {
            let (status, headers) = (parts.status, parts.headers);
            return (Self { status, headers, body: Bytes::new(), rest: Some(body), form }, cause);
        }
        let answer = match Limited::new(body, MAX_ANSWER).collect().await {
            Ok(body) => {
                let body = body.to_bytes();
                Self { status: parts.status, headers: parts.headers, body, rest: None, form }
            }
            Err(error) => return Self::instead(form, &*error),
        };
        if answer.is_too_large() {
            return Self::instead(form, &TooLarge);
        }
        if cause.text.is_none() && answer.status.is_server_error() {
            cause.text = answer.status.canonical_reason().map(Into::into);
        }
        (answer, cause)
    }

    /// The answer that a problem makes at once.
    pub(crate) fn problem(problem: Problem, form: Form) -> (Self, Cause) {
        let body = serde_json::to_vec(&problem).unwrap_or_default().into();
        let (mut parts, _) = problem.into_response().into_parts();
        let cause = parts.extensions.remove::<Cause>().unwrap_or_default();
        (Self { status: parts.status, headers: parts.headers, body, rest: None, form }, cause)
    }

    fn instead(form: Form, error: &(dyn std::error::Error + 'static)) -> (Self, Cause) {
        let problem = Problem::new(StatusCode::INTERNAL_SERVER_ERROR).caused_by(error);
        Self::problem(problem, form)
    }

    /// Status, headers and what is still to come of the body.
    pub(crate) fn into_stream(self) -> (StatusCode, HeaderMap, Body) {
        let body = self.rest.unwrap_or_else(|| Body::from(self.body));
        (self.status, self.headers, body)
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The body as text; `None` where it goes out as base64.
    pub(crate) fn text(&self) -> Option<&str> {
        // A compressed body may be UTF-8 by accident.
        let encoded = self.headers.get(header::CONTENT_ENCODING);
        if encoded.is_some_and(|encoding| encoding != "identity") {
            return None;
        }
        std::str::from_utf8(&self.body).ok()
    }

    fn is_too_large(&self) -> bool {
        // A byte becomes six at worst; only an answer near the limit is worth a second look.
        if self.body.len().saturating_mul(6) < MAX_ANSWER / 2 {
            return false;
        }
        let mut count = Count(0);
        serde_json::to_writer(&mut count, self).is_err() || count.0 > MAX_ANSWER
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the answer is larger than the 6 MB that Lambda takes")]
struct TooLarge;

struct Count(usize);

impl std::io::Write for Count {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 = self.0.saturating_add(bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// More is no message but a document.
const MAX_DETAIL: u64 = 4 * 1024;

/// Whether this is an error response without a type of its own.
///
/// axum's rejections are plain text, its 404 and 405 are empty. What a handler gave another type,
/// and what is too long for a message, stays as it is.
fn is_bare(response: &Response) -> bool {
    let status = response.status();
    let kind = response.headers().get(header::CONTENT_TYPE);
    let is_error = status.is_client_error() || status.is_server_error();
    let size = response.body().size_hint().exact();
    is_error
        && match kind {
            Some(kind) => {
                kind.as_bytes().starts_with(b"text/plain")
                    && size.is_some_and(|size| size <= MAX_DETAIL)
            }
            None => size == Some(0),
        }
}

/// The problem that says what a bare response says.
async fn problem_of(response: Response) -> Response {
    let status = response.status();
    let (mut parts, body) = response.into_parts();
    let mut problem = Problem::new(status);
    // What a 5xx says may be meant for the log only.
    if status.is_client_error()
        && let Ok(body) = body.collect().await
        && let Ok(detail) = std::str::from_utf8(&body.to_bytes())
        && !detail.is_empty()
    {
        problem = problem.detail(without_values(detail));
    }
    parts.headers.remove(header::CONTENT_LENGTH);
    let (fresh, body) = problem.into_response().into_parts();
    parts.headers.extend(fresh.headers);
    Response::from_parts(parts, body)
}
