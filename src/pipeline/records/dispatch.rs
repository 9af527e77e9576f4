//! Brings records and whole events to their routes.

use std::{
    any::Any,
    borrow::Cow,
    fmt,
    future::ready,
    sync::{Arc, OnceLock},
};

use funcify_core::Deadline;
use futures_util::future::{BoxFuture, Either};

use crate::json::{JsonError, decode, text::Span};
use crate::pipeline::bounded::{bounded, catch_panic};
use crate::pipeline::ended::Ended;
use crate::pipeline::event::Event;
use crate::pipeline::event::kind::Kind;
use crate::pipeline::invocation::Invocation;
use crate::pipeline::outcome::{InvocationError, InvocationErrorKind, InvocationOutcome};
use crate::pipeline::output::Output;
use crate::pipeline::records::batch::{Order, RecordRun, RecordRunner, run};
use crate::pipeline::records::eventbridge::EventBridgeEvent;
use crate::pipeline::records::parsed::{Parsed, parse_each};
use crate::pipeline::records::record::Record;
use crate::pipeline::records::report::FailureReport;
use crate::pipeline::records::restriction::Restriction;
use crate::pipeline::records::routes::Routes;
use crate::pipeline::records::s3::S3Object;
use crate::pipeline::records::unmatched::Unmatched;
use crate::pipeline::rules::Rules;
use crate::problem::Problem;

impl Rules {
    /// Runs an event that the router does not take.
    pub(crate) async fn dispatch(&self, invocation: Invocation) -> Ended {
        // Without guards there is nothing to wait for.
        let admitted = match self.guards.is_empty() && !invocation.deadline().total().is_zero() {
            true => Ok(invocation),
            false => Box::pin(bounded(invocation.deadline(), self.guards.admit(invocation))).await,
        };
        let invocation = match admitted {
            Ok(invocation) => invocation,
            Err(problem) => return Ended::problem(&problem),
        };
        let routes = &self.routes;
        match invocation.event().kind() {
            // S3 sends it when somebody configures notifications. There is nothing to do.
            Kind::S3TestEvent => Ended::handled(Output::nothing()),
            Kind::S3 if !routes.s3.is_empty() => {
                self.records(invocation, &routes.s3, FailureReport::WholeBatch).await
            }
            Kind::Sqs | Kind::SqsS3 | Kind::SqsSns | Kind::SqsSnsS3 | Kind::SqsEventBridge
                if !routes.sqs.is_empty() =>
            {
                self.records(invocation, &routes.sqs, FailureReport::Each).await
            }
            Kind::Sns | Kind::SnsS3 if !routes.sns.is_empty() => {
                self.records(invocation, &routes.sns, FailureReport::WholeBatch).await
            }
            Kind::DynamoDbStream if !routes.dynamodb.is_empty() => {
                self.records(invocation, &routes.dynamodb, FailureReport::First).await
            }
            Kind::Kinesis if !routes.kinesis.is_empty() => {
                self.records(invocation, &routes.kinesis, FailureReport::First).await
            }
            Kind::EventBridge | Kind::EventBridgeS3 if !routes.eventbridge.is_empty() => {
                self.bus_event(invocation).await
            }
            _ => self.whole_event(invocation).await,
        }
    }

    fn records<'a, S: Record>(
        &'a self,
        invocation: Invocation,
        routes: &'a Routes<S>,
        report: FailureReport,
    ) -> impl Future<Output = Ended> + Send {
        let json = invocation.event().records().unwrap_or("[]");
        // All at once, since nearly every batch is well formed. If this one is not, each record by
        // itself.
        let records = match decode::records::<S>(json) {
            Ok(records) => Ok(records.into_iter().map(Ok).collect()),
            Err(_) => parse_each::<S>(json),
        };
        match records {
            Ok(records) => Either::Left(self.batch(invocation, routes, records, report)),
            Err(error) => Either::Right(ready(bad_event(&error))),
        }
    }

    fn bus_event(&self, invocation: Invocation) -> impl Future<Output = Ended> + Send {
        let text = invocation.event().text();
        match serde_json::from_str::<EventBridgeEvent>(text) {
            Ok(event) => {
                let (routes, event) = (&self.routes.eventbridge, vec![Ok(event)]);
                Either::Left(self.batch(invocation, routes, event, FailureReport::WholeBatch))
            }
            Err(error) => {
                let error = JsonError::of::<EventBridgeEvent>(text, &error);
                Either::Right(ready(bad_event(&error)))
            }
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
            FailureReport::Each | FailureReport::WholeBatch => Order::Groups { concurrency },
        };
        // Without a route nobody knows whether the source reads reports. If it does not, a report would
        // lose the batch.
        let whole_batch = route.map_or(routes.any_whole_batch(), |route| route.options.whole_batch);
        let report = if whole_batch { FailureReport::WholeBatch } else { report };
        let runner = Runner { rules: self, invocation, routes, spans: OnceLock::new() };
        async move { report.of(run(records, order, &runner).await) }
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
    /// Where the records are in the text of the event, if a record that no route takes was found.
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
        Routed::Handler(Arc::clone(&route.name), (route.call)(invocation, record))
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
