//! Events that are delivered rather than asked: to the routes of their source.

use std::{any::Any, borrow::Cow, fmt, future::ready, sync::Arc};

use funcify_core::Deadline;
use futures_util::future::Either;
use http::StatusCode;

use crate::json::{JsonError, decode};
use crate::pipeline::bounded::{at_once, within};
use crate::pipeline::records::batch::{Order, Turn, Turns, Verdict, run};
use crate::pipeline::records::parsed::Parsed;
use crate::pipeline::records::routes::{BoxFuture, Routes};
use crate::pipeline::records::{Record, parsed};
use crate::pipeline::service::{Ended, Rules};
use crate::pipeline::{
    Event, EventBridgeEvent, Failure, FailureKind, Invocation, InvocationOutcome, Kind, Output,
    S3Object, Unmatched,
};
use crate::problem::Problem;

/// How a source learns what failed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Report {
    /// The messages that failed.
    Failures,
    /// The first record that failed.
    Lowest,
    /// All or nothing.
    Whole,
}

impl Rules {
    /// Runs an event that no router takes.
    pub(crate) async fn delivery(&self, invocation: Invocation) -> Ended {
        let admitted = match (&self.guard, &self.params) {
            // Nobody to wait for.
            (None, None) if !invocation.deadline().total().is_zero() => Ok(invocation),
            _ => Box::pin(within(invocation.deadline(), self.admit(invocation))).await,
        };
        let invocation = match admitted {
            Ok(invocation) => invocation,
            Err(problem) => return Ended::problem(&problem),
        };
        let routes = &self.routes;
        match invocation.kind() {
            // S3 says that it may send: nothing to do.
            Kind::S3TestEvent => Ended::handled(Output::Nothing),
            Kind::S3 if !routes.s3.is_empty() => {
                self.records(invocation, &routes.s3, Report::Whole).await
            }
            Kind::Sqs | Kind::SqsS3 | Kind::SqsSns | Kind::SqsSnsS3 | Kind::SqsEventBridge
                if !routes.sqs.is_empty() =>
            {
                self.records(invocation, &routes.sqs, Report::Failures).await
            }
            Kind::Sns | Kind::SnsS3 if !routes.sns.is_empty() => {
                self.records(invocation, &routes.sns, Report::Whole).await
            }
            Kind::DynamoDbStream if !routes.dynamodb.is_empty() => {
                self.records(invocation, &routes.dynamodb, Report::Lowest).await
            }
            Kind::Kinesis if !routes.kinesis.is_empty() => {
                self.records(invocation, &routes.kinesis, Report::Lowest).await
            }
            Kind::EventBridge | Kind::EventBridgeS3 if !routes.eventbridge.is_empty() => {
                self.bus_event(invocation).await
            }
            _ => self.event(invocation).await,
        }
    }

    fn records<'a, S: Record>(
        &'a self,
        invocation: Invocation,
        routes: &'a Routes<S>,
        report: Report,
    ) -> impl Future<Output = Ended> + Send {
        let event = invocation.event();
        let json = event.recognised().records(event.text()).unwrap_or("[]");
        // All at once, as it nearly always goes well; else one by one, to see which are at fault.
        let records = match decode::records::<S>(json) {
            Ok(records) => Ok(records.into_iter().map(Ok).collect()),
            Err(_) => parsed::one_by_one::<S>(json),
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
                Either::Left(self.batch(invocation, routes, event, Report::Whole))
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
        report: Report,
    ) -> impl Future<Output = Ended> + Send {
        let first = records.iter().find_map(|record| record.as_ref().ok());
        let route = first.and_then(|record| routes.find(record.name()));
        let concurrency = route.map_or(1, |route| route.concurrency);
        let order = match report {
            Report::Lowest => Order::UpToFailure,
            Report::Failures | Report::Whole => Order::Groups { concurrency },
        };
        // Where nobody knows the route, a report that the source may not read would lose the batch.
        let whole = route.map_or(routes.any_whole_batch(), |route| route.whole_batch);
        let report = if whole { Report::Whole } else { report };
        let source = Source { rules: self, invocation, routes };
        async move { report.of(run(records, order, &source).await) }
    }

    /// An event that only a predicate can take.
    async fn event(&self, invocation: Invocation) -> Ended {
        let event = invocation.event().clone();
        let deadline = invocation.deadline();
        let found =
            within(deadline, async { Ok(self.events.iter().find(|route| (route.takes)(&event))) });
        match found.await {
            Ok(Some(route)) => {
                invocation.took(Arc::clone(&route.name));
                match within(deadline, (route.call)(invocation, event)).await {
                    Ok(answer) => Ended::handled(Output::Value(answer)),
                    Err(problem) => Ended::problem(&problem),
                }
            }
            Ok(None) => self.whole_unmatched(invocation, &event).await,
            Err(problem) => Ended::problem(&problem),
        }
    }

    async fn whole_unmatched(&self, invocation: Invocation, event: &Event) -> Ended {
        let Some(unmatched) = &self.unmatched else {
            let kind = event.kind();
            return Ended::failed(no_route(format_args!("an event of the kind {kind}")), None);
        };
        let raw = event.raw().to_owned();
        let record = Unmatched { kind: event.kind(), name: None, raw };
        let deadline = invocation.deadline();
        match within(deadline, unmatched(invocation, record)).await {
            Ok(()) => {
                Ended { outcome: InvocationOutcome::Unmatched, ..Ended::handled(Output::Nothing) }
            }
            Err(problem) => Ended::problem(&problem),
        }
    }
}

fn no_route(what: impl fmt::Display) -> Failure {
    Failure::new(FailureKind::NoMatchingRoute, format!("no route takes {what}"))
}

fn bad_event(error: &JsonError) -> Ended {
    let message = format!("expected the records of this source: {error}");
    Ended::failed(Failure::new(FailureKind::BadEvent, message), Some(error.to_string().into()))
}

/// The routes of one source, for the records of one batch.
struct Source<'a, S> {
    rules: &'a Rules,
    invocation: Invocation,
    routes: &'a Routes<S>,
}

/// Where a record goes.
enum Routed {
    Call(BoxFuture<Result<(), Problem>>),
    Refused(Problem),
    /// No route takes this name.
    Nowhere(usize, String),
}

impl<S: Record> Turns<S> for Source<'_, S> {
    type Begun = Routed;

    fn deadline(&self) -> Deadline {
        self.invocation.deadline()
    }

    fn begin(&self, index: usize, record: S) -> Routed {
        let name = match self.name(&record) {
            Ok(name) => name,
            Err(problem) => return Routed::Refused(problem),
        };
        let Some(route) = self.routes.find(&name) else {
            return Routed::Nowhere(index, name.into_owned());
        };
        let invocation = self.invocation.clone();
        invocation.took(Arc::clone(&route.name));
        let policy = self.rules.policy.as_ref();
        if policy.is_some_and(|policy| !policy.source_allowed(&route.name, record.arn())) {
            let problem = Problem::new(StatusCode::FORBIDDEN)
                .detail(format!("the policy does not let {} take this", route.name));
            return Routed::Refused(problem.refused());
        }
        Routed::Call((route.call)(invocation, record))
    }

    async fn end(&self, routed: Routed) -> Turn {
        match routed {
            Routed::Call(work) => {
                let result = within(self.invocation.deadline(), work).await;
                Turn { result, matched: true }
            }
            Routed::Refused(problem) => Turn { result: Err(problem), matched: true },
            Routed::Nowhere(index, name) => {
                let result = Box::pin(self.unmatched(index, &name)).await;
                Turn { result, matched: false }
            }
        }
    }
}

impl<S: Record> Source<'_, S> {
    fn name<'r>(&self, record: &'r S) -> Result<Cow<'r, str>, Problem> {
        let object = (record as &dyn Any).downcast_ref::<S3Object>();
        match (&self.rules.s3_route_key, object) {
            (Some(token), Some(object)) => at_once(|| token(object).into()),
            _ => Ok(record.name().into()),
        }
    }

    async fn unmatched(&self, index: usize, name: &str) -> Result<(), Problem> {
        let Some(unmatched) = &self.rules.unmatched else {
            return Err(no_route(format_args!("`{name}`")).into());
        };
        let event = self.invocation.event();
        let records = event.records();
        let raw = records.get(index).copied().unwrap_or(event.raw()).to_owned();
        let record = Unmatched { kind: event.kind(), name: Some(name.to_owned()), raw };
        let deadline = self.invocation.deadline();
        within(deadline, unmatched(self.invocation.clone(), record)).await
    }
}

impl Report {
    fn of(self, verdicts: Vec<Verdict>) -> Ended {
        let total = verdicts.len();
        let unmatched = verdicts.iter().any(|verdict| !verdict.matched);
        let failed: Vec<_> = verdicts
            .into_iter()
            .filter_map(|Verdict { id, problem, matched, .. }| Some((id, problem?, matched)))
            .collect();
        let Some((lowest, problem, _)) = failed.first() else {
            let answer = match self {
                Self::Whole => Output::Nothing,
                Self::Failures | Self::Lowest => Output::Batch { failures: Vec::new() },
            };
            let outcome =
                if unmatched { InvocationOutcome::Unmatched } else { InvocationOutcome::Handled };
            return Ended { outcome, ..Ended::handled(answer) };
        };
        let no_route = failed.iter().all(|(_, _, matched)| !matched);
        let refused = failed.iter().all(|(_, problem, _)| problem.is_refusal());
        let outcome = match (no_route, refused) {
            (true, _) => InvocationOutcome::Unmatched,
            (_, true) => InvocationOutcome::Refused,
            _ => InvocationOutcome::Failed,
        };
        let cause: Arc<str> =
            format!("{} of {total} records failed, the first: {problem}", failed.len()).into();
        let reported = match self {
            Self::Lowest => 1,
            Self::Failures | Self::Whole => failed.len(),
        };
        // A failure that cannot be named cannot be reported: all of them come again.
        let nameless = failed.iter().take(reported).any(|(id, ..)| id.is_empty());
        let result = match if nameless { Self::Whole } else { self } {
            Self::Lowest => Ok(Output::Batch { failures: vec![lowest.clone()] }),
            Self::Failures => {
                Ok(Output::Batch { failures: failed.into_iter().map(|(id, ..)| id).collect() })
            }
            Self::Whole => {
                let kind = match outcome {
                    InvocationOutcome::Unmatched => FailureKind::NoMatchingRoute,
                    InvocationOutcome::Refused => FailureKind::Refused,
                    _ => FailureKind::RecordsFailed,
                };
                let message = format!("{} of {total} records failed", failed.len());
                Err(Failure::new(kind, message))
            }
        };
        Ended { outcome, result, cause: Some(cause) }
    }
}
