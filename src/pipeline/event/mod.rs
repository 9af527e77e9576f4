mod kind;
pub(crate) mod recognise;

use std::{
    borrow::Cow,
    fmt,
    sync::{Arc, OnceLock},
};

use axum::Json;
use bytes::Bytes;
use http::{HeaderMap, Method};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::json::JsonError;
use crate::json::limits::{MAX_DEPTH, is_within_limits};
use crate::json::scan::members;
use crate::json::text::string;
use crate::pipeline::FromRecord;
use crate::pipeline::event::recognise::{Context, Recognised, recognise};
use crate::pipeline::http::request::{Parts, RequestError};
use crate::problem::Problem;

pub use kind::Kind;

/// What Lambda handed over: its text, recognised once.
///
/// Cheap to clone. Everything in it is read from the text when it is asked for, so that nothing of
/// the event is lost: [`text`](Self::text) is the event as it came.
///
/// # Examples
///
/// ```
/// use funcify::{pipeline::Kind, testing};
///
/// let event = testing::rest_get("/orders/a%20b").query("page", "2").event();
/// assert_eq!(event.kind(), Kind::RestV1);
/// assert_eq!(event.path().as_deref(), Some("/orders/a b"));
/// assert_eq!(event.raw_path().as_deref(), Some("/orders/a%20b"));
/// assert_eq!(event.query(), Some("page=2"));
/// ```
#[derive(Clone)]
pub struct Event(Arc<Inner>);

struct Inner {
    text: Box<RawValue>,
    recognised: Recognised,
    parts: OnceLock<Option<Parts>>,
}

/// Why an event was refused before it had a kind.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// It is no JSON, or a member that funcify reads stands there twice.
    #[error("expected a JSON event")]
    Json(#[source] JsonError),
    /// It is deeper than 32 levels or has more than 10,000 values. Each record of a batch may have
    /// as many, and the item in a stream of DynamoDB the 32 levels that DynamoDB itself allows.
    #[error("expected an event of at most 32 levels and 10,000 values")]
    TooLarge,
}

impl From<serde_json::Error> for EventError {
    fn from(error: serde_json::Error) -> Self {
        Self::Json(error.into())
    }
}

impl Event {
    /// Recognises an event by its top-level members.
    ///
    /// # Errors
    ///
    /// [`EventError`] if it is too deep or too large, or contradicts itself. An event of an
    /// unheard-of shape is no error but [`Kind::Unknown`].
    pub fn recognise(text: Box<RawValue>) -> Result<Self, EventError> {
        let recognised = recognise(text.get())?;
        if !recognised.is_within_limits && !is_batch_within_limits(text.get(), &recognised) {
            return Err(EventError::TooLarge);
        }
        Ok(Self(Arc::new(Inner { text, recognised, parts: OnceLock::new() })))
    }

    /// Recognises an event given as text.
    ///
    /// # Errors
    ///
    /// As [`recognise`](Self::recognise), or if it is no JSON.
    pub fn parse(text: &str) -> Result<Self, EventError> {
        Self::recognise(serde_json::from_str(text)?)
    }

    /// What sent it.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.0.recognised.kind
    }

    /// The event as it came.
    #[must_use]
    pub fn text(&self) -> &str {
        self.0.text.get()
    }

    pub(crate) fn raw(&self) -> &RawValue {
        &self.0.text
    }

    /// The request's method; `None` if it is no HTTP event, or not one that makes a request.
    #[must_use]
    pub fn method(&self) -> Option<&Method> {
        self.parts().map(|parts| &parts.method)
    }

    /// The request's path, decoded once, without the stage.
    #[must_use]
    pub fn path(&self) -> Option<Cow<'_, str>> {
        let path = self.parts()?.uri.path();
        percent_encoding::percent_decode_str(path).decode_utf8().ok()
    }

    /// The request's path as the source wrote it.
    #[must_use]
    pub fn raw_path(&self) -> Option<Cow<'_, str>> {
        string(self.0.recognised.path_member(self.text())?)
    }

    /// The request's query, encoded, without the question mark.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.parts()?.uri.query()
    }

    /// The request's headers, cookies included.
    #[must_use]
    pub fn headers(&self) -> Option<&HeaderMap> {
        self.parts().map(|parts| &parts.headers)
    }

    /// The request's body, decoded if it came as base64.
    #[must_use]
    pub fn body(&self) -> Option<&Bytes> {
        self.parts().map(|parts| &parts.body)
    }

    /// The records of a batch, as they came; empty if it is none.
    #[must_use]
    pub fn records(&self) -> Vec<&RawValue> {
        let records = self.0.recognised.records(self.text()).unwrap_or("[]");
        serde_json::from_str(records).unwrap_or_default()
    }

    /// What the authorizer of API Gateway, or of a function URL, said about the caller; of no other
    /// source.
    #[must_use]
    pub fn authorizer(&self) -> Option<&RawValue> {
        let authorizers =
            [Kind::RestV1, Kind::HttpV1Payload, Kind::HttpV2, Kind::FunctionUrl, Kind::WebSocket];
        if !authorizers.contains(&self.kind()) {
            return None;
        }
        serde_json::from_str(self.0.recognised.authorizer(self.text())?).ok()
    }

    /// Who signed the request, where IAM authorises it and the payload is 1.0: then
    /// `requestContext.identity` has a `userArn`.
    pub(crate) fn signer(&self) -> Option<&RawValue> {
        let payload_1 = [Kind::RestV1, Kind::HttpV1Payload, Kind::WebSocket];
        if !payload_1.contains(&self.kind()) {
            return None;
        }
        let identity = self.0.recognised.context(self.text(), Context::Identity)?;
        let [arn] = members(identity, |member| (member == "userArn").then_some(0)).ok()?;
        arn?;
        serde_json::from_str(identity).ok()
    }

    /// The request that this event makes.
    pub(crate) fn request(&self) -> Result<Parts, RequestError> {
        Parts::of(self)
    }

    pub(crate) fn recognised(&self) -> &Recognised {
        &self.0.recognised
    }

    /// The whole text, to cut shared slices from.
    pub(crate) fn shared(&self) -> Bytes {
        Bytes::from_owner(self.clone())
    }

    /// Read a second time only for those who look at the event itself: the router has its own.
    fn parts(&self) -> Option<&Parts> {
        let parts = self.0.parts.get_or_init(|| {
            // The parts' slices hold on to the text. Held by the event itself they must have a
            // text of their own, or neither would ever be dropped.
            let own = Self::recognise(self.0.text.clone()).ok()?;
            own.request().ok()
        });
        parts.as_ref()
    }
}

impl FromRecord<Self> for Event {
    fn from_record(event: Self) -> Result<Self, Problem> {
        Ok(event)
    }
}

impl<T: DeserializeOwned + Send> FromRecord<Event> for Json<T> {
    fn from_record(event: Event) -> Result<Self, Problem> {
        let parsed = serde_json::from_str(event.text());
        let expected = || Problem::bad_request("expected another event");
        parsed.map(Json).map_err(|error| expected().caused_by(&error))
    }
}

impl AsRef<[u8]> for Event {
    fn as_ref(&self) -> &[u8] {
        self.text().as_bytes()
    }
}

impl fmt::Debug for Event {
    /// The kind alone: the text may hold what nobody should read in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event").field("kind", &self.kind()).finish_non_exhaustive()
    }
}

/// Whether a batch is too large as a whole only: Lambda hands over up to 10,000 records at once.
fn is_batch_within_limits(text: &str, recognised: &Recognised) -> bool {
    /// A record's own levels, and two for each of the 32 of an item (`{"M":{"name":…}}`).
    const STREAM_DEPTH: usize = 72;

    let max_depth = match recognised.kind {
        Kind::DynamoDbStream => STREAM_DEPTH,
        Kind::S3
        | Kind::Sqs
        | Kind::SqsS3
        | Kind::SqsSns
        | Kind::SqsSnsS3
        | Kind::SqsEventBridge => MAX_DEPTH,
        Kind::Sns | Kind::SnsS3 | Kind::Kinesis => MAX_DEPTH,
        _ => return false,
    };
    let Some((before, records, after)) = recognised.around_records(text) else { return false };
    let Ok(records) = serde_json::from_str::<Vec<&RawValue>>(records) else { return false };
    is_within_limits(before.bytes().chain(after.bytes()), MAX_DEPTH)
        && records.iter().all(|record| is_within_limits(record.get().bytes(), max_depth))
}
