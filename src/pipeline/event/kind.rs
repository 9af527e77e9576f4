/// What sent an event, and which envelopes it contains.
///
/// The kind follows from the members of the event, and never from the content of a request. `Display` writes
/// the name that logs show. `sqs<s3` is the name for SQS messages that contain S3 notifications. Only a route
/// made with [`via`](crate::pipeline::via) opens such an envelope.
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
    /// A request of API Gateway or AppSync to a Lambda authorizer. It is never routed as an HTTP request.
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
    /// Records of Kafka: Amazon MSK or a cluster of your own.
    Kafka,
    /// Records that the function transforms for Firehose.
    Firehose,
    /// Log events of a CloudWatch Logs subscription.
    CloudWatchLogs,
    /// A trigger of a Cognito user pool.
    Cognito,
    /// A call of an AppSync resolver, or a list of calls.
    AppSync,
    /// A custom resource of CloudFormation.
    CloudFormation,
    /// A task of S3 Batch Operations.
    S3Batch,
    /// Messages of Amazon MQ: ActiveMQ or RabbitMQ.
    Mq,
    /// Changes of a DocumentDB collection.
    DocumentDb,
    /// A mail that SES received.
    Ses,
    /// A button or a custom authorizer of IoT. An IoT rule sends whatever its query selects, so its event
    /// cannot be recognised and is [`Unknown`](Self::Unknown).
    Iot,
    /// A job of CodePipeline.
    CodePipeline,
    /// An evaluation of a rule of AWS Config.
    Config,
    /// A contact flow of Amazon Connect.
    Connect,
    /// A code hook of Lex, V1 or V2.
    Lex,
    /// Any other event: a direct invocation, a Pipe, a task of Step Functions.
    Unknown,
}
