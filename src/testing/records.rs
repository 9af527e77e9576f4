use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::testing::TestEvent;

/// An object that was put into a bucket. `key` as the event has it: encoded.
#[must_use]
pub fn s3_put(bucket: &str, key: &str) -> TestEvent {
    s3(&[(bucket, key)])
}

/// Objects that were put into buckets, in one event. The keys as the event has them: encoded.
#[must_use]
pub fn s3(objects: &[(&str, &str)]) -> TestEvent {
    let record = |(bucket, key): &(&str, &str)| {
        json!({
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "awsRegion": "eu-west-1",
            "eventTime": "2024-05-01T12:00:00.000Z",
            "eventName": "ObjectCreated:Put",
            "s3": {
                "s3SchemaVersion": "1.0",
                "bucket": { "name": bucket, "arn": format!("arn:aws:s3:::{bucket}") },
                "object": {
                    "key": key,
                    "size": 1024,
                    "eTag": "0123456789abcdef0123456789abcdef",
                    "sequencer": "0A1B2C3D4E5F678901",
                },
            },
        })
    };
    TestEvent::new(json!({ "Records": objects.iter().map(record).collect::<Vec<_>>() }))
}

/// What S3 sends when notifications of a bucket are set up.
#[must_use]
pub fn s3_test_event(bucket: &str) -> TestEvent {
    TestEvent::new(json!({
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Time": "2024-05-01T12:00:00.000Z",
        "Bucket": bucket,
        "RequestId": "5582815E1AEA5ADF",
        "HostId": "8cLeGAmw098X5cv4Zkwcmo8vvZa3eH3eKxsPzbB9wrR",
    }))
}

/// A notification of a topic.
#[must_use]
pub fn sns(topic: &str, message: impl Into<String>) -> TestEvent {
    TestEvent::new(json!({ "Records": [{
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": format!("arn:aws:sns:eu-west-1:123456789012:{topic}:1"),
        "Sns": {
            "Type": "Notification",
            "MessageId": "95df01b4-ee98-5cb9-9903-4c221d41eb5e",
            "TopicArn": format!("arn:aws:sns:eu-west-1:123456789012:{topic}"),
            "Subject": null,
            "Message": message.into(),
            "Timestamp": "2024-05-01T12:00:00.000Z",
            "MessageAttributes": {},
        },
    }] }))
}

/// An event of the default bus.
#[must_use]
pub fn eventbridge(source: &str, detail_type: &str, detail: Value) -> TestEvent {
    TestEvent::new(json!({
        "version": "0",
        "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718",
        "detail-type": detail_type,
        "source": source,
        "account": "123456789012",
        "time": "2024-05-01T12:00:00Z",
        "region": "eu-west-1",
        "resources": [],
        "detail": detail,
    }))
}

/// A batch of a queue.
#[derive(Clone, Debug)]
#[must_use]
pub struct SqsEvent {
    queue: String,
    messages: Vec<Value>,
}

/// A batch of the queue with this name; one that ends in `.fifo` keeps an order.
pub fn sqs(queue: &str) -> SqsEvent {
    SqsEvent { queue: queue.to_owned(), messages: Vec::new() }
}

impl SqsEvent {
    /// Adds a message.
    pub fn message(self, id: &str, body: impl Into<String>) -> Self {
        self.push(id, body.into(), json!({ "ApproximateReceiveCount": "1" }))
    }

    /// Adds a message of a group.
    pub fn grouped(self, id: &str, group: &str, body: impl Into<String>) -> Self {
        self.push(id, body.into(), json!({ "MessageGroupId": group }))
    }

    fn push(mut self, id: &str, body: String, attributes: Value) -> Self {
        self.messages.push(json!({
            "messageId": id,
            "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a",
            "body": body,
            "attributes": attributes,
            "messageAttributes": {},
            "eventSource": "aws:sqs",
            "eventSourceARN": format!("arn:aws:sqs:eu-west-1:123456789012:{}", self.queue),
            "awsRegion": "eu-west-1",
        }));
        self
    }

    /// The complete event.
    #[must_use]
    pub fn build(&self) -> TestEvent {
        TestEvent::new(json!({ "Records": self.messages }))
    }
}

/// Records of a stream.
#[derive(Clone, Debug)]
#[must_use]
pub struct StreamEvent {
    arn: String,
    is_table: bool,
    records: Vec<Value>,
}

/// Records of the Kinesis stream with this name.
pub fn kinesis(stream: &str) -> StreamEvent {
    let arn = format!("arn:aws:kinesis:eu-west-1:123456789012:stream/{stream}");
    StreamEvent { arn, is_table: false, records: Vec::new() }
}

/// Changes of the DynamoDB table with this name.
pub fn dynamodb_stream(table: &str) -> StreamEvent {
    let arn = format!(
        "arn:aws:dynamodb:eu-west-1:123456789012:table/{table}/stream/2024-05-01T00:00:00.000"
    );
    StreamEvent { arn, is_table: true, records: Vec::new() }
}

impl StreamEvent {
    /// Adds a record: its place in the shard, and its data, of a table the new value of the
    /// attribute `value`.
    pub fn record(mut self, sequence_number: &str, data: &str) -> Self {
        self.records.push(if self.is_table {
            json!({
                "eventID": "1",
                "eventName": "INSERT",
                "eventSource": "aws:dynamodb",
                "eventSourceARN": self.arn,
                "dynamodb": {
                    "Keys": { "pk": { "S": data } },
                    "NewImage": { "pk": { "S": data }, "value": { "S": data } },
                    "SequenceNumber": sequence_number,
                    "StreamViewType": "NEW_AND_OLD_IMAGES",
                },
            })
        } else {
            json!({
                "eventID": format!("shardId-000000000006:{sequence_number}"),
                "eventName": "aws:kinesis:record",
                "eventSource": "aws:kinesis",
                "eventSourceARN": self.arn,
                "kinesis": {
                    "kinesisSchemaVersion": "1.0",
                    "partitionKey": "1",
                    "sequenceNumber": sequence_number,
                    "data": STANDARD.encode(data),
                    "approximateArrivalTimestamp": 1_714_564_800.0,
                },
            })
        });
        self
    }

    /// The complete event.
    #[must_use]
    pub fn build(&self) -> TestEvent {
        TestEvent::new(json!({ "Records": self.records }))
    }
}
