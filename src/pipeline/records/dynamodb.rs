use std::fmt;

use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use crate::pipeline::records::handler::FromRecord;
use crate::pipeline::records::idempotent::{Redelivered, content};
use crate::pipeline::records::raw_json::RawJson;
use crate::pipeline::records::record::{Identity, Record, or_default, string_at};
use crate::pipeline::records::text::RecordText;
use crate::problem::Problem;

/// A record of a DynamoDB stream: a change of an item.
///
/// The items are in DynamoDB JSON, in which each value has its type: `{"pk":{"S":"…"}}`. See
/// [`PipelineBuilder::dynamodb_stream`](crate::pipeline::PipelineBuilder::dynamodb_stream) for an example.
#[derive(Clone, Deserialize)]
#[serde(from = "Wire")]
#[non_exhaustive]
pub struct DynamoDbRecord {
    /// `INSERT`, `MODIFY` or `REMOVE`.
    pub event_name: String,
    /// The position of the record in its shard.
    pub sequence_number: String,
    /// The key of the item, as DynamoDB JSON.
    pub keys: Option<Box<RawValue>>,
    /// The item after the change, as DynamoDB JSON. `None` if the item was removed or the stream does not
    /// contain new images.
    pub new_image: Option<Box<RawValue>>,
    /// The item before the change, as DynamoDB JSON. `None` if the item is new or the stream does not contain
    /// old images.
    pub old_image: Option<Box<RawValue>>,
    /// The ARN of the stream.
    pub stream_arn: String,
    /// The identifier of the record.
    pub event_id: String,
    /// Who made the change, as JSON, if a service did. DynamoDB itself
    /// (`{"type":"Service","principalId":"dynamodb.amazonaws.com"}`) deletes the items whose time to live is
    /// over.
    pub user_identity: Option<Box<RawValue>>,
    /// About when the change was made, in seconds since the Unix epoch.
    pub created_at: Option<f64>,
    text: RecordText,
}

impl RawJson for DynamoDbRecord {
    fn raw(&self) -> &str {
        self.text.as_str()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    event_name: String,
    dynamodb: Change,
    #[serde(rename = "eventSourceARN")]
    arn: String,
    #[serde(rename = "eventID", default, deserialize_with = "or_default")]
    event_id: String,
    user_identity: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Change {
    sequence_number: String,
    keys: Option<Box<RawValue>>,
    new_image: Option<Box<RawValue>>,
    old_image: Option<Box<RawValue>>,
    #[serde(rename = "ApproximateCreationDateTime")]
    created_at: Option<f64>,
}

impl From<Wire> for DynamoDbRecord {
    fn from(Wire { event_name, dynamodb, arn, event_id, user_identity }: Wire) -> Self {
        Self {
            event_name,
            sequence_number: dynamodb.sequence_number,
            keys: dynamodb.keys,
            new_image: dynamodb.new_image,
            old_image: dynamodb.old_image,
            stream_arn: arn,
            event_id,
            user_identity,
            created_at: dynamodb.created_at,
            text: RecordText::default(),
        }
    }
}

/// Leaves out the item.
impl fmt::Debug for DynamoDbRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamoDbRecord")
            .field("event_name", &self.event_name)
            .field("sequence_number", &self.sequence_number)
            .field("stream_arn", &self.stream_arn)
            .finish_non_exhaustive()
    }
}

impl Record for DynamoDbRecord {
    const ROUTE: &'static str = "dynamodb_stream";
    const HAS_WINDOWS: bool = true;

    fn keep(&mut self, text: RecordText) {
        self.text = text;
    }

    fn name(&self) -> &str {
        Self::name_of(&self.stream_arn)
    }

    /// The name of the table: `…:table/NAME/stream/…`.
    fn name_of(arn: &str) -> &str {
        let table = arn.split(":table/").nth(1).unwrap_or_default();
        table.split('/').next().unwrap_or_default()
    }

    fn id(&self) -> &str {
        &self.sequence_number
    }

    fn arn(&self) -> &str {
        &self.stream_arn
    }

    fn identity_of_malformed(json: &str) -> Identity {
        let id = string_at(json, &["dynamodb", "SequenceNumber"]).unwrap_or_default();
        Identity { id, ..Identity::default() }
    }
}

impl Redelivered for DynamoDbRecord {
    /// A sequence number is unique within its shard only.
    fn own_id(&self) -> Vec<&str> {
        let parts = [Self::ROUTE, &self.stream_arn, &self.sequence_number, &self.event_id];
        parts.into_iter().filter(|part| !part.is_empty()).collect()
    }

    fn content(&self) -> Value {
        let item =
            |item: &Option<Box<RawValue>>| item.as_ref().map(|item| content(item.get().as_bytes()));
        json!([self.event_name, item(&self.keys), item(&self.old_image), item(&self.new_image)])
    }
}

impl FromRecord<Self> for DynamoDbRecord {
    fn from_record(record: Self) -> Result<Self, Problem> {
        Ok(record)
    }
}
