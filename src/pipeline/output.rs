use std::fmt;

use axum::body::Body;
use bytes::Bytes;
use http::Response;
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::value::RawValue;

use crate::pipeline::http::response::HttpOutput;

/// The output of a function. `Serialize` writes it in the response format of the source.
///
/// # Examples
///
/// ```
/// use axum::{Router, routing::get};
/// use funcify::{pipeline::Pipeline, testing::TestEvent};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let router = Router::new().route("/hello", get(async || "hello"));
/// let pipeline = Pipeline::builder(()).http(router).build()?;
/// let output = TestEvent::get("/hello").send(&pipeline).await?;
/// assert_eq!(output.http().unwrap().body(), "hello");
/// assert_eq!(
///     serde_json::to_string(&output)?,
///     r#"{"statusCode":200,"headers":{"content-type":"text/plain; charset=utf-8"},"cookies":[],"body":"hello","isBase64Encoded":false}"#
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub struct Output(Content);

enum Content {
    Http(Box<HttpOutput>),
    Batch(Batch),
    Value(Box<RawValue>),
    Nothing,
}

/// The report of a batch.
#[derive(Default)]
struct Batch {
    failures: Vec<String>,
    /// Whether a failure is `topic-partition@offset`, of which the report shows the two parts.
    by_offset: bool,
    /// The state of a tumbling window. If it is missing, Lambda counts the invocation as failed.
    state: Option<Box<RawValue>>,
}

impl Output {
    pub(super) fn of_http(output: Box<HttpOutput>) -> Self {
        Self(Content::Http(output))
    }

    /// The report of a batch: the identifiers of the messages that failed.
    pub(super) fn batch(failures: Vec<String>) -> Self {
        Self(Content::Batch(Batch { failures, ..Batch::default() }))
    }

    /// The report of a batch of Kafka: `topic-partition@offset` of the records that failed.
    pub(super) fn offsets(failures: Vec<String>) -> Self {
        Self(Content::Batch(Batch { failures, by_offset: true, state: None }))
    }

    /// The same report with the state of a tumbling window.
    pub(super) fn with_state(self, state: Box<RawValue>) -> Self {
        let batch = match self.0 {
            Content::Batch(batch) => batch,
            _ => Batch::default(),
        };
        Self(Content::Batch(Batch { state: Some(state), ..batch }))
    }

    /// The result of an [`event`](super::PipelineBuilder::event) route, as JSON.
    pub(super) fn value(value: Box<RawValue>) -> Self {
        Self(Content::Value(value))
    }

    /// The output for a source that reads no output.
    pub(super) fn nothing() -> Self {
        Self(Content::Nothing)
    }

    /// The HTTP response. `None` if the event was not HTTP.
    #[must_use]
    pub fn http(&self) -> Option<&Response<Bytes>> {
        match &self.0 {
            Content::Http(output) => Some(output.response()),
            Content::Batch(_) | Content::Value(_) | Content::Nothing => None,
        }
    }

    /// The identifiers of the records that failed and will be delivered again: message ids of SQS, the
    /// sequence number of the first failed record of a stream, `topic-partition@offset` of Kafka. Empty if
    /// the event was not a batch of these sources.
    #[must_use]
    pub fn failures(&self) -> &[String] {
        match &self.0 {
            Content::Batch(batch) => &batch.failures,
            Content::Http(_) | Content::Value(_) | Content::Nothing => &[],
        }
    }

    /// The HTTP response, with a body that the handler may still produce.
    pub(super) fn into_stream(self) -> Result<Response<Body>, Self> {
        match self.0 {
            Content::Http(output) => Ok(output.into_stream()),
            content => Err(Self(content)),
        }
    }
}

/// Leaves out values that a handler returned.
impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Content::Http(output) => fmt::Debug::fmt(output, f),
            Content::Batch(batch) => {
                f.debug_struct("Batch").field("failures", &batch.failures).finish_non_exhaustive()
            }
            Content::Value(_) => f.write_str("Value"),
            Content::Nothing => f.write_str("Nothing"),
        }
    }
}

impl Serialize for Output {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Content::Http(output) => output.serialize(serializer),
            Content::Batch(batch) => {
                let mut map = serializer.serialize_map(None)?;
                if let Some(state) = &batch.state {
                    map.serialize_entry("state", state)?;
                }
                map.serialize_entry("batchItemFailures", &Failures(batch))?;
                map.end()
            }
            Content::Value(value) => value.serialize(serializer),
            Content::Nothing => serializer.serialize_unit(),
        }
    }
}

struct Failures<'a>(&'a Batch);

impl Serialize for Failures<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Failure<I> {
            #[serde(rename = "itemIdentifier")]
            item: I,
        }
        #[derive(Serialize)]
        struct Position<'a> {
            partition: &'a str,
            offset: i64,
        }
        let Batch { failures, by_offset, .. } = self.0;
        if !by_offset {
            return serializer.collect_seq(failures.iter().map(|item| Failure { item }));
        }
        serializer.collect_seq(failures.iter().map(|id| {
            let (partition, offset) = id.rsplit_once('@').unwrap_or((id, ""));
            let item = Position { partition, offset: offset.parse().unwrap_or_default() };
            Failure { item }
        }))
    }
}
