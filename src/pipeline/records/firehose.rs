//! Records of Firehose, which the function transforms. The output has a result for each of them.

use std::{collections::BTreeMap, fmt, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use funcify_core::{Deadline, DeadlineExceeded};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use crate::pipeline::bounded::bounded;
use crate::pipeline::event::Event;
use crate::pipeline::event::kind::Kind;
use crate::pipeline::log;
use crate::pipeline::records::handler::{Call, FromRecord};
use crate::pipeline::records::routes::EventRoute;
use crate::problem::Problem;

/// A record that the function transforms for Firehose. See
/// [`PipelineBuilder::firehose`](crate::pipeline::PipelineBuilder::firehose) for an example.
#[derive(Clone)]
#[non_exhaustive]
pub struct FirehoseRecord {
    /// The identifier of the record in this event.
    pub id: String,
    /// The data, decoded from base64.
    pub data: Vec<u8>,
    /// About when the record arrived, in milliseconds since the Unix epoch.
    pub arrived_at: Option<i64>,
}

/// Leaves out the data.
impl fmt::Debug for FirehoseRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FirehoseRecord").field("id", &self.id).finish_non_exhaustive()
    }
}

impl FromRecord<Self> for FirehoseRecord {
    fn from_record(record: Self) -> Result<Self, Problem> {
        Ok(record)
    }
}

/// The result for a Firehose record. If the handler fails instead, the record is marked as failed.
#[derive(Clone)]
#[non_exhaustive]
pub enum Transformed {
    /// The record is delivered with this data.
    Data(Vec<u8>),
    /// The record is delivered with this data, and with these keys for dynamic partitioning, which determine
    /// the prefix of the object.
    Partitioned(Vec<u8>, BTreeMap<String, String>),
    /// The record is dropped on purpose and not delivered.
    Dropped,
}

/// Leaves out the data.
impl fmt::Debug for Transformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Data(_) => "Data",
            Self::Partitioned(..) => "Partitioned",
            Self::Dropped => "Dropped",
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    records: Vec<WireRecord>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireRecord {
    record_id: String,
    data: String,
    approximate_arrival_timestamp: Option<i64>,
}

#[derive(Serialize)]
struct Results {
    records: Vec<OneResult>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OneResult {
    record_id: String,
    result: &'static str,
    data: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Metadata>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    partition_keys: BTreeMap<String, String>,
}

/// A route for the delivery stream with this name.
pub(in crate::pipeline) fn route(
    stream: &str,
    call: Call<FirehoseRecord, Transformed>,
) -> EventRoute {
    let name: Arc<str> = stream.into();
    let (pattern, route) = (Arc::clone(&name), Arc::clone(&name));
    let all: Call<Event, Box<RawValue>> = Arc::new(move |invocation, event| {
        let (call, route) = (Arc::clone(&call), Arc::clone(&route));
        Box::pin(async move {
            let Wire { records } = serde_json::from_str(event.text()).map_err(|error| {
                Problem::bad_request("expected records of Firehose").caused_by(&error)
            })?;
            let mut results = Vec::with_capacity(records.len());
            for (index, record) in records.into_iter().enumerate() {
                let deadline = invocation.deadline();
                let WireRecord { record_id: id, data, approximate_arrival_timestamp } = record;
                let transformed = match STANDARD.decode(&data) {
                    // There is no time left: Firehose gets the results so far, and the rest as failed.
                    Ok(_) if deadline.remaining() < Deadline::LEAST => Err(DeadlineExceeded.into()),
                    Ok(data) => {
                        let arrived_at = approximate_arrival_timestamp;
                        let record = FirehoseRecord { id: id.clone(), data, arrived_at };
                        bounded(deadline, call(invocation.clone(), record)).await
                    }
                    Err(_) => Err(Problem::bad_request("expected data in base64")),
                };
                if let Err(problem) = &transformed {
                    log::failed_record(&id, index, Some(&route), problem);
                }
                results.push(result(id, data, transformed.ok()));
            }
            Ok(to_raw_value(&Results { records: results })?)
        })
    });
    let takes = Box::new(move |event: &Event| {
        event.kind() == Kind::Firehose && is_of(&pattern, event.text())
    });
    EventRoute { name, takes, call: all }
}

fn result(record_id: String, data: String, transformed: Option<Transformed>) -> OneResult {
    let (result, data, metadata) = match transformed {
        None => ("ProcessingFailed", data, None),
        Some(Transformed::Dropped) => ("Dropped", data, None),
        Some(Transformed::Data(data)) => ("Ok", STANDARD.encode(data), None),
        Some(Transformed::Partitioned(data, partition_keys)) => {
            ("Ok", STANDARD.encode(data), Some(Metadata { partition_keys }))
        }
    };
    OneResult { record_id, result, data, metadata }
}

/// Whether the event comes from a delivery stream with this name. A name may end in `*`.
fn is_of(pattern: &str, event: &str) -> bool {
    let arn = super::record::string_at(event, &["deliveryStreamArn"]).unwrap_or_default();
    let name = arn.split(":deliverystream/").nth(1).unwrap_or_default();
    match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == pattern,
    }
}
