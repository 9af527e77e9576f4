pub(crate) mod error;
pub(crate) mod kind;
pub(crate) mod members;
pub(crate) mod recognise;
pub(crate) mod source;

use std::{
    fmt,
    str::FromStr,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use http::{Method, Request};
use serde_json::value::RawValue;

use crate::json::scan::members;
use crate::json::text::Span;
use crate::pipeline::event::error::EventError;
use crate::pipeline::event::kind::Kind;
use crate::pipeline::event::members::{Context, Top};
use crate::pipeline::event::recognise::{Recognised, recognise};
use crate::pipeline::event::source::Source;
use crate::pipeline::http::request::{RequestError, bare_request, method, request};

/// An event of Lambda: its text, and what sent it.
///
/// It is cheap to clone. Nothing of the event is lost: [`text`](Self::text) is the event as it was
/// delivered. The pipeline makes the event; to read one yourself, parse its text.
///
/// # Examples
///
/// ```
/// use funcify::pipeline::{Event, Kind};
///
/// let event: Event = r#"{
///     "version": "2.0",
///     "rawPath": "/orders/a b",
///     "rawQueryString": "page=2",
///     "headers": { "x-tenant": "acme" },
///     "requestContext": { "http": { "method": "GET" } }
/// }"#
/// .parse()?;
/// assert_eq!(event.kind(), Kind::HttpV2);
/// let request = event.http().expect("an HTTP event");
/// assert_eq!(request.uri(), "/orders/a%20b?page=2");
/// assert_eq!(request.headers()["x-tenant"], "acme");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Event(Arc<Inner>);

struct Inner {
    text: Box<RawValue>,
    recognised: Recognised,
    request: OnceLock<Option<Request<Bytes>>>,
}

impl Event {
    /// What sent the event, and which envelopes it contains.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.0.recognised.kind
    }

    /// The event as it was delivered.
    #[must_use]
    pub fn text(&self) -> &str {
        self.0.text.get()
    }

    /// The HTTP request of the event, as your router gets it. `None` if the event is not HTTP, or makes
    /// no valid request.
    ///
    /// The path is without the stage and encoded in one canonical way. The body is decoded if it was
    /// base64. A WebSocket event is a POST to its route key.
    #[must_use]
    pub fn http(&self) -> Option<&Request<Bytes>> {
        let request = self.0.request.get_or_init(|| {
            if !self.kind().is_http() {
                return None;
            }
            // The request's headers and body are slices that keep the text alive. They need a text of
            // their own: slices of this event, kept in this event, would never be dropped.
            let own = Self::try_from(self.0.text.clone()).ok()?;
            own.request("").ok()
        });
        request.as_ref()
    }

    /// The statement of the source's own authorizer about the caller, as JSON. `None` if the source has
    /// no authorizer: only API Gateway and function URLs have one.
    pub(crate) fn authorizer(&self) -> Option<&RawValue> {
        Source::of(self.kind()).http.filter(|source| source.has_authorizer)?;
        serde_json::from_str(self.context(Context::Authorizer)?).ok()
    }

    /// The identity that signed the request, if IAM authorised it and the payload format is 1.0. Then
    /// `requestContext.identity` has a `userArn`.
    pub(crate) fn signer(&self) -> Option<&RawValue> {
        Source::of(self.kind()).http.filter(|source| source.has_signer)?;
        let identity = self.context(Context::Identity)?;
        let [arn] = members(identity, |member| (member == "userArn").then_some(0)).ok()?;
        arn?;
        serde_json::from_str(identity).ok()
    }

    /// A new request of this event. `base_path` is removed from its path.
    pub(crate) fn request(&self, base_path: &str) -> Result<Request<Bytes>, RequestError> {
        let source = Source::of(self.kind()).http.ok_or(RequestError::Expected("a request"))?;
        let shared = Bytes::from_owner(self.clone());
        request(self.text(), &self.0.recognised, source, base_path, &shared)
    }

    /// The method of the request. `None` if the event has none.
    pub(crate) fn method(&self) -> Option<Method> {
        let source = Source::of(self.kind()).http?;
        method(self.text(), &self.0.recognised, source)
    }

    /// What is known of a request that is not valid.
    pub(crate) fn bare_request(&self) -> Request<Bytes> {
        let Some(source) = Source::of(self.kind()).http else { return Request::default() };
        bare_request(self.text(), &self.0.recognised, source, &Bytes::from_owner(self.clone()))
    }

    pub(crate) fn raw(&self) -> &RawValue {
        &self.0.text
    }

    /// The records of a batch, as JSON.
    pub(crate) fn records(&self) -> Option<&str> {
        self.top(Top::Records)
    }

    /// Where each record of a batch is in the text. One pass over the batch: keep the result.
    pub(crate) fn record_spans(&self) -> Vec<Option<Span>> {
        let records = self.records().and_then(|records| serde_json::from_str(records).ok());
        let records: Vec<&RawValue> = records.unwrap_or_default();
        records.into_iter().map(|record| Span::of(record.get(), self.text())).collect()
    }

    pub(crate) fn top(&self, member: Top) -> Option<&str> {
        self.0.recognised.top(self.text(), member)
    }

    pub(crate) fn context(&self, member: Context) -> Option<&str> {
        self.0.recognised.context(self.text(), member)
    }
}

/// Recognises an event by its top-level members.
///
/// Fails if a member that may be there only once is there twice. An event of an unknown shape is not an
/// error: its kind is [`Kind::Unknown`].
impl TryFrom<Box<RawValue>> for Event {
    type Error = EventError;

    fn try_from(text: Box<RawValue>) -> Result<Self, EventError> {
        let recognised = recognise(text.get())?;
        Ok(Self(Arc::new(Inner { text, recognised, request: OnceLock::new() })))
    }
}

impl FromStr for Event {
    type Err = EventError;

    fn from_str(text: &str) -> Result<Self, EventError> {
        Self::try_from(serde_json::from_str::<Box<RawValue>>(text)?)
    }
}

impl AsRef<[u8]> for Event {
    fn as_ref(&self) -> &[u8] {
        self.text().as_bytes()
    }
}

impl fmt::Debug for Event {
    /// Shows the kind only. The text may contain secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event").field("kind", &self.kind()).finish_non_exhaustive()
    }
}
