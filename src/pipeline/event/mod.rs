pub(crate) mod error;
pub(crate) mod kind;
pub(crate) mod recognise;

use std::{
    fmt,
    str::FromStr,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use http::Request;
use serde_json::value::RawValue;

use crate::json::limits::{MAX_DEPTH, is_within_limits};
use crate::json::scan::members;
use crate::json::text::Span;
use crate::pipeline::event::error::EventError;
use crate::pipeline::event::kind::Kind;
use crate::pipeline::event::recognise::{Context, Recognised, Top, recognise};
use crate::pipeline::http::request::{RequestError, bare_request, request};

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
///     "rawPath": "/orders/a%20b",
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
            own.request().ok()
        });
        request.as_ref()
    }

    /// The statement of the source's own authorizer about the caller, as JSON. `None` if the source has
    /// no authorizer: only API Gateway and function URLs have one.
    pub(crate) fn authorizer(&self) -> Option<&RawValue> {
        let have_authorizers =
            [Kind::RestV1, Kind::HttpV1Payload, Kind::HttpV2, Kind::FunctionUrl, Kind::WebSocket];
        if !have_authorizers.contains(&self.kind()) {
            return None;
        }
        serde_json::from_str(self.context(Context::Authorizer)?).ok()
    }

    /// The identity that signed the request, if IAM authorised it and the payload format is 1.0. Then
    /// `requestContext.identity` has a `userArn`.
    pub(crate) fn signer(&self) -> Option<&RawValue> {
        let have_payload_1 = [Kind::RestV1, Kind::HttpV1Payload, Kind::WebSocket];
        if !have_payload_1.contains(&self.kind()) {
            return None;
        }
        let identity = self.context(Context::Identity)?;
        let [arn] = members(identity, |member| (member == "userArn").then_some(0)).ok()?;
        arn?;
        serde_json::from_str(identity).ok()
    }

    /// A new request of this event.
    pub(crate) fn request(&self) -> Result<Request<Bytes>, RequestError> {
        request(self.text(), &self.0.recognised, &Bytes::from_owner(self.clone()))
    }

    /// What is known of a request that is not valid.
    pub(crate) fn bare_request(&self) -> Request<Bytes> {
        bare_request(self.text(), &self.0.recognised, &Bytes::from_owner(self.clone()))
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

    fn context(&self, member: Context) -> Option<&str> {
        self.0.recognised.context(self.text(), member)
    }
}

/// Recognises an event by its top-level members.
///
/// Fails if the event is too large, or if a member that may be there only once is there twice. An event
/// of an unknown shape is not an error: its kind is [`Kind::Unknown`].
impl TryFrom<Box<RawValue>> for Event {
    type Error = EventError;

    fn try_from(text: Box<RawValue>) -> Result<Self, EventError> {
        let recognised = recognise(text.get())?;
        if !recognised.is_within_limits && !is_batch_within_limits(text.get(), &recognised) {
            return Err(EventError::TooLarge);
        }
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

/// Whether each record of a batch is within the limits. A whole batch may exceed them, since Lambda
/// delivers up to 10,000 records at once.
fn is_batch_within_limits(text: &str, recognised: &Recognised) -> bool {
    /// The levels of a record itself, and two for each of the 32 levels of an item, which DynamoDB
    /// writes as `{"M":{"name":…}}`. Source of the 32: "Naming rules and data types" in the DynamoDB
    /// developer guide.
    const STREAM_DEPTH: usize = 72;

    let max_depth = match recognised.kind {
        Kind::DynamoDbStream => STREAM_DEPTH,
        Kind::S3
        | Kind::Sqs
        | Kind::SqsS3
        | Kind::SqsSns
        | Kind::SqsSnsS3
        | Kind::SqsEventBridge
        | Kind::Sns
        | Kind::SnsS3
        | Kind::Kinesis => MAX_DEPTH,
        _ => return false,
    };
    let Some((before, records, after)) = recognised.around_records(text) else { return false };
    let Ok(records) = serde_json::from_str::<Vec<&RawValue>>(records) else { return false };
    is_within_limits(before.bytes().chain(after.bytes()), MAX_DEPTH)
        && records.iter().all(|record| is_within_limits(record.get().bytes(), max_depth))
}
