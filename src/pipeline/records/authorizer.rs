//! A pipeline as a Lambda authorizer, which decides for a gateway whether a request is allowed.

use std::fmt;

use serde_json::{Map, Value, json, value::RawValue};

use crate::pipeline::event::Event;
use crate::pipeline::records::handler::FromRecord;
use crate::pipeline::records::raw_json::RawJson;
use crate::pipeline::records::record::string_at;
use crate::problem::Problem;

/// A request of a gateway to a Lambda authorizer: is this call allowed? The gateway is a REST, HTTP or
/// WebSocket API, or AppSync.
///
/// [`Invocation::caller`](crate::pipeline::Invocation::caller) identifies the caller: the
/// [`Authenticator`](crate::Authenticator) of the pipeline verifies the token in the request. See
/// [`PipelineBuilder::authorizer`](crate::pipeline::PipelineBuilder::authorizer) for an example.
#[derive(Clone)]
#[non_exhaustive]
pub struct AuthorizerRequest {
    /// The ARN of the method or route that is called. `None` for AppSync.
    pub route_arn: Option<String>,
    /// The method of the call, if the event contains it.
    pub method: Option<String>,
    /// The path of the call as the gateway wrote it, if the event contains it.
    pub path: Option<String>,
    event: Event,
}

impl RawJson for AuthorizerRequest {
    fn raw(&self) -> &str {
        self.event.text()
    }
}

/// Leaves out the headers and the token.
impl fmt::Debug for AuthorizerRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizerRequest")
            .field("route_arn", &self.route_arn)
            .finish_non_exhaustive()
    }
}

impl FromRecord<Event> for AuthorizerRequest {
    fn from_record(event: Event) -> Result<Self, Problem> {
        let at = |path: &[&str]| string_at(event.text(), path);
        let method = at(&["httpMethod"]).or_else(|| at(&["requestContext", "http", "method"]));
        let path = at(&["path"]).or_else(|| at(&["rawPath"]));
        let route_arn = at(&["methodArn"]).or_else(|| at(&["routeArn"]));
        Ok(Self { route_arn, method, path, event })
    }
}

/// The decision of a Lambda authorizer. The output has the format that the gateway takes.
///
/// # Examples
///
/// ```
/// use funcify::pipeline::Decision;
///
/// let decision = Decision::allow("alice").with("tenant", "acme");
/// assert_eq!(format!("{decision:?}"), "Allow");
/// ```
#[derive(Clone)]
pub struct Decision {
    principal: Option<String>,
    context: Map<String, Value>,
}

impl Decision {
    /// Allows the request. `principal` names the caller.
    ///
    /// The policy that a REST or WebSocket API gets allows only the called method. If the API caches
    /// policies, a cached policy refuses the caller's calls of other methods. To prevent this, set the time
    /// to live of the authorizer's cache to 0.
    #[must_use]
    pub fn allow(principal: impl Into<String>) -> Self {
        Self { principal: Some(principal.into()), context: Map::new() }
    }

    /// Refuses the request: the client gets 403. For a 401, return a [`Problem`] with that status and without
    /// a `detail` instead.
    #[must_use]
    pub fn deny() -> Self {
        Self { principal: None, context: Map::new() }
    }

    /// Adds a value to the context of the decision, which the gateway passes to its integration: a function
    /// reads it in `requestContext.authorizer`. A REST API takes strings, numbers and booleans.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.context.insert(name.into(), value.into());
        self
    }

    /// The output for this event.
    pub(in crate::pipeline) fn answer(self, event: &Event) -> Result<Box<RawValue>, Problem> {
        let is_allowed = self.principal.is_some();
        let arn = string_at(event.text(), &["methodArn"]);
        let version = string_at(event.text(), &["version"]);
        let answer = match arn.or_else(|| string_at(event.text(), &["routeArn"])) {
            // Payload format 2.0 of an HTTP API, with simple responses.
            Some(_) if version.as_deref() == Some("2.0") => {
                json!({ "isAuthorized": is_allowed, "context": self.context })
            }
            Some(arn) => json!({
                "principalId": self.principal.as_deref().unwrap_or("anonymous"),
                "policyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [{
                        "Action": "execute-api:Invoke",
                        "Effect": if is_allowed { "Allow" } else { "Deny" },
                        "Resource": arn,
                    }],
                },
                "context": self.context,
            }),
            None => json!({ "isAuthorized": is_allowed, "resolverContext": self.context }),
        };
        Ok(serde_json::value::to_raw_value(&answer)?)
    }
}

/// Leaves out the context.
impl fmt::Debug for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.principal.is_some() { "Allow" } else { "Deny" })
    }
}
