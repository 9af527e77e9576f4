use std::fmt;

/// What sent an event, and which envelopes it contains.
///
/// The kind follows from the shape of the event, and never from the content of a request. `sqs<s3` is an
/// SQS message that contains an S3 notification. Only a route made with [`via`](crate::pipeline::via) opens
/// such an envelope. `Display` writes the name that logs show.
///
/// # Examples
///
/// ```
/// use funcify::pipeline::{Event, Kind};
///
/// let text = r#"{"detail-type":"Order Placed","source":"shop","detail":{}}"#;
/// let event: Event = text.parse()?;
/// assert_eq!(event.kind(), Kind::EventBridge);
/// assert_eq!(event.kind().to_string(), "eventbridge");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// An API Gateway REST API.
    RestV1,
    /// An API Gateway HTTP API with the payload format 1.0.
    HttpV1Payload,
    /// An API Gateway HTTP API with the payload format 2.0.
    HttpV2,
    /// A Lambda function URL.
    FunctionUrl,
    /// An API Gateway WebSocket API.
    WebSocket,
    /// An Application Load Balancer.
    Alb,
    /// VPC Lattice, event structure version 1.
    VpcLatticeV1,
    /// VPC Lattice, event structure version 2.
    VpcLatticeV2,
    /// A question of API Gateway to a Lambda authorizer. It is never routed as a request.
    Authorizer,
    /// Notifications of S3.
    S3,
    /// The message that S3 sends when somebody configures notifications.
    S3TestEvent,
    /// Messages of an SQS queue.
    Sqs,
    /// SQS messages that contain S3 notifications.
    SqsS3,
    /// SQS messages that contain SNS notifications.
    SqsSns,
    /// SQS messages that contain SNS notifications that contain S3 notifications.
    SqsSnsS3,
    /// SQS messages that contain EventBridge events.
    SqsEventBridge,
    /// Notifications of an SNS topic.
    Sns,
    /// SNS notifications that contain S3 notifications.
    SnsS3,
    /// An event of an EventBridge bus or schedule.
    EventBridge,
    /// An S3 event of the default EventBridge bus.
    EventBridgeS3,
    /// Records of a DynamoDB stream.
    DynamoDbStream,
    /// Records of a Kinesis stream.
    Kinesis,
    /// Any other event: a direct invocation, Cognito, Kafka.
    Unknown,
}

impl Kind {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::RestV1 => "apigw-rest-v1",
            Self::HttpV1Payload => "apigw-http-v1-payload",
            Self::HttpV2 => "apigw-http-v2",
            Self::FunctionUrl => "function-url",
            Self::WebSocket => "websocket",
            Self::Alb => "alb",
            Self::VpcLatticeV1 => "vpc-lattice-v1",
            Self::VpcLatticeV2 => "vpc-lattice-v2",
            Self::Authorizer => "authorizer",
            Self::S3 => "s3",
            Self::S3TestEvent => "s3-test-event",
            Self::Sqs => "sqs",
            Self::SqsS3 => "sqs<s3",
            Self::SqsSns => "sqs<sns",
            Self::SqsSnsS3 => "sqs<sns<s3",
            Self::SqsEventBridge => "sqs<eventbridge",
            Self::Sns => "sns",
            Self::SnsS3 => "sns<s3",
            Self::EventBridge => "eventbridge",
            Self::EventBridgeS3 => "eventbridge<s3",
            Self::DynamoDbStream => "dynamodb-stream",
            Self::Kinesis => "kinesis",
            Self::Unknown => "unknown",
        }
    }

    /// Whether an event of this kind is an HTTP request.
    pub(crate) const fn is_http(self) -> bool {
        matches!(
            self,
            Self::RestV1
                | Self::HttpV1Payload
                | Self::HttpV2
                | Self::FunctionUrl
                | Self::WebSocket
                | Self::Alb
                | Self::VpcLatticeV1
                | Self::VpcLatticeV2
        )
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
