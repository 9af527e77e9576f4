use std::fmt;

use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use crate::pipeline::records::handler::FromRecord;
use crate::pipeline::records::idempotent::{Redelivered, content};
use crate::pipeline::records::raw_json::RawJson;
use crate::pipeline::records::record::{Record, resource};
use crate::pipeline::records::text::RecordText;
use crate::problem::Problem;

/// A notification of an SNS topic. See [`PipelineBuilder::sns`](crate::pipeline::PipelineBuilder::sns) for an
/// example.
#[derive(Clone, Deserialize)]
#[serde(from = "Wire")]
#[non_exhaustive]
pub struct SnsRecord {
    /// The identifier of the notification.
    pub id: String,
    /// The ARN of the topic.
    pub topic_arn: String,
    /// The subject, if the sender gave one.
    pub subject: Option<String>,
    /// The text of the message.
    pub message: String,
    /// When the message was published, in the format of SNS: `2024-05-01T12:00:00.000Z`.
    pub timestamp: Option<String>,
    /// The message attributes that the sender gave, as JSON.
    pub message_attributes: Option<Box<RawValue>>,
    text: RecordText,
}

impl RawJson for SnsRecord {
    fn raw(&self) -> &str {
        self.text.as_str()
    }
}

/// A record of the event, which contains the notification.
#[derive(Deserialize)]
struct Wire {
    #[serde(rename = "Sns")]
    sns: Notification,
}

/// A notification in the format of SNS. A queue that subscribes to the topic gets the same format.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Notification {
    message_id: String,
    topic_arn: String,
    subject: Option<String>,
    message: String,
    timestamp: Option<String>,
    message_attributes: Option<Box<RawValue>>,
}

impl From<Wire> for SnsRecord {
    fn from(wire: Wire) -> Self {
        wire.sns.into()
    }
}

impl From<Notification> for SnsRecord {
    fn from(sns: Notification) -> Self {
        Self {
            id: sns.message_id,
            topic_arn: sns.topic_arn,
            subject: sns.subject,
            message: sns.message,
            timestamp: sns.timestamp,
            message_attributes: sns.message_attributes,
            text: RecordText::default(),
        }
    }
}

/// Leaves out the message.
impl fmt::Debug for SnsRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnsRecord")
            .field("id", &self.id)
            .field("topic_arn", &self.topic_arn)
            .finish_non_exhaustive()
    }
}

impl Record for SnsRecord {
    const ROUTE: &'static str = "sns";

    fn keep(&mut self, text: RecordText) {
        self.text = text;
    }

    fn name(&self) -> &str {
        resource(&self.topic_arn)
    }

    fn arn(&self) -> &str {
        &self.topic_arn
    }
}

impl Redelivered for SnsRecord {
    fn own_id(&self) -> Vec<&str> {
        vec![Self::ROUTE, &self.id]
    }

    fn content(&self) -> Value {
        content(self.message.as_bytes())
    }
}

impl FromRecord<Self> for SnsRecord {
    fn from_record(record: Self) -> Result<Self, Problem> {
        Ok(record)
    }
}
