//! The rows of the table, in the order of [`Kind`].

use crate::pipeline::event::kind::Kind;
use crate::pipeline::event::source::http;
use crate::pipeline::event::source::known::{Known, documented, inferred};
use crate::pipeline::event::source::marks::Mark;
use crate::pipeline::event::source::row::{Answer, Shape, Source};

const REST: &str = "https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html";
const HTTP_API: &str = "https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html";
const FUNCTION_URL: &str = "https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html";
const ALB: &str =
    "https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html";
const LATTICE: &str = "https://docs.aws.amazon.com/vpc-lattice/latest/ug/lambda-functions.html";
const AUTHORIZER: &str =
    "https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-lambda-authorizer.html";
const ASYNC: &str = "https://docs.aws.amazon.com/lambda/latest/dg/invocation-async.html";
const SQS: &str = "https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html";
const DYNAMODB: &str =
    "https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html";
const KINESIS: &str =
    "https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html";
const KAFKA: &str = "https://docs.aws.amazon.com/lambda/latest/dg/kafka-retry-configurations.html";
const FIREHOSE: &str = "https://docs.aws.amazon.com/firehose/latest/dev/data-transformation.html";
const LOGS: &str =
    "https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/SubscriptionFilters.html";
const COGNITO: &str = "https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-working-with-lambda-triggers.html";
const APPSYNC: &str =
    "https://docs.aws.amazon.com/appsync/latest/devguide/tutorial-lambda-resolvers.html";
const CLOUDFORMATION: &str =
    "https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html";
const S3_BATCH: &str =
    "https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-invoke-lambda.html";
const MQ: &str = "https://docs.aws.amazon.com/lambda/latest/dg/with-mq.html";
const DOCUMENTDB: &str = "https://docs.aws.amazon.com/lambda/latest/dg/with-documentdb.html";
const SES: &str = "https://docs.aws.amazon.com/ses/latest/dg/receiving-email-action-lambda.html";
const IOT: &str = "https://docs.aws.amazon.com/iot/latest/developerguide/custom-auth-lambda.html";
const CODEPIPELINE: &str =
    "https://docs.aws.amazon.com/codepipeline/latest/userguide/actions-invoke-lambda-function.html";
const CONFIG: &str = "https://docs.aws.amazon.com/config/latest/developerguide/evaluate-config_develop-rules_example-events.html";
const CONNECT: &str =
    "https://docs.aws.amazon.com/connect/latest/adminguide/connect-lambda-functions.html";
const LEX: &str = "https://docs.aws.amazon.com/lexv2/latest/dg/lambda-input-format.html";

/// The row for every event that no other row recognises.
pub(super) const UNKNOWN: &Source = &Source {
    kind: Kind::Unknown,
    name: "unknown",
    title: "any other event: a direct invocation, a Pipe, a task of Step Functions",
    shape: Shape::Other,
    route: "event",
    answer: inferred(Answer::Value),
    http: None,
};

/// Every source.
pub(crate) static SOURCES: [Source; 38] = [
    request(
        Kind::RestV1,
        "apigw-rest-v1",
        "API Gateway, REST API",
        documented(Answer::Http, REST),
        &http::REST_V1,
    ),
    request(
        Kind::HttpV1Payload,
        "apigw-http-v1-payload",
        "API Gateway, HTTP API, payload 1.0",
        documented(Answer::Http, HTTP_API),
        &http::HTTP_V1_PAYLOAD,
    ),
    request(
        Kind::HttpV2,
        "apigw-http-v2",
        "API Gateway, HTTP API, payload 2.0",
        documented(Answer::Http, HTTP_API),
        &http::HTTP_V2,
    ),
    request(
        Kind::FunctionUrl,
        "function-url",
        "Lambda function URL",
        documented(Answer::Http, FUNCTION_URL),
        &http::FUNCTION_URL_SOURCE,
    ),
    request(
        Kind::WebSocket,
        "websocket",
        "API Gateway, WebSocket API",
        inferred(Answer::Http),
        &http::WEB_SOCKET,
    ),
    request(
        Kind::Alb,
        "alb",
        "Application Load Balancer",
        documented(Answer::Http, ALB),
        &http::LOAD_BALANCER,
    ),
    request(
        Kind::VpcLatticeV1,
        "vpc-lattice-v1",
        "VPC Lattice, event version 1",
        documented(Answer::Http, LATTICE),
        &http::LATTICE_V1,
    ),
    request(
        Kind::VpcLatticeV2,
        "vpc-lattice-v2",
        "VPC Lattice, event version 2",
        documented(Answer::Http, LATTICE),
        &http::LATTICE_V2,
    ),
    row(
        Kind::Authorizer,
        "authorizer",
        "the question of a gateway to a Lambda authorizer",
        Shape::Values,
        "authorizer",
        documented(Answer::Decision, AUTHORIZER),
    ),
    row(
        Kind::S3,
        "s3",
        "notifications of a bucket",
        Shape::Records("aws:s3"),
        "s3",
        documented(Answer::Success, ASYNC),
    ),
    row(
        Kind::S3TestEvent,
        "s3-test-event",
        "the message that S3 sends when somebody configures notifications",
        Shape::Values,
        "none: it succeeds",
        documented(Answer::Success, ASYNC),
    ),
    row(
        Kind::Sqs,
        "sqs",
        "messages of a queue",
        Shape::Records("aws:sqs"),
        "sqs",
        documented(Answer::Failures, SQS),
    ),
    row(
        Kind::SqsS3,
        "sqs<s3",
        "messages with notifications of S3",
        Shape::Envelope,
        "sqs",
        documented(Answer::Failures, SQS),
    ),
    row(
        Kind::SqsSns,
        "sqs<sns",
        "messages with notifications of SNS",
        Shape::Envelope,
        "sqs",
        documented(Answer::Failures, SQS),
    ),
    row(
        Kind::SqsSnsS3,
        "sqs<sns<s3",
        "messages with notifications of SNS with notifications of S3",
        Shape::Envelope,
        "sqs",
        documented(Answer::Failures, SQS),
    ),
    row(
        Kind::SqsEventBridge,
        "sqs<eventbridge",
        "messages with events of EventBridge",
        Shape::Envelope,
        "sqs",
        documented(Answer::Failures, SQS),
    ),
    row(
        Kind::Sns,
        "sns",
        "notifications of a topic",
        Shape::Records("aws:sns"),
        "sns",
        documented(Answer::Success, ASYNC),
    ),
    row(
        Kind::SnsS3,
        "sns<s3",
        "notifications of SNS with notifications of S3",
        Shape::Envelope,
        "sns",
        documented(Answer::Success, ASYNC),
    ),
    row(
        Kind::EventBridge,
        "eventbridge",
        "an event of a bus or a schedule",
        Shape::Values,
        "eventbridge",
        documented(Answer::Success, ASYNC),
    ),
    row(
        Kind::EventBridgeS3,
        "eventbridge<s3",
        "an event of S3 on a bus",
        Shape::Envelope,
        "eventbridge",
        documented(Answer::Success, ASYNC),
    ),
    row(
        Kind::DynamoDbStream,
        "dynamodb-stream",
        "records of a DynamoDB stream",
        Shape::Records("aws:dynamodb"),
        "dynamodb_stream",
        documented(Answer::FirstFailure, DYNAMODB),
    ),
    row(
        Kind::Kinesis,
        "kinesis",
        "records of a Kinesis stream",
        Shape::Records("aws:kinesis"),
        "kinesis",
        documented(Answer::FirstFailure, KINESIS),
    ),
    row(
        Kind::Kafka,
        "kafka",
        "records of Kafka: MSK or self-managed",
        Shape::Batch(&["aws:kafka", "SelfManagedKafka"]),
        "kafka",
        documented(Answer::Offsets, KAFKA),
    ),
    row(
        Kind::Firehose,
        "firehose",
        "records that the function transforms for Firehose",
        Shape::Members(&[Mark::DeliveryStreamArn, Mark::InvocationId]),
        "firehose",
        documented(Answer::Results, FIREHOSE),
    ),
    row(
        Kind::CloudWatchLogs,
        "cloudwatch-logs",
        "a subscription of a log group",
        Shape::Members(&[Mark::AwsLogs]),
        "event_of",
        documented(Answer::Success, LOGS),
    ),
    row(
        Kind::Cognito,
        "cognito",
        "a trigger of a Cognito user pool",
        Shape::Members(&[Mark::TriggerSource, Mark::UserPool]),
        "event_of",
        documented(Answer::Value, COGNITO),
    ),
    row(
        Kind::AppSync,
        "appsync",
        "a resolver of AppSync, single or batch",
        Shape::Members(&[Mark::Info, Mark::Arguments]),
        "event_of",
        documented(Answer::Value, APPSYNC),
    ),
    row(
        Kind::CloudFormation,
        "cloudformation",
        "a custom resource of CloudFormation",
        Shape::Members(&[
            Mark::RequestType,
            Mark::ResponseUrl,
            Mark::StackId,
            Mark::LogicalResource,
        ]),
        "cloudformation",
        documented(Answer::Upload, CLOUDFORMATION),
    ),
    row(
        Kind::S3Batch,
        "s3-batch",
        "a task of S3 Batch Operations",
        Shape::Members(&[Mark::InvocationSchema, Mark::InvocationId, Mark::Tasks]),
        "event_of",
        documented(Answer::Value, S3_BATCH),
    ),
    row(
        Kind::Mq,
        "mq",
        "messages of Amazon MQ",
        Shape::Batch(&["aws:mq", "aws:amq", "aws:rmq"]),
        "event_of",
        documented(Answer::Success, MQ),
    ),
    row(
        Kind::DocumentDb,
        "documentdb",
        "changes of a DocumentDB collection",
        Shape::Batch(&["aws:docdb"]),
        "event_of",
        documented(Answer::Success, DOCUMENTDB),
    ),
    row(
        Kind::Ses,
        "ses",
        "a mail that SES received",
        Shape::Records("aws:ses"),
        "event_of",
        documented(Answer::Value, SES),
    ),
    row(
        Kind::Iot,
        "iot",
        "a button or a custom authorizer of IoT",
        Shape::Values,
        "event_of",
        documented(Answer::Value, IOT),
    ),
    row(
        Kind::CodePipeline,
        "codepipeline",
        "a job of CodePipeline",
        Shape::Members(&[Mark::CodePipelineJob]),
        "event_of",
        documented(Answer::Success, CODEPIPELINE),
    ),
    row(
        Kind::Config,
        "config",
        "an evaluation of AWS Config",
        Shape::Members(&[Mark::InvokingEvent, Mark::ConfigRule]),
        "event_of",
        documented(Answer::Success, CONFIG),
    ),
    row(
        Kind::Connect,
        "connect",
        "a contact flow of Amazon Connect",
        Shape::Values,
        "event_of",
        documented(Answer::Value, CONNECT),
    ),
    row(
        Kind::Lex,
        "lex",
        "a code hook of Lex, V1 and V2",
        Shape::Values,
        "event_of",
        documented(Answer::Value, LEX),
    ),
    row(
        UNKNOWN.kind,
        UNKNOWN.name,
        UNKNOWN.title,
        Shape::Other,
        UNKNOWN.route,
        inferred(Answer::Value),
    ),
];

/// A source of HTTP requests.
const fn request(
    kind: Kind,
    name: &'static str,
    title: &'static str,
    answer: Known<Answer>,
    http: &'static http::HttpSource,
) -> Source {
    Source { kind, name, title, shape: Shape::Values, route: "http", answer, http: Some(http) }
}

/// A source of anything else.
const fn row(
    kind: Kind,
    name: &'static str,
    title: &'static str,
    shape: Shape,
    route: &'static str,
    answer: Known<Answer>,
) -> Source {
    Source { kind, name, title, shape, route, answer, http: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_have_the_order_of_the_kinds_and_no_name_twice() {
        for (index, source) in SOURCES.iter().enumerate() {
            assert_eq!(source.kind as usize, index, "{}", source.name);
            let same = SOURCES.iter().filter(|other| other.name == source.name);
            assert_eq!(same.count(), 1, "{}", source.name);
        }
        assert_eq!(Kind::Unknown as usize + 1, SOURCES.len());
    }
}
