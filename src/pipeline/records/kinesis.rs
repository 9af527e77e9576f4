use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, de::Error};
use serde_json::Value;

use crate::json::text::Text;
use crate::pipeline::records::handler::FromRecord;
use crate::pipeline::records::idempotent::{Redelivered, content};
use crate::pipeline::records::raw_json::RawJson;
use crate::pipeline::records::record::{Identity, Record, resource, string_at};
use crate::pipeline::records::text::RecordText;
use crate::problem::Problem;

/// A record of a Kinesis stream. See [`PipelineBuilder::kinesis`](crate::pipeline::PipelineBuilder::kinesis)
/// for an example.
#[derive(Clone, Deserialize)]
#[serde(from = "Wire")]
#[non_exhaustive]
pub struct KinesisRecord {
    /// The position of the record in its shard.
    pub sequence_number: String,
    /// The key that determined the shard.
    pub partition_key: String,
    /// The data, decoded from base64.
    pub data: Vec<u8>,
    /// About when the record arrived, in seconds since the Unix epoch.
    pub arrived_at: Option<f64>,
    /// The ARN of the stream, or of a consumer of the stream.
    pub stream_arn: String,
    text: RecordText,
}

impl RawJson for KinesisRecord {
    fn raw(&self) -> &str {
        self.text.as_str()
    }
}

#[derive(Deserialize)]
struct Wire {
    kinesis: Inner,
    #[serde(rename = "eventSourceARN")]
    arn: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Inner {
    sequence_number: String,
    partition_key: String,
    #[serde(deserialize_with = "base64")]
    data: Vec<u8>,
    approximate_arrival_timestamp: Option<f64>,
}

fn base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = Text::deserialize(deserializer)?;
    STANDARD.decode(&*text).map_err(|_| D::Error::custom("expected base64"))
}

impl From<Wire> for KinesisRecord {
    fn from(Wire { kinesis, arn }: Wire) -> Self {
        Self {
            sequence_number: kinesis.sequence_number,
            partition_key: kinesis.partition_key,
            data: kinesis.data,
            arrived_at: kinesis.approximate_arrival_timestamp,
            stream_arn: arn,
            text: RecordText::default(),
        }
    }
}

/// Leaves out the data, and the partition key, which may be personal data.
impl fmt::Debug for KinesisRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KinesisRecord")
            .field("sequence_number", &self.sequence_number)
            .field("stream_arn", &self.stream_arn)
            .finish_non_exhaustive()
    }
}

impl Record for KinesisRecord {
    const ROUTE: &'static str = "kinesis";
    const HAS_WINDOWS: bool = true;

    fn keep(&mut self, text: RecordText) {
        self.text = text;
    }

    fn name(&self) -> &str {
        Self::name_of(&self.stream_arn)
    }

    /// The name of the stream: `…:stream/NAME`, or `…:stream/NAME/consumer/…`.
    fn name_of(arn: &str) -> &str {
        let path = arn.split(":stream/").nth(1).unwrap_or_else(|| resource(arn));
        path.split('/').next().unwrap_or_default()
    }

    fn id(&self) -> &str {
        &self.sequence_number
    }

    fn arn(&self) -> &str {
        &self.stream_arn
    }

    fn identity_of_malformed(json: &str) -> Identity {
        let id = string_at(json, &["kinesis", "sequenceNumber"]).unwrap_or_default();
        Identity { id, ..Identity::default() }
    }
}

impl Redelivered for KinesisRecord {
    /// A sequence number is unique for its partition key. The ARN is that of the stream, because the stream
    /// and its consumers deliver the same records.
    fn own_id(&self) -> Vec<&str> {
        let stream = self.stream_arn.split("/consumer/").next().unwrap_or_default();
        vec![Self::ROUTE, stream, &self.partition_key, &self.sequence_number]
    }

    fn content(&self) -> Value {
        content(&self.data)
    }
}

impl FromRecord<Self> for KinesisRecord {
    fn from_record(record: Self) -> Result<Self, Problem> {
        Ok(record)
    }
}
