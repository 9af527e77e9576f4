//! Everything that is not HTTP: the records of each source, and how they get to their handlers.

pub(super) mod authorizer;
mod batch;
pub(super) mod custom_resource;
pub(super) mod dispatch;
pub(super) mod dynamodb;
pub(super) mod eventbridge;
pub(super) mod firehose;
pub(super) mod handler;
mod idempotent;
pub(super) mod kafka;
pub(super) mod kinesis;
pub(super) mod log_events;
pub(super) mod message;
mod parsed;
mod payload;
pub(super) mod raw_json;
pub(super) mod record;
mod report;
mod restriction;
pub(super) mod route;
pub(super) mod routes;
pub(super) mod s3;
pub(super) mod sns;
pub(super) mod sqs;
mod text;
pub(super) mod unmatched;
pub(super) mod via;
pub(super) mod window;

pub use authorizer::{AuthorizerRequest, Decision};
pub use dynamodb::DynamoDbRecord;
pub use eventbridge::EventBridgeEvent;
pub use firehose::{FirehoseRecord, Transformed};
pub use kafka::KafkaRecord;
pub use kinesis::KinesisRecord;
pub use log_events::{CloudWatchLogs, LogEvent};
pub use message::Message;
pub use raw_json::RawJson;
pub use route::{Route, route};
pub use s3::S3Object;
pub use sns::SnsRecord;
pub use sqs::SqsRecord;
pub use unmatched::Unmatched;
pub use via::via;
pub use window::{Window, windowed};

/// Calls a macro with the field and the record type of each source of records. A new source is added here and
/// above.
macro_rules! record_sources {
    ($with:ident) => {
        $with! {
            s3: $crate::pipeline::S3Object,
            sqs: $crate::pipeline::SqsRecord,
            sns: $crate::pipeline::SnsRecord,
            eventbridge: $crate::pipeline::EventBridgeEvent,
            dynamodb: $crate::pipeline::DynamoDbRecord,
            kinesis: $crate::pipeline::KinesisRecord,
            kafka: $crate::pipeline::KafkaRecord,
        }
    };
}
pub(in crate::pipeline) use record_sources;
