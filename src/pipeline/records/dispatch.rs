//! Sends records and whole events to their routes.

use std::{
    any::Any,
    borrow::Cow,
    fmt,
    future::ready,
    sync::{Arc, OnceLock},
};

use funcify_core::Deadline;
use futures_util::future::BoxFuture;
use http::StatusCode;
use serde_json::value::RawValue;

use crate::json::{JsonError, text::Span, text::string};
use crate::pipeline::bounded::{bounded, catch_panic};
use crate::pipeline::ended::Ended;
use crate::pipeline::event::Event;
use crate::pipeline::event::kind::Kind;
use crate::pipeline::event::members::Top;
use crate::pipeline::event::source::Source;
use crate::pipeline::invocation::Invocation;
use crate::pipeline::outcome::{InvocationError, InvocationErrorKind, InvocationOutcome};
use crate::pipeline::output::Output;
use crate::pipeline::records::batch::{Order, RecordResult, RecordRun, RecordRunner, run};
use crate::pipeline::records::custom_resource::deadline_of_handler;
use crate::pipeline::records::parsed::{Parsed, parse};
use crate::pipeline::records::record::Record;
use crate::pipeline::records::record_sources;
use crate::pipeline::records::report::FailureReport;
use crate::pipeline::records::restriction::Restriction;
use crate::pipeline::records::route::Calls;
use crate::pipeline::records::routes::Routes;
use crate::pipeline::records::s3::S3Object;
use crate::pipeline::records::unmatched::Unmatched;
use crate::pipeline::records::window::of_event;
use crate::pipeline::rules::Rules;
use crate::problem::Problem;

impl Rules {
    /// Runs an event that does not go to the router.
    ///
    /// The future is boxed, so that the future of a request is not as large as that of a batch.
    pub(crate) fn dispatch(&self, invocation: Invocation) -> BoxFuture<'_, Ended> {
        // Without guards there is nothing to await.
        if self.guards.is_empty() && !invocation.deadline().total().is_zero() {
            return self.to_route(invocation);
        }
        Box::pin(async move {
            match self.admit(invocation).await {
                Ok(invocation) => self.to_route(invocation).await,
                Err(ended) => *ended,
            }
        })
    }

    fn to_route(&self, invocation: Invocation) -> BoxFuture<'_, Ended> {
        let kind = invocation.event().kind();
        // S3 sends this event when somebody configures notifications. There is nothing to do.
        if kind == Kind::S3TestEvent {
            return Box::pin(ready(Ended::handled(Output::nothing())));
        }
        let routes = &self.routes;
        let route = Source::of(kind).route;
        macro_rules! take {
            ($($field:ident: $record:ty,)*) => {$(
                if <$record>::ROUTE == route && !routes.$field.is_empty() {
                    return self.records(invocation, &routes.$field);
                }
            )*};
        }
        record_sources!(take);
        Box::pin(self.whole_event(invocation))
    }

    /// Runs the guards. A CloudFormation stack waits for a response also if a guard refuses the event.
    async fn admit(&self, invocation: Invocation) -> Result<Invocation, Box<Ended>> {
        let (event, deadline) = (invocation.event().clone(), invocation.deadline());
        let answers = self.routes.refused.as_ref().filter(|_| event.kind() == Kind::CloudFormation);
        let Some(answers) = answers else {
            let admitted = bounded(deadline, self.guards.admit(invocation)).await;
            return admitted.map_err(|problem| Box::new(Ended::problem(&problem)));
        };
        let of_guards = deadline_of_handler(deadline);
        match bounded(of_guards, self.guards.admit(invocation)).await {
            Ok(invocation) => Ok(invocation),
            Err(problem) => {
                let refused = Ended::problem(&problem);
                let (outcome, cause) = (refused.outcome, refused.cause);
                Err(Box::new(match bounded(deadline, answers(event, problem)).await {
                    Ok(()) => Ended { outcome, cause, ..Ended::handled(Output::nothing()) },
                    Err(problem) => Ended::problem(&problem),
                }))
            }
        }
    }

    fn records<'a, S: Record>(
        &'a self,
        invocation: Invocation,
        routes: &'a Routes<S>,
    ) -> BoxFuture<'a, Ended> {
        let records = match parse::<S>(invocation.event()) {
            Ok(records) => records,
            Err(error) => return Box::pin(ready(bad_event(&error))),
        };
        let is_window = || invocation.event().top(Top::Window).is_some() || routes.any_windowed();
        if S::HAS_WINDOWS && is_window() {
            return Box::pin(self.window(invocation, routes, records));
        }
        let report = FailureReport::of_kind(invocation.event().kind());
        Box::pin(self.batch(invocation, routes, records, report))
    }

    /// Runs a batch that may be part of a tumbling window.
    async fn window<S: Record>(
        &self,
        invocation: Invocation,
        routes: &Routes<S>,
        records: Vec<Parsed<S>>,
    ) -> Ended {
        let event = invocation.event().clone();
        let arn = event.top(Top::EventSourceArn).and_then(string).unwrap_or_default();
        let first = records.iter().find_map(|record| record.as_ref().ok());
        let name =
            first.map_or_else(|| S::name_of(&arn).to_owned(), |first| first.name().to_owned());
        let route = routes.find(&name);
        let Some((route, Calls::Window(call))) = route.map(|route| (route, &route.calls)) else {
            // The handler does not use the window, but Lambda requires its state in the output.
            let state = event.top(Top::State).unwrap_or("{}");
            let state = serde_json::from_str::<Box<RawValue>>(state).ok();
            let report = FailureReport::of_kind(event.kind());
            let ended = self.batch(invocation, routes, records, report).await;
            let is_window = event.top(Top::Window).is_some();
            return match state.filter(|_| is_window) {
                Some(state) => {
                    Ended { result: ended.result.map(|it| it.with_state(state)), ..ended }
                }
                None => ended,
            };
        };
        invocation.note_route(Arc::clone(&route.name));
        let malformed = records.iter().find_map(|record| record.as_ref().err());
        let malformed = malformed.map(|record| record.id.clone());
        let records: Vec<S> = records.into_iter().map_while(Result::ok).collect();
        if let Some(restriction) = Restriction::of(self.policy.as_ref(), &route.name) {
            let refused = records.iter().find_map(|record| restriction.check(record.arn()).err());
            if let Some(problem) = refused {
                return Ended::problem(&problem);
            }
        }
        let deadline = invocation.deadline();
        let work = async { call(invocation, of_event(&event, records)?).await };
        match bounded(deadline, work).await {
            Ok(state) => {
                Ended::handled(Output::batch(malformed.into_iter().collect()).with_state(state))
            }
            Err(problem) => Ended::problem(&problem),
        }
    }

    fn batch<'a, S: Record>(
        &'a self,
        invocation: Invocation,
        routes: &'a Routes<S>,
        records: Vec<Parsed<S>>,
        report: FailureReport,
    ) -> impl Future<Output = Ended> + Send {
        let first = records.iter().find_map(|record| record.as_ref().ok());
        let route = first.and_then(|record| routes.find(record.name()));
        let concurrency = route.map_or(1, |route| route.options.concurrency);
        let order = match report {
            FailureReport::First => Order::UpToFailure,
            FailureReport::Each | FailureReport::Offsets | FailureReport::WholeBatch => {
                Order::Groups { concurrency }
            }
        };
        // Without a route it is not known whether the source reads reports. If it does not, a report would
        // lose the batch.
        let whole_batch = route.map_or(routes.any_whole_batch(), |route| route.options.whole_batch);
        let report = if whole_batch { FailureReport::WholeBatch } else { report };
        let runner = Runner { rules: self, invocation, routes, spans: OnceLock::new() };
        async move {
            let results = run(records, order, &runner).await;
            self.series.records(results.iter().map(RecordResult::ended));
            report.of(results)
        }
    }

    /// Runs an event that only a predicate can take.
    async fn whole_event(&self, invocation: Invocation) -> Ended {
        let event = invocation.event().clone();
        let deadline = invocation.deadline();
        let found = bounded(deadline, async {
            Ok(self.routes.events.iter().find(|route| (route.takes)(&event)))
        });
        match found.await {
            Ok(Some(route)) => {
                invocation.note_route(Arc::clone(&route.name));
                match bounded(deadline, (route.call)(invocation, event)).await {
                    Ok(value) => Ended::handled(Output::value(value)),
                    Err(problem) => Ended::problem(&problem),
                }
            }
            Ok(None) => self.unmatched_event(invocation, &event).await,
            Err(problem) => Ended::problem(&problem),
        }
    }

    async fn unmatched_event(&self, invocation: Invocation, event: &Event) -> Ended {
        let Some(unmatched) = &self.routes.unmatched else {
            let kind = event.kind();
            return Ended::failed(no_route(format_args!("an event of the kind {kind}")), None);
        };
        let record = Unmatched { kind: event.kind(), name: None, raw: event.raw().to_owned() };
        let deadline = invocation.deadline();
        match bounded(deadline, unmatched(invocation, record)).await {
            Ok(()) => {
                Ended { outcome: InvocationOutcome::Unmatched, ..Ended::handled(Output::nothing()) }
            }
            Err(problem) => Ended::problem(&problem),
        }
    }
}

fn no_route(what: impl fmt::Display) -> InvocationError {
    InvocationError::new(InvocationErrorKind::NoMatchingRoute, format!("no route takes {what}"))
}

fn bad_event(error: &JsonError) -> Ended {
    let message = format!("expected the records of this source: {error}");
    let failure = InvocationError::new(InvocationErrorKind::BadEvent, message);
    Ended::failed(failure, Some(error.to_string().into()))
}

/// Runs the records of one batch, each on its own route.
struct Runner<'a, S> {
    rules: &'a Rules,
    invocation: Invocation,
    routes: &'a Routes<S>,
    /// Where the records are in the text of the event. Computed for the first record that no route takes.
    spans: OnceLock<Vec<Option<Span>>>,
}

/// Where a record goes.
enum Routed {
    Handler(Arc<str>, BoxFuture<'static, Result<(), Problem>>),
    Refused(Option<Arc<str>>, Problem),
    /// No route takes this name.
    Unmatched(usize, String),
}

impl<S: Record> RecordRunner<S> for Runner<'_, S> {
    type Started = Routed;

    fn deadline(&self) -> Deadline {
        self.invocation.deadline()
    }

    fn start(&self, index: usize, record: S) -> Routed {
        let name = match self.name(&record) {
            Ok(name) => name,
            Err(problem) => return Routed::Refused(None, problem),
        };
        let Some(route) = self.routes.find(&name) else {
            return Routed::Unmatched(index, name.into_owned());
        };
        let mut invocation = self.invocation.clone();
        invocation.note_route(Arc::clone(&route.name));
        if let Some(restriction) = Restriction::of(self.rules.policy.as_ref(), &route.name) {
            if let Err(problem) = restriction.check(record.arn()) {
                return Routed::Refused(Some(Arc::clone(&route.name)), problem);
            }
            invocation = invocation.attach(restriction);
        }
        let name = Arc::clone(&route.name);
        match &route.calls {
            Calls::Each(call) => Routed::Handler(name, call(invocation, record)),
            // The route takes whole windows, but the first record of this batch went to another route.
            Calls::Window(_) => {
                Routed::Refused(Some(name), Problem::new(StatusCode::INTERNAL_SERVER_ERROR))
            }
        }
    }

    fn route(&self, record: &S) -> Option<Arc<str>> {
        let route = self.routes.find(&self.name(record).ok()?)?;
        Some(Arc::clone(&route.name))
    }

    async fn finish(&self, routed: Routed) -> RecordRun {
        match routed {
            Routed::Handler(route, work) => {
                let result = bounded(self.invocation.deadline(), work).await;
                RecordRun { result, matched: true, route: Some(route) }
            }
            Routed::Refused(route, problem) => {
                RecordRun { result: Err(problem), matched: true, route }
            }
            Routed::Unmatched(index, name) => {
                let result = Box::pin(self.unmatched_record(index, &name)).await;
                RecordRun { result, matched: false, route: None }
            }
        }
    }
}

impl<S: Record> Runner<'_, S> {
    fn name<'r>(&self, record: &'r S) -> Result<Cow<'r, str>, Problem> {
        let object = (record as &dyn Any).downcast_ref::<S3Object>();
        match (&self.rules.routes.s3_route_key, object) {
            (Some(key), Some(object)) => catch_panic(|| key(object).into()),
            _ => Ok(record.name().into()),
        }
    }

    async fn unmatched_record(&self, index: usize, name: &str) -> Result<(), Problem> {
        let Some(unmatched) = &self.rules.routes.unmatched else {
            return Err(no_route(format_args!("`{name}`")).into());
        };
        let event = self.invocation.event();
        let span = self.spans.get_or_init(|| event.record_spans()).get(index).copied().flatten();
        let raw = span.and_then(|span| serde_json::from_str(span.in_text(event.text())).ok());
        let raw = raw.unwrap_or_else(|| event.raw().to_owned());
        let record = Unmatched { kind: event.kind(), name: Some(name.to_owned()), raw };
        let deadline = self.invocation.deadline();
        bounded(deadline, unmatched(self.invocation.clone(), record)).await
    }
}
