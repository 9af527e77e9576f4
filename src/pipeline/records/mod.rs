//! What a handler gets to see of each source.

mod dynamodb;
mod eventbridge;
mod kinesis;
mod message;
mod s3;
mod sns;
mod sqs;
mod unmatched;
mod via;

pub use dynamodb::DynamoDbRecord;
pub use eventbridge::EventBridgeEvent;
pub use kinesis::KinesisRecord;
pub use message::Message;
pub use s3::S3Object;
pub use sns::SnsRecord;
pub use sqs::SqsRecord;
pub use unmatched::Unmatched;
pub use via::{Payload, Via, via_eventbridge, via_s3, via_sns};

use serde::de::DeserializeOwned;

/// A record as its source delivers it: what routing and batches need to know of it.
pub(super) trait Record: DeserializeOwned + Send + 'static {
    /// The name that routes go by.
    fn name(&self) -> &str;

    /// What a partial batch response calls it.
    fn id(&self) -> &str {
        ""
    }

    /// The resource that it comes from.
    fn arn(&self) -> &str;

    /// Those of one group are handled in order, and no further than the first failure.
    fn group(&self) -> Option<&str> {
        None
    }
}

/// What stands after the last colon of an ARN.
fn resource(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap_or_default()
}

/// `Option` and its default alike for a member that is absent or `null`.
fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: serde::Deserialize<'de> + Default,
{
    Ok(<Option<T> as serde::Deserialize>::deserialize(deserializer)?.unwrap_or_default())
}
