use std::fmt;

use axum::body::Body;
use bytes::Bytes;
use http::Response;
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::value::RawValue;

use crate::pipeline::http::response::HttpOutput;

/// The output of a function. It is serialised in the response format of its source.
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
    Http(HttpOutput),
    Batch(Vec<String>),
    Value(Box<RawValue>),
    Nothing,
}

impl Output {
    pub(super) fn of_http(output: HttpOutput) -> Self {
        Self(Content::Http(output))
    }

    /// The report of a batch: the identifiers of the messages that failed.
    pub(super) fn batch(failures: Vec<String>) -> Self {
        Self(Content::Batch(failures))
    }

    /// The result of an [`event`](super::PipelineBuilder::event) route, as JSON.
    pub(super) fn value(value: Box<RawValue>) -> Self {
        Self(Content::Value(value))
    }

    /// The output for a source that reads none.
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

    /// The identifiers of the records that failed and are delivered again: message ids of SQS, sequence
    /// numbers of a stream. Empty if the event was not a batch.
    #[must_use]
    pub fn failures(&self) -> &[String] {
        match &self.0 {
            Content::Batch(failures) => failures,
            Content::Http(_) | Content::Value(_) | Content::Nothing => &[],
        }
    }

    /// The HTTP response with a body that may still be coming.
    #[expect(clippy::result_large_err, reason = "both are what the caller goes on with")]
    pub(super) fn into_stream(self) -> Result<Response<Body>, Self> {
        match self.0 {
            Content::Http(output) => Ok(output.into_stream()),
            content => Err(Self(content)),
        }
    }
}

/// Shows no values of a handler.
impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Content::Http(output) => fmt::Debug::fmt(output, f),
            Content::Batch(failures) => {
                f.debug_struct("Batch").field("failures", failures).finish()
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
            Content::Batch(failures) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("batchItemFailures", &Failures(failures))?;
                map.end()
            }
            Content::Value(value) => value.serialize(serializer),
            Content::Nothing => serializer.serialize_unit(),
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
