use std::{fmt, sync::Arc};

use crate::pipeline::records::eventbridge::EventBridgeEvent;
use crate::pipeline::records::handler::FromRecord;
use crate::pipeline::records::kinesis::KinesisRecord;
use crate::pipeline::records::raw_json::RawJson;
use crate::pipeline::records::sns::SnsRecord;
use crate::pipeline::records::sqs::SqsRecord;
use crate::problem::Problem;

/// The content of an envelope.
#[derive(Clone)]
pub struct Payload(pub(super) Arc<str>);

impl FromRecord<SqsRecord> for Payload {
    fn from_record(record: SqsRecord) -> Result<Self, Problem> {
        Ok(Self(record.body.into()))
    }
}

impl FromRecord<SnsRecord> for Payload {
    fn from_record(record: SnsRecord) -> Result<Self, Problem> {
        Ok(Self(record.message.into()))
    }
}

impl FromRecord<KinesisRecord> for Payload {
    fn from_record(record: KinesisRecord) -> Result<Self, Problem> {
        let text = String::from_utf8(record.data)
            .map_err(|error| Problem::bad_request("expected a record of text").caused_by(&error))?;
        Ok(Self(text.into()))
    }
}

impl FromRecord<EventBridgeEvent> for Payload {
    /// The whole event, because an S3 notification in the format of EventBridge needs more than the detail.
    fn from_record(event: EventBridgeEvent) -> Result<Self, Problem> {
        Ok(Self(event.raw().into()))
    }
}

/// Leaves out the payload.
impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Payload").finish_non_exhaustive()
    }
}
