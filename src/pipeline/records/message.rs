use serde::de::DeserializeOwned;

use crate::pipeline::records::firehose::FirehoseRecord;
use crate::pipeline::records::handler::FromRecord;
use crate::pipeline::records::kafka::KafkaRecord;
use crate::pipeline::records::kinesis::KinesisRecord;
use crate::pipeline::records::record::Record;
use crate::pipeline::records::sns::SnsRecord;
use crate::pipeline::records::sqs::SqsRecord;
use crate::problem::Problem;

/// A message of SQS, SNS, Kinesis, Kafka or Firehose whose body is JSON of the type `T`.
///
/// # Examples
///
/// ```
/// use funcify::{pipeline::{Message, Pipeline, Problem}, testing::TestEvent};
///
/// #[derive(serde::Deserialize)]
/// struct Order {
///     quantity: u32,
/// }
///
/// async fn on_order(order: Message<Order>) -> Result<(), Problem> {
///     match order.body.quantity {
///         0 => Err(Problem::bad_request("expected a quantity")),
///         _ => Ok(()),
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let pipeline = Pipeline::builder(()).sqs("orders", on_order).build()?;
/// let batch = TestEvent::sqs("orders")
///     .record("first", r#"{"quantity":2}"#)
///     .record("second", r#"{"quantity":0}"#)
///     .record("third", "invalid JSON");
/// assert_eq!(batch.send(&pipeline).await?.failures(), ["second", "third"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Message<T> {
    /// The identifier that the source gave to the message: the message id of SQS and SNS, the sequence number
    /// of Kinesis, `topic-partition@offset` of Kafka, the record id of Firehose.
    pub id: String,
    /// The parsed body. The tombstone of a Kafka record is parsed as `null`.
    pub body: T,
}

impl<T: DeserializeOwned> Message<T> {
    fn parse(id: String, body: &[u8]) -> Result<Self, Problem> {
        let body = serde_json::from_slice(body)
            .map_err(|error| Problem::bad_request("expected a JSON message").caused_by(&error))?;
        Ok(Self { id, body })
    }
}

impl<T: DeserializeOwned + Send> FromRecord<SqsRecord> for Message<T> {
    fn from_record(record: SqsRecord) -> Result<Self, Problem> {
        Self::parse(record.id, record.body.as_bytes())
    }
}

impl<T: DeserializeOwned + Send> FromRecord<SnsRecord> for Message<T> {
    fn from_record(record: SnsRecord) -> Result<Self, Problem> {
        Self::parse(record.id, record.message.as_bytes())
    }
}

impl<T: DeserializeOwned + Send> FromRecord<KafkaRecord> for Message<T> {
    fn from_record(record: KafkaRecord) -> Result<Self, Problem> {
        let id = record.id().to_owned();
        Self::parse(id, record.value.as_deref().unwrap_or(b"null"))
    }
}

impl<T: DeserializeOwned + Send> FromRecord<FirehoseRecord> for Message<T> {
    fn from_record(record: FirehoseRecord) -> Result<Self, Problem> {
        Self::parse(record.id, &record.data)
    }
}

impl<T: DeserializeOwned + Send> FromRecord<KinesisRecord> for Message<T> {
    fn from_record(record: KinesisRecord) -> Result<Self, Problem> {
        Self::parse(record.sequence_number, &record.data)
    }
}
