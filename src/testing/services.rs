//! Example events of the services that send one event.

use serde_json::{Value, json};

use crate::pipeline::Kind;

/// An example of this kind. `None` if the kind has a constructor of its own, or no fixed shape.
#[expect(clippy::too_many_lines, reason = "one example a kind")]
pub(super) fn example(kind: Kind) -> Option<Value> {
    Some(match kind {
        Kind::Authorizer => json!({
            "type": "TOKEN",
            "authorizationToken": "Bearer token",
            "methodArn": "arn:aws:execute-api:eu-west-1:123456789012:api/prod/GET/orders",
        }),
        // {"messageType":"DATA_MESSAGE","owner":"123456789012","logGroup":"orders","logStream":"1",
        // "subscriptionFilters":["errors"],"logEvents":[{"id":"1","timestamp":1714564800000,"message":"a kettle"}]}
        Kind::CloudWatchLogs => {
            json!({ "awslogs": { "data": include_str!("logs.txt").trim_end() } })
        }
        Kind::Cognito => json!({
            "version": "1",
            "triggerSource": "PreSignUp_SignUp",
            "region": "eu-west-1",
            "userPoolId": "eu-west-1_example",
            "userName": "alice",
            "callerContext": { "awsSdkVersion": "aws-sdk-unknown-unknown", "clientId": "client" },
            "request": { "userAttributes": { "email": "alice@example.com" } },
            "response": { "autoConfirmUser": false },
        }),
        Kind::AppSync => json!({
            "arguments": { "id": "7" },
            "identity": null,
            "source": null,
            "request": { "headers": { "host": "api.example.com" } },
            "prev": null,
            "info": { "fieldName": "order", "parentTypeName": "Query", "variables": {} },
            "stash": {},
        }),
        Kind::CloudFormation => json!({
            "RequestType": "Create",
            "RequestId": "9e2f2f5c",
            // The example names a local URL, so that no test of a function sends an answer to AWS.
            "ResponseURL": "http://localhost:9/response",
            "ResourceType": "Custom::Seed",
            "LogicalResourceId": "Seed",
            "StackId": "arn:aws:cloudformation:eu-west-1:123456789012:stack/orders/1",
            "ResourceProperties": { "ServiceToken": "arn:aws:lambda:eu-west-1:123456789012:function:f" },
        }),
        Kind::S3Batch => json!({
            "invocationSchemaVersion": "1.0",
            "invocationId": "YXNkbGZqYWRmaiBhc2RmdW9hZHNmZGpmaGFzbGtkaGZza2RmaAo",
            "job": { "id": "f3cc4f60-61f6-4a2b-8a21-d07600c373ce" },
            "tasks": [{
                "taskId": "task",
                "s3Key": "a%20b.txt",
                "s3VersionId": "1",
                "s3BucketArn": "arn:aws:s3:::uploads",
            }],
        }),
        Kind::Mq => json!({
            "eventSource": "aws:rmq",
            "eventSourceArn": "arn:aws:mq:eu-west-1:123456789012:broker:orders:b-1",
            "rmqMessagesByQueue": { "orders::/": [{
                "basicProperties": { "contentType": "text/plain", "deliveryMode": 1 },
                "redelivered": false,
                "data": "YSBrZXR0bGU=",
            }] },
        }),
        Kind::DocumentDb => json!({
            "eventSourceArn": "arn:aws:rds:eu-west-1:123456789012:cluster:orders",
            "eventSource": "aws:docdb",
            "events": [{ "event": { "operationType": "insert", "ns": { "db": "shop", "coll": "orders" } } }],
        }),
        Kind::Ses => json!({ "Records": [{
            "eventSource": "aws:ses",
            "eventVersion": "1.0",
            "ses": {
                "mail": { "messageId": "o3vrnil0e2ic28tr", "source": "alice@example.com" },
                "receipt": { "spamVerdict": { "status": "PASS" }, "action": { "type": "Lambda" } },
            },
        }] }),
        Kind::Iot => json!({
            "token": "token",
            "signatureVerified": true,
            "protocols": ["mqtt"],
            "protocolData": { "mqtt": { "clientId": "meter-1" } },
            "connectionMetadata": { "id": "1" },
        }),
        Kind::CodePipeline => json!({ "CodePipeline.job": {
            "id": "11111111-abcd-1111-abcd-111111abcdef",
            "accountId": "123456789012",
            "data": { "actionConfiguration": { "configuration": { "FunctionName": "f" } } },
        } }),
        Kind::Config => json!({
            "invokingEvent": "{\"messageType\":\"ScheduledNotification\"}",
            "ruleParameters": "{}",
            "resultToken": "token",
            "eventLeftScope": false,
            "configRuleArn": "arn:aws:config:eu-west-1:123456789012:config-rule/1",
            "configRuleName": "rule",
            "accountId": "123456789012",
            "version": "1.0",
        }),
        Kind::Connect => json!({
            "Name": "ContactFlowEvent",
            "Details": { "ContactData": { "Channel": "VOICE" }, "Parameters": {} },
        }),
        Kind::Lex => json!({
            "messageVersion": "1.0",
            "invocationSource": "DialogCodeHook",
            "bot": { "id": "1", "name": "orders" },
            "sessionState": { "intent": { "name": "Order", "state": "InProgress" } },
            "inputTranscript": "a kettle",
        }),
        _ => return None,
    })
}
