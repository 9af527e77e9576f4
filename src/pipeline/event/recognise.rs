//! Which source an event comes from, decided once, from its top-level members.

use serde::de::{Error, IgnoredAny};
use serde_json::value::RawValue;

use crate::json::limits::{MAX_DEPTH, is_within_limits};
use crate::json::scan::{Scan, ScanError, first_of, keep, members};
use crate::json::text::{Span, from_first, string};
use crate::pipeline::{EventError, Kind};

/// The kind of an event, and where its parts stand in its text.
pub(crate) struct Recognised {
    pub(crate) kind: Kind,
    /// Whether the whole event is within the limits of depth and size.
    pub(crate) is_within_limits: bool,
    top: [Option<Span>; Top::COUNT],
    context: [Option<Span>; Context::COUNT],
}

macro_rules! places {
    ($(#[$doc:meta])* $name:ident { $($place:ident = $member:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub(crate) enum $name { $($place,)* }

        impl $name {
            const COUNT: usize = [$(Self::$place,)*].len();

            fn place(member: &str) -> Option<usize> {
                match member {
                    $($member => Some(Self::$place as usize),)*
                    _ => None,
                }
            }
        }
    };
}

places! {
    /// The top-level members that matter.
    Top {
        AuthorizationToken = "authorizationToken",
        Body = "body",
        Cookies = "cookies",
        Detail = "detail",
        DetailType = "detail-type",
        Event = "Event",
        Headers = "headers",
        HttpMethod = "httpMethod",
        IsBase64 = "isBase64Encoded",
        IsBase64Snake = "is_base64_encoded",
        Message = "Message",
        Method = "method",
        MethodArn = "methodArn",
        MultiValueHeaders = "multiValueHeaders",
        MultiValueQuery = "multiValueQueryStringParameters",
        Path = "path",
        Query = "queryStringParameters",
        QuerySnake = "query_string_parameters",
        RawPath = "rawPath",
        RawPathSnake = "raw_path",
        RawQuery = "rawQueryString",
        Records = "Records",
        RequestContext = "requestContext",
        Resource = "resource",
        RouteArn = "routeArn",
        RouteKey = "routeKey",
        Source = "source",
        TopicArn = "TopicArn",
        Type = "Type",
        Version = "version",
    }
}

places! {
    /// The members of `requestContext` that matter.
    Context {
        Authorizer = "authorizer",
        ConnectionId = "connectionId",
        DomainName = "domainName",
        Elb = "elb",
        Http = "http",
        Identity = "identity",
        RouteKey = "routeKey",
        ServiceArn = "serviceArn",
        ServiceNetworkArn = "serviceNetworkArn",
        Stage = "stage",
        TargetGroupArn = "targetGroupArn",
    }
}

type Found<'a, const N: usize> = [Option<&'a str>; N];

impl From<ScanError> for EventError {
    fn from(error: ScanError) -> Self {
        match error {
            ScanError::NotAnObject => serde_json::Error::custom("expected an object").into(),
            ScanError::Repeated(name) => {
                serde_json::Error::custom(format_args!("two members `{name}`")).into()
            }
        }
    }
}

/// Recognises `json`, whose syntax was checked before.
pub(crate) fn recognise(json: &str) -> Result<Recognised, EventError> {
    if !json.starts_with('{') {
        return Ok(Recognised {
            kind: Kind::Unknown,
            is_within_limits: is_within_limits(json.bytes(), MAX_DEPTH),
            top: [None; Top::COUNT],
            context: [None; Context::COUNT],
        });
    }
    let mut scan = Scan::new(json);
    let (mut top, mut context) = ([None; Top::COUNT], [None; Context::COUNT]);
    scan.each(|scan, name| {
        let place = Top::place(&name);
        let value = if place == Some(Top::RequestContext as usize) && scan.is_at(b'{') {
            scan.text_of(|scan| {
                scan.each(|scan, name| {
                    let value = scan.value().ok_or(ScanError::NotAnObject)?;
                    keep(&mut context, Context::place(&name), &name, value)
                })
            })?
        } else {
            scan.value().ok_or(ScanError::NotAnObject)?
        };
        keep(&mut top, place, &name, value)
    })?;
    let is_within_limits = scan.is_within_limits();
    let kind = kind(&top, &context);
    let span = |part: Option<&str>| part.and_then(|part| Span::of(part, json));
    Ok(Recognised { kind, is_within_limits, top: top.map(span), context: context.map(span) })
}

impl Recognised {
    pub(crate) fn top<'a>(&self, text: &'a str, member: Top) -> Option<&'a str> {
        self.top.get(member as usize).copied().flatten().map(|span| span.in_text(text))
    }

    pub(crate) fn context<'a>(&self, text: &'a str, member: Context) -> Option<&'a str> {
        self.context.get(member as usize).copied().flatten().map(|span| span.in_text(text))
    }

    pub(crate) fn records<'a>(&self, text: &'a str) -> Option<&'a str> {
        self.top(text, Top::Records)
    }

    /// What stands before the records of a batch, the records, and what comes after them.
    pub(crate) fn around_records<'a>(&self, text: &'a str) -> Option<(&'a str, &'a str, &'a str)> {
        let records = self.top.get(Top::Records as usize).copied().flatten()?;
        Some((records.before(text), records.in_text(text), records.after(text)))
    }

    pub(crate) fn authorizer<'a>(&self, text: &'a str) -> Option<&'a str> {
        self.context(text, Context::Authorizer)
    }

    /// The member that holds the request's path.
    pub(crate) fn path_member<'a>(&self, text: &'a str) -> Option<&'a str> {
        match self.kind {
            Kind::HttpV2 | Kind::FunctionUrl => self.top(text, Top::RawPath),
            Kind::VpcLatticeV1 => self.top(text, Top::RawPathSnake),
            Kind::WebSocket => self.context(text, Context::RouteKey),
            _ => self.top(text, Top::Path),
        }
    }
}

fn at<'a>(top: &Found<'a, { Top::COUNT }>, member: Top) -> Option<&'a str> {
    top.get(member as usize).copied().flatten()
}

fn kind(top: &Found<'_, { Top::COUNT }>, context: &Found<'_, { Context::COUNT }>) -> Kind {
    let has = |member| at(top, member).is_some();
    let is = |member, text: &str| at(top, member).and_then(string).as_deref() == Some(text);
    let context_at = |member: Context| context.get(member as usize).copied().flatten();
    let context_has = |member| context_at(member).is_some();

    // An authorizer's event has everything a request has: it must be told apart first.
    if has(Top::MethodArn) || has(Top::RouteArn) || has(Top::AuthorizationToken) {
        return Kind::Authorizer;
    }
    if let Some(kind) = delivery(top) {
        return kind;
    }
    // A WebSocket's connect event looks like a REST API's but for its connection.
    if context_has(Context::ConnectionId) {
        return Kind::WebSocket;
    }
    if context_has(Context::Elb) {
        return Kind::Alb;
    }
    if is(Top::Version, "2.0") {
        if context_has(Context::Http) {
            let domain = context_at(Context::DomainName).and_then(string);
            let is_url = domain.is_some_and(|domain| domain.contains(".lambda-url."));
            return if is_url { Kind::FunctionUrl } else { Kind::HttpV2 };
        }
        let lattice = [Context::ServiceNetworkArn, Context::ServiceArn, Context::TargetGroupArn];
        if has(Top::Method) && lattice.into_iter().any(context_has) {
            return Kind::VpcLatticeV2;
        }
    }
    if has(Top::RawPathSnake) && has(Top::Method) {
        return Kind::VpcLatticeV1;
    }
    let has_context = at(top, Top::RequestContext).is_some_and(|context| context.starts_with('{'));
    if has(Top::HttpMethod) && has(Top::Path) && has_context {
        return if is(Top::Version, "1.0") { Kind::HttpV1Payload } else { Kind::RestV1 };
    }
    Kind::Unknown
}

/// The kind of what is delivered rather than asked: records, notifications, events of a bus.
fn delivery(top: &Found<'_, { Top::COUNT }>) -> Option<Kind> {
    if let Some(array) = at(top, Top::Records)
        && let Some(from_first) = from_first(array)
    {
        return records(from_first).or_else(|| any_record(array));
    }
    if at(top, Top::Event).and_then(string).as_deref() == Some("s3:TestEvent") {
        return Some(Kind::S3TestEvent);
    }
    let source = at(top, Top::Source)?;
    at(top, Top::DetailType)?;
    let from_s3 = string(source).as_deref() == Some("aws.s3")
        && at(top, Top::Detail).is_some_and(|detail| detail.starts_with('{'));
    Some(if from_s3 { Kind::EventBridgeS3 } else { Kind::EventBridge })
}

/// The kind of a batch, by its first record; `from_first` begins with it.
fn records(from_first: &str) -> Option<Kind> {
    let source = first_of(from_first, &["eventSource", "EventSource"])?;
    match &*string(source)? {
        "aws:s3" => Some(Kind::S3),
        "aws:dynamodb" => Some(Kind::DynamoDbStream),
        "aws:kinesis" => Some(Kind::Kinesis),
        "aws:sqs" => Some(match only(from_first, "body").and_then(content) {
            Some(Kind::S3 | Kind::S3TestEvent) => Kind::SqsS3,
            Some(Kind::Sns) => Kind::SqsSns,
            Some(Kind::SnsS3) => Kind::SqsSnsS3,
            Some(Kind::EventBridge | Kind::EventBridgeS3) => Kind::SqsEventBridge,
            _ => Kind::Sqs,
        }),
        "aws:sns" => {
            let message = only(from_first, "Sns").and_then(|sns| {
                let sns: Found<'_, { Top::COUNT }> = members(sns, Top::place).ok()?;
                at(&sns, Top::Message).and_then(content)
            });
            Some(match message {
                Some(Kind::S3 | Kind::S3TestEvent) => Kind::SnsS3,
                _ => Kind::Sns,
            })
        }
        _ => None,
    }
}

/// A member of an object in which no other has its name.
fn only<'a>(object: &'a str, name: &str) -> Option<&'a str> {
    let [member] = members(object, |member| (member == name).then_some(0)).ok()?;
    member
}

/// The kind of a batch whose first record does not tell: that of the first that does.
fn any_record(array: &str) -> Option<Kind> {
    let all: Vec<&RawValue> = serde_json::from_str(array).ok()?;
    all.into_iter().find_map(|record| records(record.get()))
}

/// What a text inside of a record is, if it is one of the envelopes that are known.
fn content(text: &str) -> Option<Kind> {
    let text = string(text)?;
    // Unlike the event, it may be anything.
    if !text.starts_with('{') || serde_json::from_str::<IgnoredAny>(&text).is_err() {
        return None;
    }
    let top: Found<'_, { Top::COUNT }> = members(&text, Top::place).ok()?;
    if at(&top, Top::Type).and_then(string).as_deref() == Some("Notification") {
        at(&top, Top::TopicArn)?;
        return Some(match at(&top, Top::Message).and_then(content) {
            Some(Kind::S3 | Kind::S3TestEvent) => Kind::SnsS3,
            _ => Kind::Sns,
        });
    }
    delivery(&top)
}
