//! Custom resources of CloudFormation: the stack waits for a response at a URL in the event.
//!
//! Source: "Custom resource reference" in the CloudFormation user guide.

use std::time::Duration;

use bytes::Bytes;
use funcify_core::Deadline;
use http::{HeaderValue, header};
use reqwest::{Client, Url};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::client::{HTTPS_REQUIRED, may_carry_secrets};
use crate::pipeline::event::Event;
use crate::problem::Problem;

/// The longest response that CloudFormation takes, in bytes.
const LONGEST: usize = 4_096;

/// The time that is left for the response: 1 s, or half of the time if less than 2 s are left. An upload
/// takes some tens of milliseconds.
const FOR_RESPONSE: Duration = Duration::from_secs(1);

/// How often sending the response is attempted, and the pause between the attempts.
const ATTEMPTS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(100);

/// The members of the event that the response needs.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Question {
    #[serde(rename = "ResponseURL")]
    response_url: String,
    stack_id: String,
    request_id: String,
    logical_resource_id: String,
    physical_resource_id: Option<String>,
}

/// What the handler returned.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Resource {
    physical_resource_id: Option<String>,
    no_echo: Option<bool>,
    data: Option<Box<RawValue>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Response<'a> {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    physical_resource_id: &'a str,
    stack_id: &'a str,
    request_id: &'a str,
    logical_resource_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    no_echo: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
}

/// Why the response was not delivered.
#[derive(Debug, thiserror::Error)]
enum ResponseError {
    #[error("{HTTPS_REQUIRED} as the `ResponseURL`")]
    Url,
    #[error("the response was refused with {0}")]
    Status(http::StatusCode),
    #[error("the response was not sent")]
    Request(#[source] reqwest::Error),
}

/// The deadline of the handler, which leaves time for the response.
pub(in crate::pipeline) fn deadline_of_handler(deadline: Deadline) -> Deadline {
    let left = deadline.remaining();
    deadline.no_later_than(left.saturating_sub(FOR_RESPONSE).max(left / 2))
}

/// Sends the result of the handler to CloudFormation. `result` is what the handler returned, as JSON.
///
/// # Errors
///
/// If the event has no usable URL, or the response could not be delivered.
pub(in crate::pipeline) async fn respond(
    client: &Client,
    event: &Event,
    result: Result<Box<RawValue>, Problem>,
) -> Result<(), Problem> {
    let question: Question = serde_json::from_str(event.text()).map_err(|error| {
        Problem::bad_request("expected the event of a custom resource").caused_by(&error)
    })?;
    let url = Url::parse(&question.response_url).map_err(|_| ResponseError::Url)?;
    if !may_carry_secrets(url.scheme(), url.host()) {
        return Err(ResponseError::Url.into());
    }
    let response = match result.and_then(|json| succeeded(&question, &json)) {
        Ok(response) => response,
        Err(problem) => {
            let error = problem.to_string();
            tracing::error!(target: "funcify", error, "custom resource failed");
            failed(&question, &problem)
        }
    };
    let mut attempt = 1;
    loop {
        match upload(client, &url, response.clone()).await {
            Ok(()) => return Ok(()),
            Err(error) if attempt == ATTEMPTS => return Err(error.into()),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
        attempt += 1;
    }
}

async fn upload(client: &Client, url: &Url, response: Bytes) -> Result<(), ResponseError> {
    // The URL is signed for a request without a content type.
    let request =
        client.put(url.clone()).header(header::CONTENT_TYPE, HeaderValue::from_static(""));
    let sent = request.body(response).send().await;
    // The URL is a secret, because anyone who has it can answer.
    let status = sent.map_err(|error| ResponseError::Request(error.without_url()))?.status();
    if status.is_success() { Ok(()) } else { Err(ResponseError::Status(status)) }
}

fn succeeded(question: &Question, json: &RawValue) -> Result<Bytes, Problem> {
    let resource: Option<Resource> = serde_json::from_str(json.get())?;
    let Resource { physical_resource_id, no_echo, data } = resource.unwrap_or_default();
    let response = question.response("SUCCESS", None, physical_resource_id.as_deref());
    let response = Response { no_echo, data: data.as_deref(), ..response };
    let response = serde_json::to_vec(&response)?;
    if response.len() > LONGEST {
        return Err(Problem::bad_request("expected a response of at most 4,096 bytes"));
    }
    Ok(response.into())
}

/// The detail of a problem is meant for others to see. Only the log has its causes.
fn failed(question: &Question, problem: &Problem) -> Bytes {
    let of_status = || problem.status().canonical_reason().unwrap_or("failed").to_owned();
    let reason = problem.detail_text().map_or_else(of_status, str::to_owned);
    let reason: String = reason.chars().take(LONGEST / 8).collect();
    let response = question.response("FAILED", Some(&reason), None);
    serde_json::to_vec(&response).unwrap_or_default().into()
}

impl Question {
    /// If the handler returned no identifier, an existing resource keeps its own, and a new one gets that of
    /// the request.
    fn response<'a>(
        &'a self,
        status: &'static str,
        reason: Option<&'a str>,
        physical_resource_id: Option<&'a str>,
    ) -> Response<'a> {
        let known = physical_resource_id.or(self.physical_resource_id.as_deref());
        Response {
            status,
            reason,
            physical_resource_id: known.unwrap_or(&self.request_id),
            stack_id: &self.stack_id,
            request_id: &self.request_id,
            logical_resource_id: &self.logical_resource_id,
            no_echo: None,
            data: None,
        }
    }
}
