//! Turns the HTTP response of a handler into the output of the function.

use std::{fmt, future::ready, sync::Arc};

use axum::{BoxError, body::Body, response::IntoResponse};
use bytes::{Bytes, BytesMut};
use futures_util::future::Either;
use http::{Response, StatusCode, header};
use http_body::Body as _;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::{Serialize, Serializer};

use crate::json::redact::without_values;
use crate::pipeline::http::format::{Formatted, ResponseFormat};
use crate::problem::{Cause, Problem};

/// An HTTP response for a source.
pub(crate) struct HttpOutput {
    /// The response. Its body is empty if it is streamed.
    response: Response<Bytes>,
    /// The body of a streamed response.
    stream: Option<Body>,
    format: ResponseFormat,
}

/// What happens to the body of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyTo {
    /// The body is read to its end.
    Memory,
    /// The body is sent piece by piece.
    Stream,
}

impl HttpOutput {
    /// Reads `response` to its end, or prepares it for streaming.
    ///
    /// Also returns the cause of a problem, for the log. The output is boxed, because it passes through many futures.
    pub(crate) fn of(
        response: Response<Body>,
        format: ResponseFormat,
        body_to: BodyTo,
    ) -> impl Future<Output = (Box<Self>, Cause)> + Send {
        if is_bare_error(&response) {
            return Either::Right(Box::pin(async move {
                Self::read(problem_of(response).await, format, body_to).await
            }));
        }
        Either::Left(Self::read(response, format, body_to))
    }

    /// The head of the response is boxed here and not in the future, which would hold it several times.
    fn read(
        response: Response<Body>,
        format: ResponseFormat,
        body_to: BodyTo,
    ) -> impl Future<Output = (Box<Self>, Cause)> + Send {
        let (mut parts, body) = response.into_parts();
        let cause = parts.extensions.remove::<Cause>().unwrap_or_default();
        let body = if format.has_content(parts.status) { body } else { Body::empty() };
        let response = Response::from_parts(parts, Bytes::new());
        let mut output = Box::new(Self { response, stream: None, format });
        if body_to == BodyTo::Stream {
            output.stream = Some(body);
            return Either::Right(ready((output, cause)));
        }
        Either::Left(output.with_body(body, cause))
    }

    async fn with_body(mut self: Box<Self>, body: Body, mut cause: Cause) -> (Box<Self>, Cause) {
        let format = self.format;
        match whole(Limited::new(body, format.limit)).await {
            Ok(body) => *self.response.body_mut() = body,
            Err(error) if error.is::<LengthLimitError>() => {
                return Self::internal_error(format, &TooLarge(format.limit));
            }
            Err(error) => return Self::internal_error(format, &*error),
        }
        if self.is_too_large() {
            return Self::internal_error(format, &TooLarge(format.limit));
        }
        let status = self.response.status();
        if cause.text.is_none() && status.is_server_error() {
            cause.text = status.canonical_reason().map(Into::into);
        }
        (self, cause)
    }

    /// The response for a problem. Its body is complete, so nothing has to be awaited.
    pub(crate) fn problem(problem: Problem, format: ResponseFormat) -> (Box<Self>, Cause) {
        let body = match format.has_content(problem.status()) {
            true => serde_json::to_vec(&problem).unwrap_or_default().into(),
            false => Bytes::new(),
        };
        let (mut parts, _) = problem.into_response().into_parts();
        let cause = parts.extensions.remove::<Cause>().unwrap_or_default();
        let response = Response::from_parts(parts, body);
        (Box::new(Self { response, stream: None, format }), cause)
    }

    fn internal_error(
        format: ResponseFormat,
        error: &(dyn std::error::Error + 'static),
    ) -> (Box<Self>, Cause) {
        let problem = Problem::new(StatusCode::INTERNAL_SERVER_ERROR).caused_by(error);
        Self::problem(problem, format)
    }

    pub(crate) fn response(&self) -> &Response<Bytes> {
        &self.response
    }

    /// The response, with a body that the handler may still produce.
    pub(crate) fn into_stream(self) -> Response<Body> {
        let (parts, body) = self.response.into_parts();
        Response::from_parts(parts, self.stream.unwrap_or_else(|| Body::from(body)))
    }

    fn is_too_large(&self) -> bool {
        // JSON needs at most six bytes for one (`\u0000`). So only a response near the limit has to be
        // counted exactly.
        if self.response.body().len().saturating_mul(6) < self.format.limit / 2 {
            return false;
        }
        let mut count = Count(0);
        serde_json::to_writer(&mut count, self).is_err() || count.0 > self.format.limit
    }
}

impl Serialize for HttpOutput {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Formatted { response: &self.response, format: self.format }.serialize(serializer)
    }
}

/// Leaves out the headers, which may set cookies, and the body.
impl fmt::Debug for HttpOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http")
            .field("status", &self.response.status())
            .field("body_len", &self.response.body().len())
            .finish_non_exhaustive()
    }
}

/// Reads a body to its end. Most bodies are one piece, which is not copied.
async fn whole(mut body: Limited<Body>) -> Result<Bytes, BoxError> {
    let Some(first) = next_piece(&mut body).await? else { return Ok(Bytes::new()) };
    if body.is_end_stream() {
        return Ok(first);
    }
    let mut whole = BytesMut::from(first);
    while let Some(piece) = next_piece(&mut body).await? {
        whole.extend_from_slice(&piece);
    }
    Ok(whole.freeze())
}

/// The next piece of a body. Trailers are left out, because no source takes them.
async fn next_piece(body: &mut Limited<Body>) -> Result<Option<Bytes>, BoxError> {
    while let Some(frame) = body.frame().await {
        if let Ok(piece) = frame?.into_data() {
            return Ok(Some(piece));
        }
    }
    Ok(None)
}

#[derive(Debug, thiserror::Error)]
#[error("the response is larger than the {0} bytes that its source accepts")]
struct TooLarge(usize);

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

/// The longest plain text that becomes the detail of a problem: 4 KB. axum's own rejections are far shorter.
/// A longer text is a document rather than a message.
const MAX_DETAIL: u64 = 4 * 1024;

/// Whether this is an error response whose handler chose no content type.
///
/// axum's rejections are plain text, and its 404 and 405 have no body. A response with another content type,
/// or with a longer text, is not changed.
fn is_bare_error(response: &Response<Body>) -> bool {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return false;
    }
    let size = response.body().size_hint().exact();
    match response.headers().get(header::CONTENT_TYPE) {
        Some(content_type) => {
            content_type.as_bytes().starts_with(b"text/plain")
                && size.is_some_and(|size| size <= MAX_DETAIL)
        }
        None => size == Some(0),
    }
}

/// Turns a bare error response into a problem with the same status and text.
async fn problem_of(response: Response<Body>) -> Response<Body> {
    let status = response.status();
    let (mut parts, body) = response.into_parts();
    let mut problem = Problem::new(status);
    if let Ok(body) = body.collect().await
        && let Ok(detail) = std::str::from_utf8(&body.to_bytes())
        && !detail.is_empty()
    {
        let detail = without_values(detail);
        match status.is_client_error() {
            true => problem = problem.with("detail", detail),
            // The text of a 5xx may be meant only for the log.
            false => {
                let cause = parts.extensions.get_or_insert_default::<Cause>();
                cause.text.get_or_insert_with(|| Arc::from(&*detail));
            }
        }
    }
    parts.headers.remove(header::CONTENT_LENGTH);
    let (fresh, body) = problem.into_response().into_parts();
    parts.headers.extend(fresh.headers);
    Response::from_parts(parts, body)
}
