use std::{collections::BTreeMap, fmt};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::pipeline::FromRecord;
use crate::pipeline::records::{Record, Remains, or_default, resource, text_at};
use crate::problem::Problem;

/// A message of an SQS queue, as it is delivered.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SqsRecord {
    /// The message's identifier.
    #[serde(rename = "messageId")]
    pub id: String,
    /// What deletes the message; funcify needs it not, a handler may to change the visibility.
    #[serde(default, deserialize_with = "or_default")]
    pub receipt_handle: String,
    /// The message.
    #[serde(default, deserialize_with = "or_default")]
    pub body: String,
    /// The queue's attributes of it: `ApproximateReceiveCount`, `MessageGroupId`, …
    #[serde(default, deserialize_with = "or_default")]
    pub attributes: BTreeMap<String, String>,
    /// The sender's attributes of it, as they came.
    #[serde(default)]
    pub message_attributes: Option<Box<RawValue>>,
    /// The queue.
    #[serde(rename = "eventSourceARN")]
    pub queue_arn: String,
}

impl SqsRecord {
    /// The queue's name.
    #[must_use]
    pub fn queue(&self) -> &str {
        resource(&self.queue_arn)
    }

    /// Whether the queue keeps an order.
    fn is_fifo(&self) -> bool {
        self.queue_arn.ends_with(".fifo")
    }
}

/// Without the message, and without the handle that deletes it.
impl fmt::Debug for SqsRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqsRecord")
            .field("id", &self.id)
            .field("queue_arn", &self.queue_arn)
            .finish_non_exhaustive()
    }
}

impl Record for SqsRecord {
    fn name(&self) -> &str {
        self.queue()
    }

    fn id(&self) -> &str {
        &self.id
    }

    fn arn(&self) -> &str {
        &self.queue_arn
    }

    fn group(&self) -> Option<&str> {
        // A FIFO message without a group cannot be; if it is, it is ordered with its like.
        let group = || self.attributes.get("MessageGroupId").map_or("", String::as_str);
        self.is_fifo().then(group)
    }

    fn remains(json: &str) -> Remains {
        let queue = text_at(json, &["eventSourceARN"]);
        Remains {
            id: text_at(json, &["messageId"]).unwrap_or_default(),
            group: text_at(json, &["attributes", "MessageGroupId"]),
            is_ordered: queue.is_some_and(|queue| queue.ends_with(".fifo")),
        }
    }
}

impl FromRecord<Self> for SqsRecord {
    fn from_record(record: Self) -> Result<Self, Problem> {
        Ok(record)
    }
}
