use std::{collections::BTreeMap, fmt};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use crate::json::JsonError;
use crate::pipeline::event::Event;
use crate::pipeline::event::members::Top;
use crate::pipeline::records::handler::FromRecord;
use crate::pipeline::records::idempotent::{Redelivered, content};
use crate::pipeline::records::raw_json::RawJson;
use crate::pipeline::records::record::{Identity, Record, Records};
use crate::pipeline::records::text::RecordText;
use crate::problem::Problem;

/// A record of a Kafka topic, from Amazon MSK or a cluster of your own. See
/// [`PipelineBuilder::kafka`](crate::pipeline::PipelineBuilder::kafka) for an example.
#[derive(Clone, Deserialize)]
#[serde(try_from = "Wire")]
#[non_exhaustive]
pub struct KafkaRecord {
    /// The topic of the record.
    pub topic: String,
    /// The partition of the topic.
    pub partition: i32,
    /// The position of the record in the partition.
    pub offset: i64,
    /// When the record was created or appended, in milliseconds since the Unix epoch.
    pub timestamp: Option<i64>,
    /// The key, decoded from base64. `None` if the record has no key.
    pub key: Option<Vec<u8>>,
    /// The value, decoded from base64. `None` is a tombstone: the key was deleted.
    pub value: Option<Vec<u8>>,
    /// The headers. A name may occur more than once.
    pub headers: Vec<(String, Vec<u8>)>,
    /// `topic-partition@offset`.
    id: String,
    text: RecordText,
}

impl RawJson for KafkaRecord {
    fn raw(&self) -> &str {
        self.text.as_str()
    }
}

#[derive(Deserialize)]
struct Wire {
    topic: String,
    partition: i32,
    offset: i64,
    timestamp: Option<i64>,
    key: Option<String>,
    value: Option<String>,
    #[serde(default)]
    headers: Option<Vec<BTreeMap<String, Vec<i16>>>>,
}

impl TryFrom<Wire> for KafkaRecord {
    type Error = &'static str;

    fn try_from(wire: Wire) -> Result<Self, &'static str> {
        let decode = |text: Option<String>| {
            let bytes = text.map(|text| STANDARD.decode(text)).transpose();
            bytes.map_err(|_| "expected base64")
        };
        let headers = wire.headers.unwrap_or_default().into_iter().flatten();
        let headers = headers.map(|(name, bytes)| (name, bytes.into_iter().map(byte).collect()));
        Ok(Self {
            id: id(&wire.topic, wire.partition, wire.offset),
            topic: wire.topic,
            partition: wire.partition,
            offset: wire.offset,
            timestamp: wire.timestamp,
            key: decode(wire.key)?,
            value: decode(wire.value)?,
            headers: headers.collect(),
            text: RecordText::default(),
        })
    }
}

/// A byte of a header. Lambda writes the signed bytes of Java, from -128 to 127.
fn byte(number: i16) -> u8 {
    let [_, low] = number.to_be_bytes();
    low
}

/// The identifier `topic-partition@offset`. The output splits it into its parts again.
fn id(topic: &str, partition: i32, offset: i64) -> String {
    format!("{topic}-{partition}@{offset}")
}

/// Leaves out the key, the value and the headers.
impl fmt::Debug for KafkaRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaRecord")
            .field("topic", &self.topic)
            .field("partition", &self.partition)
            .field("offset", &self.offset)
            .finish_non_exhaustive()
    }
}

impl Record for KafkaRecord {
    const ROUTE: &'static str = "kafka";
    const HAS_ARN: bool = false;
    const CAN_BE_CONCURRENT: bool = true;

    fn name(&self) -> &str {
        &self.topic
    }

    fn id(&self) -> &str {
        &self.id
    }

    fn arn(&self) -> &str {
        ""
    }

    /// The partition, whose records are handled in order.
    fn group(&self) -> Option<&str> {
        self.id.rsplit_once('@').map(|(partition, _)| partition)
    }

    fn keep(&mut self, text: RecordText) {
        self.text = text;
    }

    /// The event has a list of records for each partition.
    fn records(event: &Event) -> Result<Records<'_>, JsonError> {
        let partitions = event.top(Top::RecordsByPartition).unwrap_or("{}");
        let partitions: BTreeMap<String, Vec<&RawValue>> = serde_json::from_str(partitions)?;
        Ok(Records::Each(partitions.into_values().flatten().map(RawValue::get).collect()))
    }

    fn identity_of_malformed(json: &str) -> Identity {
        #[derive(Deserialize)]
        struct Position {
            topic: String,
            partition: i32,
            offset: i64,
        }
        let Ok(Position { topic, partition, offset }) = serde_json::from_str(json) else {
            return Identity { is_ordered: true, ..Identity::default() };
        };
        let group = Some(format!("{topic}-{partition}"));
        Identity { id: id(&topic, partition, offset), group, is_ordered: true }
    }
}

impl Redelivered for KafkaRecord {
    /// The identity does not name the cluster: topics with one name in two clusters share their positions.
    fn own_id(&self) -> Vec<&str> {
        vec![Self::ROUTE, &self.id]
    }

    fn content(&self) -> Value {
        json!([self.key.as_deref().map(content), self.value.as_deref().map(content)])
    }
}

impl FromRecord<Self> for KafkaRecord {
    fn from_record(record: Self) -> Result<Self, Problem> {
        Ok(record)
    }
}
