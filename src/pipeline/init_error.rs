//! Reports to Lambda why the function does not start.

use std::time::Duration;

use http::{Method, header};
use lambda_runtime_api_client::{PooledClient, body::Body, build_request};
use tokio::time::timeout;

use crate::config_error::ConfigError;
use crate::json::error::redacted_chain;

/// How long the report may take. Lambda answers from the same machine, and the whole init phase may take 10
/// s.
const TIME: Duration = Duration::from_secs(2);

/// Logs the error, and reports it to Lambda. `AWS_LAMBDA_RUNTIME_API` must be valid.
pub(super) async fn report(error: &ConfigError) {
    let error = redacted_chain(error);
    tracing::error!(target: "funcify", error, "the function cannot start");
    let body = serde_json::json!({ "errorType": KIND, "errorMessage": error, "stackTrace": [] });
    let request = build_request()
        .method(Method::POST)
        .uri("/2018-06-01/runtime/init/error")
        .header(header::CONTENT_TYPE, "application/json")
        .header("lambda-runtime-function-error-type", KIND)
        .body(Body::from(body.to_string()));
    let Ok(request) = request else { return };
    let reported = timeout(TIME, PooledClient::builder().build().call(request)).await;
    let failed = match reported {
        Ok(Ok(answer)) if answer.status().is_success() => return,
        Ok(Ok(answer)) => format!("Lambda answered {}", answer.status()),
        Ok(Err(error)) => crate::error_chain(&*error),
        Err(elapsed) => elapsed.to_string(),
    };
    tracing::error!(target: "funcify", error = failed, "the start error could not be reported to Lambda");
}

/// The error type of a runtime whose configuration is invalid, in Lambda's form `category.reason`.
const KIND: &str = "Runtime.ConfigInvalid";
