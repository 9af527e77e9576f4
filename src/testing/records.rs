//! Events of the sources that deliver records.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

/// A batch of a queue or a stream.
#[derive(Clone, Debug)]
pub(super) struct Batch {
    source: BatchSource,
    arn: String,
    records: Vec<Value>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum BatchSource {
    Sqs,
    Kinesis,
    DynamoDb,
    Kafka,
    Firehose,
}

impl Batch {
    pub(super) fn new(source: BatchSource, name: &str) -> Self {
        let arn = match source {
            BatchSource::Sqs => format!("arn:aws:sqs:eu-west-1:123456789012:{name}"),
            BatchSource::Kinesis => format!("arn:aws:kinesis:eu-west-1:123456789012:stream/{name}"),
            BatchSource::DynamoDb => format!(
                "arn:aws:dynamodb:eu-west-1:123456789012:table/{name}/stream/2024-05-01T00:00:00.000"
            ),
            // A record of Kafka has no ARN, only the name of its topic.
            BatchSource::Kafka => name.to_owned(),
            BatchSource::Firehose => {
                format!("arn:aws:firehose:eu-west-1:123456789012:deliverystream/{name}")
            }
        };
        Self { source, arn, records: Vec::new() }
    }

    pub(super) fn push(&mut self, id: &str, data: &str) {
        self.records.push(match self.source {
            BatchSource::Sqs => json!({
                "messageId": id,
                "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a",
                "body": data,
                "attributes": { "ApproximateReceiveCount": "1" },
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": self.arn,
                "awsRegion": "eu-west-1",
            }),
            BatchSource::Kinesis => json!({
                "eventID": format!("shardId-000000000006:{id}"),
                "eventName": "aws:kinesis:record",
                "eventSource": "aws:kinesis",
                "eventSourceARN": self.arn,
                "kinesis": {
                    "kinesisSchemaVersion": "1.0",
                    "partitionKey": "1",
                    "sequenceNumber": id,
                    "data": STANDARD.encode(data),
                    "approximateArrivalTimestamp": 1_714_564_800.0,
                },
            }),
            BatchSource::DynamoDb => json!({
                "eventID": "1",
                "eventName": "INSERT",
                "eventSource": "aws:dynamodb",
                "eventSourceARN": self.arn,
                "dynamodb": {
                    "Keys": { "pk": { "S": data } },
                    "NewImage": { "pk": { "S": data }, "value": { "S": data } },
                    "SequenceNumber": id,
                    "StreamViewType": "NEW_AND_OLD_IMAGES",
                },
            }),
            BatchSource::Kafka => json!({
                "topic": self.arn,
                "partition": 0,
                "offset": id.parse::<i64>().unwrap_or_default(),
                "timestamp": 1_714_564_800_000_i64,
                "timestampType": "CREATE_TIME",
                "key": null,
                "value": STANDARD.encode(data),
                "headers": [{ "trace": [97, 98, -61, -68] }],
            }),
            BatchSource::Firehose => json!({
                "recordId": id,
                "approximateArrivalTimestamp": 1_714_564_800_000_i64,
                "data": STANDARD.encode(data),
            }),
        });
    }

    pub(super) fn event(&self) -> Value {
        match self.source {
            BatchSource::Kafka => json!({
                "eventSource": "aws:kafka",
                "eventSourceArn": "arn:aws:kafka:eu-west-1:123456789012:cluster/c/1",
                "bootstrapServers": "b-1.example.com:9092",
                "records": { format!("{}-0", self.arn): self.records },
            }),
            BatchSource::Firehose => json!({
                "invocationId": "invoked123",
                "deliveryStreamArn": self.arn,
                "region": "eu-west-1",
                "records": self.records,
            }),
            BatchSource::Sqs | BatchSource::Kinesis | BatchSource::DynamoDb => {
                json!({ "Records": self.records })
            }
        }
    }
}

pub(super) fn s3(bucket: &str, key: &str) -> Value {
    json!({ "Records": [{
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
    }] })
}

pub(super) fn sns(topic: &str, message: String) -> Value {
    json!({ "Records": [{
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": format!("arn:aws:sns:eu-west-1:123456789012:{topic}:1"),
        "Sns": {
            "Type": "Notification",
            "MessageId": "95df01b4-ee98-5cb9-9903-4c221d41eb5e",
            "TopicArn": format!("arn:aws:sns:eu-west-1:123456789012:{topic}"),
            "Subject": null,
            "Message": message,
            "Timestamp": "2024-05-01T12:00:00.000Z",
            "MessageAttributes": {},
        },
    }] })
}

pub(super) fn eventbridge(source: &str, detail_type: &str, detail: Value) -> Value {
    json!({
        "version": "0",
        "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718",
        "detail-type": detail_type,
        "source": source,
        "account": "123456789012",
        "time": "2024-05-01T12:00:00Z",
        "region": "eu-west-1",
        "resources": [],
        "detail": detail,
    })
}
