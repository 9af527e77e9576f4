//! What a handler gets to see of each source.

mod batch;
pub(super) mod dispatch;
mod dynamodb;
mod eventbridge;
mod handler;
mod kinesis;
mod message;
mod parsed;
pub(super) mod routes;
mod s3;
mod sns;
mod sqs;
mod unmatched;
mod via;

pub use dynamodb::DynamoDbRecord;
pub use eventbridge::EventBridgeEvent;
pub use handler::{FromRecord, RecordHandler};
pub use kinesis::KinesisRecord;
pub use message::Message;
pub use s3::S3Object;
pub use sns::SnsRecord;
pub use sqs::SqsRecord;
pub use unmatched::Unmatched;
pub use via::{Payload, Via, via_eventbridge, via_s3, via_sns};

use serde::de::DeserializeOwned;

use crate::json::scan::members;

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

    /// What can be told of a record that is none; nothing where the source takes no report.
    fn remains(_json: &str) -> Remains {
        Remains::default()
    }
}

/// What is left of a record that is none.
#[derive(Debug, Default)]
pub(super) struct Remains {
    /// What a partial batch response calls it; empty if that cannot be told.
    pub(super) id: String,
    /// The group in whose order it stands, if that can be told.
    pub(super) group: Option<String>,
    /// Whether it comes from a source that keeps an order.
    pub(super) is_ordered: bool,
}

/// The text that stands at `path` in an object, if all of them are what they should be.
fn text_at(json: &str, path: &[&str]) -> Option<String> {
    let Some((name, rest)) = path.split_first() else {
        return serde_json::from_str(json).ok();
    };
    let [member] = members(json, |member| (member == *name).then_some(0)).ok()?;
    text_at(member?, rest)
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
