use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::pipeline::FromRecord;
use crate::pipeline::records::{Record, Remains, text_at};
use crate::problem::Problem;

/// A change of an item of a DynamoDB table, with the items as DynamoDB writes them: typed JSON,
/// `{"pk":{"S":"…"}}`.
#[derive(Clone, Deserialize)]
#[serde(from = "Wire")]
#[non_exhaustive]
pub struct DynamoDbRecord {
    /// `INSERT`, `MODIFY` or `REMOVE`.
    pub event_name: String,
    /// The record's place in its shard.
    pub sequence_number: String,
    /// The key of the item.
    pub keys: Option<Box<RawValue>>,
    /// The item afterwards, where the stream carries it.
    pub new_image: Option<Box<RawValue>>,
    /// The item before, where the stream carries it.
    pub old_image: Option<Box<RawValue>>,
    /// The stream.
    pub stream_arn: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    event_name: String,
    dynamodb: Change,
    #[serde(rename = "eventSourceARN")]
    arn: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Change {
    sequence_number: String,
    keys: Option<Box<RawValue>>,
    new_image: Option<Box<RawValue>>,
    old_image: Option<Box<RawValue>>,
}

impl From<Wire> for DynamoDbRecord {
    fn from(Wire { event_name, dynamodb, arn }: Wire) -> Self {
        Self {
            event_name,
            sequence_number: dynamodb.sequence_number,
            keys: dynamodb.keys,
            new_image: dynamodb.new_image,
            old_image: dynamodb.old_image,
            stream_arn: arn,
        }
    }
}

/// Without the item.
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
    /// The table's name: `…:table/NAME/stream/…`.
    fn name(&self) -> &str {
        let table = self.stream_arn.split(":table/").nth(1).unwrap_or_default();
        table.split('/').next().unwrap_or_default()
    }

    fn id(&self) -> &str {
        &self.sequence_number
    }

    fn arn(&self) -> &str {
        &self.stream_arn
    }

    fn remains(json: &str) -> Remains {
        let id = text_at(json, &["dynamodb", "SequenceNumber"]).unwrap_or_default();
        Remains { id, ..Remains::default() }
    }
}

impl FromRecord<Self> for DynamoDbRecord {
    fn from_record(record: Self) -> Result<Self, Problem> {
        Ok(record)
    }
}
