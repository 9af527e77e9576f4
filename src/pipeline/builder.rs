use std::{fmt, future::Future, sync::Arc, time::Duration};

use axum::{Router, body::Body};
use funcify_core::Deadline;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::{
    DynamoDbRecord, Event, EventBridgeEvent, FromRecord, Invocation, KinesisRecord, Pipeline,
    Problem, RecordHandler, S3Object, SnsRecord, SqsRecord, Unmatched,
    admission::AdmissionLayer,
    pip::{Pip, PipFault},
    policy::{Policy, PolicyFault},
    routes::{BoxFuture, Call, Route, Routes, call},
    service::{Rules, Step},
};
use crate::backend::Stores;

/// The routes and rules of a function; made by [`Pipeline::builder`].
///
/// # Examples
///
/// ```
/// use axum::{Router, extract::State, routing::get};
/// use funcify::pipeline::{Message, Pipeline, Problem, S3Object, SqsRecord, via_s3};
///
/// async fn on_upload(object: S3Object) -> Result<(), Problem> {
///     println!("{}", object.key);
///     Ok(())
/// }
///
/// async fn on_order(State(shop): State<&'static str>, order: SqsRecord) -> Result<(), Problem> {
///     println!("{shop}: {}", order.body);
///     Ok(())
/// }
///
/// let router = Router::new().route("/health", get(async || "healthy"));
/// let pipeline = Pipeline::builder("shop")
///     .http(router)
///     .s3("uploads", on_upload)
///     .sqs("orders", on_order)
///     .concurrency(4)
///     .sqs("uploads-*", via_s3(on_upload))
///     .build();
/// assert!(pipeline.is_ok());
/// ```
#[must_use]
pub struct PipelineBuilder<App> {
    app: App,
    stores: Option<Stores>,
    router: Option<Router<App>>,
    routes: RecordRoutes,
    events: Vec<EventRoute>,
    s3_token: Option<S3Token>,
    unmatched: Option<Call<Unmatched>>,
    guard: Option<Step>,
    params: Option<Step>,
    pip: Option<Pip>,
    policy: Option<Policy>,
    margin: Duration,
    last: Option<Last>,
    faults: Vec<Fault>,
}

/// The routes of every source of records.
#[derive(Default)]
pub(super) struct RecordRoutes {
    pub(super) s3: Routes<S3Object>,
    pub(super) sqs: Routes<SqsRecord>,
    pub(super) sns: Routes<SnsRecord>,
    pub(super) eventbridge: Routes<EventBridgeEvent>,
    pub(super) dynamodb: Routes<DynamoDbRecord>,
    pub(super) kinesis: Routes<KinesisRecord>,
}

/// A route that takes whole events by a predicate.
pub(super) struct EventRoute {
    pub(super) name: Arc<str>,
    pub(super) takes: Box<dyn Fn(&Event) -> bool + Send + Sync>,
    pub(super) call: Call<Event, Box<RawValue>>,
}

pub(super) type S3Token = Box<dyn Fn(&S3Object) -> String + Send + Sync>;

/// The route that options are meant for.
#[derive(Clone, Copy)]
enum Last {
    Sqs,
    DynamoDb,
    Kinesis,
    Other,
}

/// Why no pipeline was built: every fault at once.
#[derive(Debug, thiserror::Error)]
#[error("the pipeline has {} faults: {}", faults.len(), Lines(faults))]
pub struct BuildError {
    faults: Vec<Fault>,
}

/// One fault of a pipeline.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Two routes of one source have one name.
    #[error("two routes of {source_name} are named `{name}`")]
    Repeated {
        /// The source: `sqs`, `s3`, …
        source_name: &'static str,
        /// The name.
        name: String,
    },
    /// An option of batches follows a route that has none.
    #[error("`{0}` must follow a route of batches")]
    Misplaced(&'static str),
    /// No record at all could ever be handled.
    #[error("expected a concurrency of at least 1")]
    NoConcurrency,
    /// A policy needs to know who is calling.
    #[error("a policy that asks for activities needs a `pip`")]
    NoPip,
    /// An entry of the policy is wrong.
    #[error(transparent)]
    Policy(PolicyFault),
    /// The `pip` is wrong.
    #[error(transparent)]
    Pip(PipFault),
}

struct Lines<'a>(&'a [Fault]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            write!(f, "{}{fault}", if index == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

impl BuildError {
    /// The faults.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }
}

impl<App: Clone + Send + Sync + 'static> PipelineBuilder<App> {
    pub(super) fn new(app: App) -> Self {
        Self {
            app,
            stores: None,
            router: None,
            routes: RecordRoutes::default(),
            events: Vec::new(),
            s3_token: None,
            unmatched: None,
            guard: None,
            params: None,
            pip: None,
            policy: None,
            margin: Deadline::WORK_MARGIN,
            last: None,
            faults: Vec::new(),
        }
    }

    /// Hands the configured backend to handlers: [`Invocation::stores`].
    pub fn backend(mut self, stores: Stores) -> Self {
        self.stores = Some(stores);
        self
    }

    /// Routes HTTP events by an axum router: API Gateway, function URLs, ALB, VPC Lattice.
    ///
    /// WebSocket events are a POST to the route's key: `/$connect`, `/$disconnect`, `/$default`,
    /// `/send`.
    pub fn http(mut self, router: Router<App>) -> Self {
        self.router = Some(router);
        self.last = Some(Last::Other);
        self
    }

    /// Routes objects of S3 by the bucket's name up to its first dot.
    ///
    /// A name may end in `*`; the longest literal wins. All objects of an event are tried, the
    /// invocation fails if any of them did.
    pub fn s3<R, Args>(
        mut self,
        bucket: &str,
        handler: impl RecordHandler<App, R, Args, Output = ()>,
    ) -> Self
    where
        R: FromRecord<S3Object>,
    {
        self.routes.s3.push(bucket, call(self.app.clone(), handler));
        self.last = Some(Last::Other);
        self
    }

    /// Names objects of S3 for their routes in another way than by their bucket.
    pub fn s3_token(mut self, token: impl Fn(&S3Object) -> String + Send + Sync + 'static) -> Self {
        self.s3_token = Some(Box::new(token));
        self
    }

    /// Routes messages of SQS by the queue's name.
    ///
    /// The answer reports the messages that failed, so the event source mapping **must** have
    /// `ReportBatchItemFailures`: without it every failure would be acknowledged in silence. Where
    /// it cannot have it, say [`whole_batch`](Self::whole_batch). In a FIFO queue a failure stops
    /// its message group.
    pub fn sqs<R, Args>(
        mut self,
        queue: &str,
        handler: impl RecordHandler<App, R, Args, Output = ()>,
    ) -> Self
    where
        R: FromRecord<SqsRecord>,
    {
        self.routes.sqs.push(queue, call(self.app.clone(), handler));
        self.last = Some(Last::Sqs);
        self
    }

    /// Handles up to `concurrency` messages of the [`sqs`](Self::sqs) route before it at once.
    pub fn concurrency(mut self, concurrency: usize) -> Self {
        if concurrency == 0 {
            self.faults.push(Fault::NoConcurrency);
        }
        match (self.last, self.routes.sqs.last()) {
            (Some(Last::Sqs), Some(route)) => route.concurrency = concurrency,
            _ => self.faults.push(Fault::Misplaced("concurrency")),
        }
        self
    }

    /// Fails the whole batch of the route before it if one record fails.
    ///
    /// For event source mappings without `ReportBatchItemFailures`.
    pub fn whole_batch(mut self) -> Self {
        let set = match self.last {
            Some(Last::Sqs) => whole(self.routes.sqs.last()),
            Some(Last::DynamoDb) => whole(self.routes.dynamodb.last()),
            Some(Last::Kinesis) => whole(self.routes.kinesis.last()),
            Some(Last::Other) | None => false,
        };
        if !set {
            self.faults.push(Fault::Misplaced("whole_batch"));
        }
        self
    }

    /// Routes notifications of SNS by the topic's name.
    pub fn sns<R, Args>(
        mut self,
        topic: &str,
        handler: impl RecordHandler<App, R, Args, Output = ()>,
    ) -> Self
    where
        R: FromRecord<SnsRecord>,
    {
        self.routes.sns.push(topic, call(self.app.clone(), handler));
        self.last = Some(Last::Other);
        self
    }

    /// Routes events of EventBridge by their detail type.
    pub fn eventbridge<R, Args>(
        mut self,
        detail_type: &str,
        handler: impl RecordHandler<App, R, Args, Output = ()>,
    ) -> Self
    where
        R: FromRecord<EventBridgeEvent>,
    {
        self.routes.eventbridge.push(detail_type, call(self.app.clone(), handler));
        self.last = Some(Last::Other);
        self
    }

    /// Routes records of a DynamoDB stream by the table's name.
    ///
    /// In order, up to the first failure, which the answer reports: the event source mapping
    /// **must** have `ReportBatchItemFailures`, else say [`whole_batch`](Self::whole_batch).
    pub fn dynamodb_stream<R, Args>(
        mut self,
        table: &str,
        handler: impl RecordHandler<App, R, Args, Output = ()>,
    ) -> Self
    where
        R: FromRecord<DynamoDbRecord>,
    {
        self.routes.dynamodb.push(table, call(self.app.clone(), handler));
        self.last = Some(Last::DynamoDb);
        self
    }

    /// Routes records of a Kinesis stream by the stream's name.
    ///
    /// In order, up to the first failure, which the answer reports: the event source mapping
    /// **must** have `ReportBatchItemFailures`, else say [`whole_batch`](Self::whole_batch).
    pub fn kinesis<R, Args>(
        mut self,
        stream: &str,
        handler: impl RecordHandler<App, R, Args, Output = ()>,
    ) -> Self
    where
        R: FromRecord<KinesisRecord>,
    {
        self.routes.kinesis.push(stream, call(self.app.clone(), handler));
        self.last = Some(Last::Kinesis);
        self
    }

    /// Routes whole events by a predicate, what the handler answers is the function's answer.
    ///
    /// For direct invocations, Cognito, Kafka, authorizers: asked in order for every event that
    /// none of the other kinds of routes is for. `name` is for the log.
    pub fn event<R, Args, T>(
        mut self,
        name: &str,
        takes: impl Fn(&Event) -> bool + Send + Sync + 'static,
        handler: impl RecordHandler<App, R, Args, Output = T>,
    ) -> Self
    where
        R: FromRecord<Event>,
        T: Serialize + 'static,
    {
        let call = call(self.app.clone(), handler);
        let answer: Call<Event, Box<RawValue>> = Arc::new(move |invocation, event| {
            let output = call(invocation, event);
            Box::pin(async move { Ok(to_raw_value(&output.await?)?) })
        });
        self.events.push(EventRoute { name: name.into(), takes: Box::new(takes), call: answer });
        self.last = Some(Last::Other);
        self
    }

    /// Takes what no route takes, events and records.
    ///
    /// Without it they fail, as `NO_MATCHING_ROUTE`. What no HTTP route takes is for the router's
    /// fallback.
    pub fn unmatched<R, Args>(
        mut self,
        handler: impl RecordHandler<App, R, Args, Output = ()>,
    ) -> Self
    where
        R: FromRecord<Unmatched>,
    {
        self.unmatched = Some(call(self.app.clone(), handler));
        self
    }

    /// Runs before anything else of yours, and may refuse.
    pub fn guard<F, Fut>(mut self, guard: F) -> Self
    where
        F: Fn(Invocation) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Invocation, Problem>> + Send + 'static,
    {
        self.guard = Some(step(guard));
        self
    }

    /// Runs after the guard, reads what handlers need, and may refuse.
    pub fn params<F, Fut>(mut self, params: F) -> Self
    where
        F: Fn(Invocation) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Invocation, Problem>> + Send + 'static,
    {
        self.params = Some(step(params));
        self
    }

    /// Finds out who is calling, if a policy or a handler asks.
    pub fn pip(mut self, pip: Pip) -> Self {
        self.pip = Some(pip);
        self
    }

    /// Says who may do what. What it does not list is refused, by HTTP and from other sources;
    /// without a policy everything is allowed.
    ///
    /// The router's fallback cannot be listed: under a policy, what no route takes is answered 404
    /// without it.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = Some(policy);
        self
    }

    /// Leaves Lambda more or less time than [`Deadline::WORK_MARGIN`] at the end of an invocation.
    pub fn deadline_margin(mut self, margin: Duration) -> Self {
        self.margin = margin;
        self
    }

    /// Builds the pipeline.
    ///
    /// # Errors
    ///
    /// [`BuildError`] with every fault at once.
    pub fn build(self) -> Result<Pipeline, BuildError> {
        let faults = self.faults();
        if !faults.is_empty() {
            return Err(BuildError { faults });
        }
        let policy = self.policy.map(Arc::new);
        let app = self.app;
        let layer = AdmissionLayer(policy.clone());
        let router = self
            .router
            .map(|router| router.with_state::<()>(app).layer(layer).into_service::<Body>());
        Ok(Pipeline::new(Rules {
            router,
            routes: self.routes,
            events: self.events,
            s3_token: self.s3_token,
            unmatched: self.unmatched,
            guard: self.guard,
            params: self.params,
            stores: self.stores,
            pip: self.pip,
            policy,
            margin: self.margin,
        }))
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults = self.faults.clone();
        let routes = &self.routes;
        repeated("s3", &routes.s3, &mut faults);
        repeated("sqs", &routes.sqs, &mut faults);
        repeated("sns", &routes.sns, &mut faults);
        repeated("eventbridge", &routes.eventbridge, &mut faults);
        repeated("dynamodb_stream", &routes.dynamodb, &mut faults);
        repeated("kinesis", &routes.kinesis, &mut faults);
        if let Some(pip) = &self.pip {
            faults.extend(pip.faults().into_iter().map(Fault::Pip));
        }
        if let Some(policy) = &self.policy {
            faults.extend(policy.faults().into_iter().map(Fault::Policy));
            if self.pip.is_none() && self.router.is_some() {
                faults.push(Fault::NoPip);
            }
        }
        faults
    }
}

fn step<F, Fut>(step: F) -> Step
where
    F: Fn(Invocation) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Invocation, Problem>> + Send + 'static,
{
    Box::new(move |invocation| -> BoxFuture<_> { Box::pin(step(invocation)) })
}

fn whole<S>(route: Option<&mut Route<S>>) -> bool {
    route.map(|route| route.whole_batch = true).is_some()
}

fn repeated<S>(source_name: &'static str, routes: &Routes<S>, faults: &mut Vec<Fault>) {
    let repeated = routes.repeated();
    faults.extend(repeated.map(|name| Fault::Repeated { source_name, name: (**name).to_owned() }));
}

impl<App> fmt::Debug for PipelineBuilder<App> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PipelineBuilder").finish_non_exhaustive()
    }
}
