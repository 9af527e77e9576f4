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

/// An event of Lambda: its JSON, and the kind of its source.
///
/// An `Event` is cheap to clone. Nothing of the event is lost: [`text`](Self::text) is the JSON as Lambda
/// delivered it. Handlers get the event from the pipeline. To make one yourself, parse its text.
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
    /// The kind of the source, and of the envelopes in the event.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.0.recognised.kind
    }

    /// The JSON of the event, as Lambda delivered it.
    #[must_use]
    pub fn text(&self) -> &str {
        self.0.text.get()
    }

    /// The HTTP request of the event, as your router gets it. `None` if the event is not HTTP, or no valid
    /// request can be made from it.
    ///
    /// The path has no stage and is encoded in one canonical way. The `base_path` of the pipeline is not
    /// removed. The body is decoded if it was base64. A WebSocket event becomes a POST to its route key.
    #[must_use]
    pub fn http(&self) -> Option<&Request<Bytes>> {
        let request = self.0.request.get_or_init(|| {
            if !self.kind().is_http() {
                return None;
            }
            // The headers and the body of the request are slices that keep the text of an event alive. They
            // need a copy of the event, because slices of this event, kept in this event, would never be
            // dropped.
            let own = Self::try_from(self.0.text.clone()).ok()?;
            own.request("").ok()
        });
        request.as_ref()
    }

    /// What the authorizer of the source says about the caller, as JSON. `None` if the source has no
    /// authorizer. Only API Gateway and function URLs have one.
    pub(crate) fn authorizer(&self) -> Option<&RawValue> {
        Source::of(self.kind()).http.filter(|source| source.has_authorizer)?;
        serde_json::from_str(self.context(Context::Authorizer)?).ok()
    }

    /// The identity that signed the request, if IAM authorized it and the payload format is 1.0.
    /// `requestContext.identity` then has a `userArn`.
    pub(crate) fn signer(&self) -> Option<&RawValue> {
        Source::of(self.kind()).http.filter(|source| source.has_signer)?;
        let identity = self.context(Context::Identity)?;
        let [arn] = members(identity, |member| (member == "userArn").then_some(0)).ok()?;
        arn?;
        serde_json::from_str(identity).ok()
    }

    /// A new HTTP request made from this event. `base_path` is removed from its path.
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

    /// The parts that are known of a request that is not valid.
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

    /// Where each record of a batch is in the text. This parses the whole batch, so the caller should keep
    /// the result.
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
/// Fails if a member that funcify reads is there twice. An event with an unknown shape is not an error. Its
/// kind is [`Kind::Unknown`].
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
    /// Shows only the kind, because the text may contain secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event").field("kind", &self.kind()).finish_non_exhaustive()
    }
}
