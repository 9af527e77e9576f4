mod sources;

use std::{fmt, future::Future, sync::Arc, time::Duration};

use axum::{Router, body::Body};
use funcify_core::Deadline;

use crate::auth::authenticator::{Authenticator, Identify};
use crate::auth::policy::AccessPolicy;
use crate::pipeline::admission::AdmissionLayer;
use crate::pipeline::records::routes::{
    BoxFuture, Call, EventRoute, RecordRoutes, Routes, S3RouteKey,
};
use crate::pipeline::service::{Rules, Step};
use crate::pipeline::{BuildError, Fault, Invocation, Pipeline, Unmatched};
use crate::problem::Problem;
use crate::stores::Stores;

/// The routes and rules of a function; made by [`Pipeline::builder`].
///
/// # Examples
///
/// ```
/// use axum::{Router, extract::State, routing::get};
/// use funcify::pipeline::{Pipeline, Problem, S3Object, SqsRecord, via_s3};
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
    s3_route_key: Option<S3RouteKey>,
    unmatched: Option<Call<Unmatched>>,
    guard: Option<Step>,
    params: Option<Step>,
    authenticator: Option<Box<dyn Identify>>,
    policy: Option<AccessPolicy>,
    margin: Duration,
    last: Option<Last>,
    faults: Vec<Fault>,
}

/// The route that options are meant for.
#[derive(Clone, Copy)]
enum Last {
    Sqs,
    DynamoDb,
    Kinesis,
    Other,
}

impl<App: Clone + Send + Sync + 'static> PipelineBuilder<App> {
    pub(crate) fn new(app: App) -> Self {
        Self {
            app,
            stores: None,
            router: None,
            routes: RecordRoutes::default(),
            events: Vec::new(),
            s3_route_key: None,
            unmatched: None,
            guard: None,
            params: None,
            authenticator: None,
            policy: None,
            margin: Deadline::WORK_MARGIN,
            last: None,
            faults: Vec::new(),
        }
    }

    /// Hands the configured backend to handlers: [`Invocation::stores`].
    pub fn backend(mut self, stores: Stores) -> Self {
        self.once("backend", self.stores.is_some());
        self.stores = Some(stores);
        self
    }

    /// Routes HTTP events by an axum router: API Gateway, function URLs, ALB, VPC Lattice.
    ///
    /// WebSocket events are a POST to the route's key: `/$connect`, `/$disconnect`, `/$default`,
    /// `/send`.
    pub fn http(mut self, router: Router<App>) -> Self {
        self.once("http", self.router.is_some());
        self.router = Some(router);
        self.last = Some(Last::Other);
        self
    }

    /// Runs before anything else of yours, and may refuse.
    pub fn guard<F, Fut>(mut self, guard: F) -> Self
    where
        F: Fn(Invocation) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Invocation, Problem>> + Send + 'static,
    {
        self.once("guard", self.guard.is_some());
        self.guard = Some(step(guard));
        self
    }

    /// Runs after the guard, reads what handlers need, and may refuse.
    pub fn params<F, Fut>(mut self, params: F) -> Self
    where
        F: Fn(Invocation) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Invocation, Problem>> + Send + 'static,
    {
        self.once("params", self.params.is_some());
        self.params = Some(step(params));
        self
    }

    /// Finds out who is calling, if a policy or a handler asks.
    pub fn authenticator(mut self, authenticator: Authenticator) -> Self {
        self.once("authenticator", self.authenticator.is_some());
        self.authenticator = Some(Box::new(authenticator));
        self
    }

    /// Says who may do what: HTTP routes that it does not list are refused, and routes for which it
    /// names sources take from no others. Without a policy everything is allowed.
    ///
    /// The router's fallback cannot be listed: under a policy, what no route takes is answered 404
    /// without it.
    pub fn policy(mut self, policy: AccessPolicy) -> Self {
        self.once("policy", self.policy.is_some());
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
            return Err(BuildError::new(faults));
        }
        let policy = self.policy.map(Arc::new);
        let authenticator = match (self.authenticator, &self.stores) {
            (Some(authenticator), Some(stores)) => {
                Some(authenticator.with_circuits(&stores.circuits))
            }
            (authenticator, _) => authenticator,
        };
        let app = self.app;
        let layer = AdmissionLayer(policy.clone());
        let router = self
            .router
            .map(|router| router.with_state::<()>(app).layer(layer).into_service::<Body>());
        Ok(Pipeline::new(Rules {
            router,
            routes: self.routes,
            events: self.events,
            s3_route_key: self.s3_route_key,
            unmatched: self.unmatched,
            guard: self.guard,
            params: self.params,
            stores: self.stores,
            authenticator: authenticator.map(Arc::from),
            policy,
            margin: self.margin,
        }))
    }

    /// A second guard would put the first out of work, and nobody would know.
    pub(in crate::pipeline) fn once(&mut self, what: &'static str, is_there: bool) {
        if is_there {
            self.faults.push(Fault::Twice(what));
        }
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults = self.faults.clone();
        let routes = &self.routes;
        // The characters that no name of this source has.
        let buckets: &[char] = if self.s3_route_key.is_some() { &[] } else { &[':', '.'] };
        named("s3", &routes.s3, buckets, &mut faults);
        named("sqs", &routes.sqs, &[':'], &mut faults);
        named("sns", &routes.sns, &[':'], &mut faults);
        named("eventbridge", &routes.eventbridge, &[], &mut faults);
        named("dynamodb_stream", &routes.dynamodb, &[':'], &mut faults);
        named("kinesis", &routes.kinesis, &[':'], &mut faults);
        if let Some(authenticator) = &self.authenticator {
            faults.extend(authenticator.faults().into_iter().map(Fault::Authenticator));
        }
        if let Some(policy) = &self.policy {
            faults.extend(policy.faults().into_iter().map(Fault::AccessPolicy));
            if self.authenticator.is_none() && self.router.is_some() {
                faults.push(Fault::NoPip);
            }
            let unknown = policy.sources().filter(|name| !routes.has_arn_of(name));
            faults.extend(unknown.map(|name| Fault::NoSource { name: name.to_owned() }));
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

fn named<S>(
    source_name: &'static str,
    routes: &Routes<S>,
    foreign: &[char],
    faults: &mut Vec<Fault>,
) {
    for name in routes.repeated() {
        faults.push(Fault::Repeated { source_name, name: (**name).to_owned() });
    }
    for name in routes.names() {
        let literal = name.strip_suffix('*').unwrap_or(name);
        if name.is_empty() || literal.contains('*') || literal.contains(foreign) {
            faults.push(Fault::Name { source_name, name: name.to_owned() });
        }
    }
}

impl<App> fmt::Debug for PipelineBuilder<App> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PipelineBuilder").finish_non_exhaustive()
    }
}
