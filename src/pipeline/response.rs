//! Answers in the form of the source that asked.

use std::borrow::Cow;

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{self, GetAll},
};
use http_body::Body as _;
use http_body_util::{BodyExt, Limited};
use serde::{
    Serialize, Serializer,
    ser::{SerializeMap, SerializeSeq},
};
use serde_json::value::RawValue;

use super::{Event, Kind, Problem, problem::Cause, recognise::Top};

/// What a function answers, written in its source's own form when it is serialised.
///
/// # Examples
///
/// ```
/// use axum::{Router, routing::get};
/// use funcify::{pipeline::Pipeline, testing};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let router = Router::new().route("/hello", get(async || "hello"));
/// let pipeline = Pipeline::builder(()).http(router).build()?;
/// let answer = testing::http_get("/hello").send(&pipeline).await?;
/// assert_eq!(
///     serde_json::to_string(&answer)?,
///     r#"{"statusCode":200,"headers":{"content-type":"text/plain; charset=utf-8"},"body":"hello","isBase64Encoded":false}"#
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Answer {
    /// An HTTP response.
    Http(HttpAnswer),
    /// Which messages of a batch are to be delivered again.
    Batch {
        /// Their identifiers: message ids of SQS, sequence numbers of a stream.
        failures: Vec<String>,
    },
    /// What an [`event`](super::PipelineBuilder::event) route answered, as JSON.
    Value(Box<RawValue>),
    /// Nothing: the source waits for no answer.
    Nothing,
}

/// An HTTP response, read to its end.
#[derive(Debug)]
pub struct HttpAnswer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    /// What is still to come, where the answer is streamed.
    rest: Option<Body>,
    form: Form,
}

/// What becomes of the body of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyTo {
    /// It is read to its end.
    Memory,
    /// It is sent as it comes.
    Stream,
}

/// The forms in which a source takes an HTTP response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `multiValueHeaders`: API Gateway's payload 1.0.
    MultiValue,
    /// `headers` alone: WebSocket.
    Single,
    /// `headers` with the cookies beside them: payload 2.0.
    Cookies,
    /// `multiValueHeaders` with a description of the status: ALB that asked in this way.
    DescribedMultiValue,
    /// `headers` with a description of the status: ALB, VPC Lattice.
    Described,
}

impl Form {
    pub(super) fn of(event: &Event) -> Self {
        match event.kind() {
            Kind::HttpV2 | Kind::FunctionUrl => Self::Cookies,
            Kind::WebSocket => Self::Single,
            Kind::VpcLatticeV1 | Kind::VpcLatticeV2 => Self::Described,
            Kind::Alb if event.recognised().top(event.text(), Top::MultiValueHeaders).is_some() => {
                Self::DescribedMultiValue
            }
            Kind::Alb => Self::Described,
            _ => Self::MultiValue,
        }
    }
}

/// What Lambda takes of a function that does not stream: 6 MB, as JSON.
const MAX_ANSWER: usize = 6 * 1024 * 1024;

impl HttpAnswer {
    /// Reads `response` to its end and keeps it for a source that takes `form`.
    ///
    /// Also answers the cause that a problem left for the log.
    pub(super) async fn of(response: Response, form: Form, body_to: BodyTo) -> (Self, Cause) {
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
    pub(super) fn problem(problem: Problem, form: Form) -> (Self, Cause) {
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
    pub(super) fn into_stream(self) -> (StatusCode, HeaderMap, Body) {
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
    fn text(&self) -> Option<&str> {
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

/// Whether this is an error response without a type of its own.
///
/// axum's rejections are plain text, its 404 and 405 are empty. What a handler gave another type
/// stays as it is.
fn is_bare(response: &Response) -> bool {
    let status = response.status();
    let kind = response.headers().get(header::CONTENT_TYPE);
    let is_error = status.is_client_error() || status.is_server_error();
    is_error
        && match kind {
            Some(kind) => kind.as_bytes().starts_with(b"text/plain"),
            None => response.body().size_hint().exact() == Some(0),
        }
}

/// The problem that says what a bare response says.
async fn problem_of(response: Response) -> Response {
    /// More is no message but a document.
    const MAX_DETAIL: usize = 4 * 1024;

    let status = response.status();
    let (mut parts, body) = response.into_parts();
    let mut problem = Problem::new(status);
    // What a 5xx says may be meant for the log only.
    if status.is_client_error()
        && let Ok(body) = Limited::new(body, MAX_DETAIL).collect().await
        && let Ok(detail) = std::str::from_utf8(&body.to_bytes())
        && !detail.is_empty()
    {
        problem = problem.detailed(detail);
    }
    parts.headers.remove(header::CONTENT_LENGTH);
    let (fresh, body) = problem.into_response().into_parts();
    parts.headers.extend(fresh.headers);
    Response::from_parts(parts, body)
}

impl Answer {
    /// The HTTP response, if it is one.
    #[must_use]
    pub fn http(&self) -> Option<&HttpAnswer> {
        match self {
            Self::Http(answer) => Some(answer),
            Self::Batch { .. } | Self::Value(_) | Self::Nothing => None,
        }
    }

    /// The status of the HTTP response, if it is one.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        self.http().map(HttpAnswer::status)
    }

    /// The identifiers of the messages that failed; empty if this is no batch.
    #[must_use]
    pub fn failures(&self) -> &[String] {
        match self {
            Self::Batch { failures } => failures,
            Self::Http(_) | Self::Value(_) | Self::Nothing => &[],
        }
    }
}

impl Serialize for Answer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Http(answer) => answer.serialize(serializer),
            Self::Batch { failures } => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("batchItemFailures", &Failures(failures))?;
                map.end()
            }
            Self::Value(value) => value.serialize(serializer),
            Self::Nothing => serializer.serialize_unit(),
        }
    }
}

struct Failures<'a>(&'a [String]);

impl Serialize for Failures<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Failure<'a> {
            #[serde(rename = "itemIdentifier")]
            item: &'a str,
        }
        serializer.collect_seq(self.0.iter().map(|item| Failure { item }))
    }
}

impl Serialize for HttpAnswer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("statusCode", &self.status.as_u16())?;
        if matches!(self.form, Form::Described | Form::DescribedMultiValue) {
            map.serialize_entry("statusDescription", &Description(self.status))?;
        }
        let headers = Headers { headers: &self.headers, form: self.form };
        if matches!(self.form, Form::MultiValue | Form::DescribedMultiValue) {
            map.serialize_entry("multiValueHeaders", &headers)?;
        } else {
            map.serialize_entry("headers", &headers)?;
        }
        if self.form == Form::Cookies && self.headers.contains_key(header::SET_COOKIE) {
            map.serialize_entry("cookies", &Values(self.headers.get_all(header::SET_COOKIE)))?;
        }
        if let Some(text) = self.text() {
            map.serialize_entry("body", text)?;
            map.serialize_entry("isBase64Encoded", &false)?;
        } else {
            map.serialize_entry("body", &STANDARD.encode(&self.body))?;
            map.serialize_entry("isBase64Encoded", &true)?;
        }
        map.end()
    }
}

struct Description(StatusCode);

impl Serialize for Description {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let reason = self.0.canonical_reason().unwrap_or("Unknown");
        serializer.collect_str(&format_args!("{} {reason}", self.0.as_u16()))
    }
}

struct Headers<'a> {
    headers: &'a HeaderMap,
    form: Form,
}

impl Serialize for Headers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for name in self.headers.keys().filter(|name| is_sent(name, self.form)) {
            let values = self.headers.get_all(name);
            if matches!(self.form, Form::MultiValue | Form::DescribedMultiValue) {
                map.serialize_entry(name.as_str(), &Values(values))?;
            } else if *name == header::SET_COOKIE {
                // Cookies cannot be joined, but names that differ in case are two to the source.
                for (place, value) in values.iter().enumerate() {
                    map.serialize_entry(&cased(name.as_str(), place), &text(value))?;
                }
            } else {
                map.serialize_entry(name.as_str(), &Joined(values))?;
            }
        }
        map.end()
    }
}

/// Whether a header goes to the source: what describes the connection does not.
fn is_sent(name: &HeaderName, form: Form) -> bool {
    let beside = form == Form::Cookies && *name == header::SET_COOKIE;
    let of_connection = [header::CONNECTION, header::CONTENT_LENGTH, header::TRANSFER_ENCODING];
    !beside && !of_connection.contains(name)
}

/// The `place`-th spelling of a name: its letters in upper case as the bits of `place` say.
fn cased(name: &str, place: usize) -> String {
    let spell = |(index, letter): (usize, char)| {
        let upper = place.checked_shr(u32::try_from(index).unwrap_or(u32::MAX)).unwrap_or(0) & 1;
        if upper == 1 { letter.to_ascii_uppercase() } else { letter }
    };
    // Letters only count: the hyphen has but one case.
    let mut letters = 0_usize;
    let indexed = name.chars().map(|letter| {
        let index = letters;
        letters += usize::from(letter.is_ascii_alphabetic());
        (index, letter)
    });
    indexed.map(spell).collect()
}

fn text(value: &HeaderValue) -> Cow<'_, str> {
    String::from_utf8_lossy(value.as_bytes())
}

struct Values<'a>(GetAll<'a, HeaderValue>);

impl Serialize for Values<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut seq = serializer.serialize_seq(None)?;
        for value in &self.0 {
            seq.serialize_element(&text(value))?;
        }
        seq.end()
    }
}

struct Joined<'a>(GetAll<'a, HeaderValue>);

impl Serialize for Joined<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut values = self.0.iter();
        let Some(first) = values.next() else { return serializer.serialize_str("") };
        let Some(second) = values.next() else { return serializer.serialize_str(&text(first)) };
        let mut joined = format!("{}, {}", text(first), text(second));
        for value in values {
            joined.push_str(", ");
            joined.push_str(&text(value));
        }
        serializer.serialize_str(&joined)
    }
}
