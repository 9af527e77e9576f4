use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, SocketAddr},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::extract::FromRequestParts;
use http::{HeaderMap, header, request};
use serde_json::value::RawValue;

use crate::json::scan::members;
use crate::pipeline::event::Event;
use crate::pipeline::event::members::{Context, Top};
use crate::pipeline::event::source::Source;
use crate::pipeline::event::source::http::CallerAddress;
use crate::pipeline::invocation::Invocation;
use crate::problem::Problem;

/// What the source says about an HTTP request, in one form for all sources. It is an axum extractor.
///
/// # Examples
///
/// ```
/// use axum::{Router, routing::get};
/// use funcify::{pipeline::{Pipeline, RequestContext}, testing::TestEvent};
///
/// async fn stage(context: RequestContext) -> String {
///     context.stage.unwrap_or_default()
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let pipeline = Pipeline::builder(()).http(Router::new().route("/stage", get(stage))).build()?;
/// let output = TestEvent::get("/stage").send(&pipeline).await?;
/// assert_eq!(output.http().unwrap().body(), "$default");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct RequestContext {
    /// The address of the client, as the source saw it. For a load balancer and VPC Lattice this is the last
    /// address in `x-forwarded-for`, which they add.
    pub source_ip: Option<IpAddr>,
    /// The id of the AWS account of the API, function or target group.
    pub account_id: Option<String>,
    /// The identifier of the API. `None` for a load balancer and VPC Lattice.
    pub api_id: Option<String>,
    /// The identifier that the source gave to the request.
    pub request_id: Option<String>,
    /// The domain that the client called: `domainName`, or the header `Host` if there is none.
    pub domain_name: Option<String>,
    /// The stage of the API. `None` if the source has no stages.
    pub stage: Option<String>,
    /// The variables of the stage. Empty if there are none.
    pub stage_variables: BTreeMap<String, String>,
    /// When the source got the request. `None` for a load balancer, which does not say so.
    pub time: Option<SystemTime>,
    /// What the authorizer of the source says about the caller, as JSON (`requestContext.authorizer`).
    pub authorizer: Option<Box<RawValue>>,
}

/// Leaves out the authorizer and the variables, which may contain secrets.
impl fmt::Debug for RequestContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestContext")
            .field("api_id", &self.api_id)
            .field("stage", &self.stage)
            .field("request_id", &self.request_id)
            .finish_non_exhaustive()
    }
}

impl RequestContext {
    fn of(event: &Event, headers: &HeaderMap) -> Self {
        let context = event.top(Top::RequestContext).unwrap_or("{}");
        let text = |path: &[&str]| text_at(context, path);
        let source = Source::of(event.kind()).http;
        let source_ip = match source.map(|source| source.caller.value) {
            Some(CallerAddress::Identity) => text(&["identity", "sourceIp"]).and_then(address),
            Some(CallerAddress::Http) => text(&["http", "sourceIp"]).and_then(address),
            Some(CallerAddress::ForwardedFor) => forwarded_for(headers),
            None => None,
        };
        let arns: [&[&str]; 3] = [&["elb", "targetGroupArn"], &["serviceArn"], &["targetGroupArn"]];
        let of_arn = || arns.into_iter().find_map(text)?.split(':').nth(4).map(str::to_owned);
        // A function URL writes `anonymous` for a caller without an account.
        let is_account =
            |id: &String| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
        let host = || headers.get(header::HOST)?.to_str().ok().map(str::to_owned);
        let variables = event.top(Top::StageVariables).unwrap_or("{}");
        Self {
            source_ip,
            account_id: text(&["accountId"]).or_else(of_arn).filter(is_account),
            api_id: text(&["apiId"]),
            request_id: text(&["requestId"]),
            domain_name: text(&["domainName"]).or_else(host),
            stage: text(&["stage"]),
            stage_variables: serde_json::from_str(variables).unwrap_or_default(),
            time: time(context),
            authorizer: event
                .context(Context::Authorizer)
                .and_then(|it| serde_json::from_str(it).ok()),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for RequestContext {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut request::Parts,
        state: &S,
    ) -> Result<Self, Self::Rejection> {
        let invocation = Invocation::from_request_parts(parts, state).await?;
        Ok(Self::of(invocation.event(), &parts.headers))
    }
}

/// The string or number at this path.
fn text_at(json: &str, path: &[&str]) -> Option<String> {
    let Some((name, rest)) = path.split_first() else {
        return serde_json::from_str(json).ok();
    };
    text_at(member(json, name)?, rest)
}

fn member<'a>(json: &'a str, name: &str) -> Option<&'a str> {
    let [value] = members(json, |member| (member == name).then_some(0)).ok()?;
    value
}

fn address(text: String) -> Option<IpAddr> {
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    text.parse().ok().or_else(with_port)
}

/// The last address in the header. The source adds it. The client can write the addresses before it.
fn forwarded_for(headers: &HeaderMap) -> Option<IpAddr> {
    let last = headers.get_all("x-forwarded-for").iter().next_back()?.to_str().ok()?;
    address(last.rsplit(',').next()?.trim().to_owned())
}

/// API Gateway writes `requestTimeEpoch` or `timeEpoch` as a number of milliseconds. VPC Lattice writes
/// microseconds as a string.
fn time(context: &str) -> Option<SystemTime> {
    let epoch = member(context, "requestTimeEpoch").or_else(|| member(context, "timeEpoch"))?;
    let since = match serde_json::from_str::<String>(epoch) {
        Ok(text) => Duration::from_micros(text.parse().ok()?),
        Err(_) => Duration::from_millis(epoch.parse().ok()?),
    };
    UNIX_EPOCH.checked_add(since)
}
