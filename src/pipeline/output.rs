use std::fmt;

use http::StatusCode;
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::value::RawValue;

use crate::pipeline::HttpOutput;

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
#[non_exhaustive]
pub enum Output {
    /// An HTTP response.
    Http(HttpOutput),
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

impl Output {
    /// The HTTP response, if it is one.
    #[must_use]
    pub fn http(&self) -> Option<&HttpOutput> {
        match self {
            Self::Http(answer) => Some(answer),
            Self::Batch { .. } | Self::Value(_) | Self::Nothing => None,
        }
    }

    /// The status of the HTTP response, if it is one.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        self.http().map(HttpOutput::status)
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

/// Without what a handler answered.
impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(answer) => fmt::Debug::fmt(answer, f),
            Self::Batch { failures } => {
                f.debug_struct("Batch").field("failures", failures).finish()
            }
            Self::Value(_) => f.write_str("Value"),
            Self::Nothing => f.write_str("Nothing"),
        }
    }
}

impl Serialize for Output {
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
