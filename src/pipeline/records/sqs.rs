use std::{collections::BTreeMap, fmt};

use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use crate::pipeline::records::handler::FromRecord;
use crate::pipeline::records::idempotent::{Redelivered, content};
use crate::pipeline::records::raw_json::RawJson;
use crate::pipeline::records::record::{Identity, Record, or_default, resource, string_at};
use crate::pipeline::records::text::RecordText;
use crate::problem::Problem;

/// A message of an SQS queue. See [`PipelineBuilder::sqs`](crate::pipeline::PipelineBuilder::sqs) for an
/// example, and [`Message`](crate::pipeline::Message) for a body that is JSON.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SqsRecord {
    /// The message id.
    #[serde(rename = "messageId")]
    pub id: String,
    /// The handle of this delivery for calls of the SQS API, such as a change of the visibility timeout.
    #[serde(default, deserialize_with = "or_default")]
    pub receipt_handle: String,
    /// The body of the message.
    #[serde(default, deserialize_with = "or_default")]
    pub body: String,
    /// The attributes that SQS gave to the message: `ApproximateReceiveCount`, `MessageGroupId` and others.
    #[serde(default, deserialize_with = "or_default")]
    pub attributes: BTreeMap<String, String>,
    /// The message attributes that the sender gave, as JSON.
    #[serde(default)]
    pub message_attributes: Option<Box<RawValue>>,
    /// The ARN of the queue.
    #[serde(rename = "eventSourceARN")]
    pub queue_arn: String,
    #[serde(skip)]
    text: RecordText,
}

impl RawJson for SqsRecord {
    fn raw(&self) -> &str {
        self.text.as_str()
    }
}

impl SqsRecord {
    /// Whether the queue keeps the order of its messages.
    fn is_fifo(&self) -> bool {
        self.queue_arn.ends_with(".fifo")
    }
}

/// Leaves out the body, and the handle, with which the message can be deleted.
impl fmt::Debug for SqsRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqsRecord")
            .field("id", &self.id)
            .field("queue_arn", &self.queue_arn)
            .finish_non_exhaustive()
    }
}

impl Record for SqsRecord {
    const ROUTE: &'static str = "sqs";
    const CAN_BE_CONCURRENT: bool = true;

    fn keep(&mut self, text: RecordText) {
        self.text = text;
    }

    fn name(&self) -> &str {
        resource(&self.queue_arn)
    }

    fn id(&self) -> &str {
        &self.id
    }

    fn arn(&self) -> &str {
        &self.queue_arn
    }

    fn group(&self) -> Option<&str> {
        // SQS delivers every FIFO message with a group. Messages without one would form a group together.
        let group = || self.attributes.get("MessageGroupId").map_or("", String::as_str);
        self.is_fifo().then(group)
    }

    fn identity_of_malformed(json: &str) -> Identity {
        let queue = string_at(json, &["eventSourceARN"]);
        Identity {
            id: string_at(json, &["messageId"]).unwrap_or_default(),
            group: string_at(json, &["attributes", "MessageGroupId"]),
            is_ordered: queue.is_some_and(|queue| queue.ends_with(".fifo")),
        }
    }
}

impl Redelivered for SqsRecord {
    fn own_id(&self) -> Vec<&str> {
        vec![Self::ROUTE, &self.id]
    }

    fn content(&self) -> Value {
        content(self.body.as_bytes())
    }

    fn was_delivered_before(&self) -> bool {
        let count = self.attributes.get("ApproximateReceiveCount");
        count.and_then(|count| count.parse().ok()).is_some_and(|count: u32| count > 1)
    }
}

impl FromRecord<Self> for SqsRecord {
    fn from_record(record: Self) -> Result<Self, Problem> {
        Ok(record)
    }
}
