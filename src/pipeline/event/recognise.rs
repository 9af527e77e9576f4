//! Decides from the top-level members of an event which source it comes from.

use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::json::scan::{Scan, ScanError, first_of, members};
use crate::json::text::{Span, from_first, string};
use crate::pipeline::event::error::EventError;
use crate::pipeline::event::kind::Kind;
use crate::pipeline::event::members::{Context, Top};
use crate::pipeline::event::source::http::Path;
use crate::pipeline::event::source::{Mark, Marks, Source};

/// The kind of an event, and the positions of its members in the text.
pub(crate) struct Recognised {
    pub(crate) kind: Kind,
    top: [Option<Span>; Top::COUNT],
    context: [Option<Span>; Context::COUNT],
}

/// Where the members of an object are in the text of an event.
struct Found<'a, const N: usize> {
    text: &'a str,
    spans: [Option<Span>; N],
    /// A bit for each member that was found, also for one with the value `null`.
    seen: u64,
}

impl<'a, const N: usize> Found<'a, N> {
    fn new(text: &'a str) -> Self {
        const { assert!(N <= 64, "a member has no bit") };
        Self { text, spans: [None; N], seen: 0 }
    }

    /// The members of the object that `text` begins with.
    fn in_object(text: &'a str, place: impl Fn(&str) -> Option<usize>) -> Option<Self> {
        let mut found = Self::new(text);
        let scanned = Scan::new(text).each(|scan, name| {
            let value = scan.value().ok_or(ScanError::NotAnObject)?;
            found.keep(place(&name), &name, value)
        });
        scanned.ok().map(|()| found)
    }

    /// Keeps the value of a member, if it has a place. A second member with the same name is refused, also if
    /// the first one is `null`.
    fn keep(&mut self, place: Option<usize>, name: &str, value: &str) -> Result<(), ScanError> {
        let Some(place) = place else { return Ok(()) };
        if self.seen >> place & 1 == 1 {
            return Err(ScanError::Repeated(name.to_owned()));
        }
        self.seen |= 1 << place;
        // A member whose value is `null` counts as absent.
        if value != "null"
            && let Some(span) = self.spans.get_mut(place)
        {
            *span = Span::of(value, self.text);
        }
        Ok(())
    }

    fn at(&self, place: usize) -> Option<&'a str> {
        self.spans.get(place).copied().flatten().map(|span| span.in_text(self.text))
    }
}

impl From<ScanError> for EventError {
    fn from(error: ScanError) -> Self {
        serde_json::Error::from(error).into()
    }
}

/// Recognises an event. `json` must be valid JSON.
pub(crate) fn recognise(json: &str) -> Result<Recognised, EventError> {
    if !json.starts_with('{') {
        let none = [None; Top::COUNT];
        return Ok(Recognised { kind: of_list(json), top: none, context: [None; Context::COUNT] });
    }
    let (mut top, mut context) = (Found::new(json), Found::new(json));
    let mut marks = Marks::default();
    Scan::new(json).each(|scan, name| {
        let position = Top::position(&name);
        let value = if position == Some(Top::RequestContext as usize) && scan.is_at(b'{') {
            scan.text_of(|scan| {
                scan.each(|scan, name| {
                    let value = scan.value().ok_or(ScanError::NotAnObject)?;
                    context.keep(Context::position(&name), &name, value)
                })
            })?
        } else {
            scan.value().ok_or(ScanError::NotAnObject)?
        };
        if position.is_none()
            && let Some(mark) = Mark::of(&name)
        {
            marks.add(mark);
        }
        top.keep(position, &name, value)
    })?;
    let kind = kind(&top, &context, marks);
    Ok(Recognised { kind, top: top.spans, context: context.spans })
}

/// The kind of an event that is a list. AppSync sends a list of calls if the resolver takes batches.
fn of_list(json: &str) -> Kind {
    let first = from_first(json).filter(|first| first.starts_with('{'));
    let marks = first.map(marks_of).unwrap_or_default();
    match Source::of_members(marks) {
        Some(Kind::AppSync) => Kind::AppSync,
        _ => Kind::Unknown,
    }
}

fn marks_of(object: &str) -> Marks {
    let (mut scan, mut marks) = (Scan::new(object), Marks::default());
    let scanned = scan.each(|scan, name| {
        if let Some(mark) = Mark::of(&name) {
            marks.add(mark);
        }
        scan.value().map(|_| ()).ok_or(ScanError::NotAnObject)
    });
    scanned.map(|()| marks).unwrap_or_default()
}

impl Recognised {
    pub(crate) fn top<'a>(&self, text: &'a str, member: Top) -> Option<&'a str> {
        self.top.get(member as usize).copied().flatten().map(|span| span.in_text(text))
    }

    pub(crate) fn context<'a>(&self, text: &'a str, member: Context) -> Option<&'a str> {
        self.context.get(member as usize).copied().flatten().map(|span| span.in_text(text))
    }

    /// The member with the path of the request.
    pub(crate) fn path_member<'a>(&self, text: &'a str) -> Option<&'a str> {
        match Source::of(self.kind).http?.path.value {
            Path::Encoded(member) | Path::Decoded(member) => self.top(text, member),
            Path::RouteKey => self.context(text, Context::RouteKey),
        }
    }
}

fn at<'a>(top: &Found<'a, { Top::COUNT }>, member: Top) -> Option<&'a str> {
    top.at(member as usize)
}

fn kind(
    top: &Found<'_, { Top::COUNT }>,
    context: &Found<'_, { Context::COUNT }>,
    marks: Marks,
) -> Kind {
    let has = |member| at(top, member).is_some();
    let is = |member, text: &str| at(top, member).and_then(string).as_deref() == Some(text);
    let context_at = |member: Context| context.at(member as usize);
    let context_has = |member| context_at(member).is_some();

    // The event of an authorizer has all members of a request, so it must be recognised first.
    if has(Top::MethodArn) || has(Top::RouteArn) || has(Top::AuthorizationToken) {
        return Kind::Authorizer;
    }
    if let Some(kind) = of_delivery(top) {
        return kind;
    }
    // The connect event of a WebSocket API differs from a REST request only by its connection id.
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
    of_service(top, marks)
}

/// The kind of an event that no other rule has recognised, by the members that only the events of one service
/// have.
fn of_service(top: &Found<'_, { Top::COUNT }>, marks: Marks) -> Kind {
    if let Some(kind) =
        at(top, Top::EventSource).and_then(string).and_then(|it| Source::of_batch(&it))
    {
        return kind;
    }
    if marks.is_empty() {
        return Kind::Unknown;
    }
    if let Some(kind) = Source::of_members(marks) {
        return kind;
    }
    let is_contact_flow =
        || at(top, Top::Name).and_then(string).as_deref() == Some("ContactFlowEvent");
    let any_of = |sets: &[&[Mark]]| sets.iter().any(|marks_of_one| marks.has_all(marks_of_one));
    if any_of(&[&[Mark::Bot, Mark::SessionState], &[Mark::Bot, Mark::CurrentIntent]]) {
        return Kind::Lex;
    }
    let buttons: [&[Mark]; 3] = [
        &[Mark::SerialNumber, Mark::ClickType],
        &[Mark::DeviceEvent, Mark::PlacementInfo],
        &[Mark::Protocols, Mark::ProtocolData],
    ];
    if any_of(&buttons) {
        return Kind::Iot;
    }
    if any_of(&[&[Mark::IdentityPool, Mark::DatasetRecords]]) {
        return Kind::Cognito;
    }
    if marks.has_all(&[Mark::Details]) && is_contact_flow() {
        return Kind::Connect;
    }
    Kind::Unknown
}

/// The kind of an event that is not HTTP: records, notifications, events of a bus.
fn of_delivery(top: &Found<'_, { Top::COUNT }>) -> Option<Kind> {
    if let Some(array) = at(top, Top::Records)
        && let Some(from_first) = from_first(array)
    {
        return of_records(from_first).or_else(|| of_any_record(array));
    }
    // The last call for a window has no records.
    if at(top, Top::Window).is_some() && at(top, Top::Records).is_some() {
        let arn = at(top, Top::EventSourceArn).and_then(string)?;
        let service = arn.split(':').nth(2).map(|service| format!("aws:{service}"))?;
        let kind = Source::of_records(&service);
        return kind.filter(|kind| matches!(kind, Kind::Kinesis | Kind::DynamoDbStream));
    }
    if at(top, Top::Event).and_then(string).as_deref() == Some("s3:TestEvent") {
        return Some(Kind::S3TestEvent);
    }
    let source = at(top, Top::Source)?;
    let detail_type = at(top, Top::DetailType)?;
    // CloudTrail reports calls of S3 with the same source. Only events with these detail types are
    // notifications.
    let from_s3 = string(source).as_deref() == Some("aws.s3")
        && string(detail_type).is_some_and(|detail_type| detail_type.starts_with("Object "))
        && at(top, Top::Detail).is_some_and(|detail| detail.starts_with('{'));
    Some(if from_s3 { Kind::EventBridgeS3 } else { Kind::EventBridge })
}

/// The kind of a batch, by its first record. `from_first` is the text from that record on.
fn of_records(from_first: &str) -> Option<Kind> {
    let source = first_of(from_first, &["eventSource", "EventSource"])?;
    Some(match Source::of_records(&string(source)?)? {
        Kind::Sqs => match only(from_first, "body").and_then(of_content) {
            Some(Kind::S3 | Kind::S3TestEvent) => Kind::SqsS3,
            Some(Kind::Sns) => Kind::SqsSns,
            Some(Kind::SnsS3) => Kind::SqsSnsS3,
            Some(Kind::EventBridge | Kind::EventBridgeS3) => Kind::SqsEventBridge,
            _ => Kind::Sqs,
        },
        Kind::Sns => {
            let message = only(from_first, "Sns").and_then(|sns| {
                let sns = Found::in_object(sns, Top::position)?;
                at(&sns, Top::Message).and_then(of_content)
            });
            match message {
                Some(Kind::S3 | Kind::S3TestEvent) => Kind::SnsS3,
                _ => Kind::Sns,
            }
        }
        kind => kind,
    })
}

/// The member with this name, if the object has it only once.
fn only<'a>(object: &'a str, name: &str) -> Option<&'a str> {
    let [member] = members(object, |member| (member == name).then_some(0)).ok()?;
    member
}

/// The kind of a batch whose first record cannot be recognised: the kind of the first record that can.
fn of_any_record(array: &str) -> Option<Kind> {
    let all: Vec<&RawValue> = serde_json::from_str(array).ok()?;
    all.into_iter().find_map(|record| of_records(record.get()))
}

/// The kind of a text in a record, if the text is a known envelope.
fn of_content(text: &str) -> Option<Kind> {
    let text = string(text)?;
    // Unlike the event itself, this text may be invalid JSON.
    if !text.starts_with('{') || serde_json::from_str::<IgnoredAny>(&text).is_err() {
        return None;
    }
    let top = Found::in_object(&text, Top::position)?;
    if at(&top, Top::Type).and_then(string).as_deref() == Some("Notification") {
        at(&top, Top::TopicArn)?;
        return Some(match at(&top, Top::Message).and_then(of_content) {
            Some(Kind::S3 | Kind::S3TestEvent) => Kind::SnsS3,
            _ => Kind::Sns,
        });
    }
    of_delivery(&top)
}
