use std::{
    fmt,
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{
    body::Body,
    extract::{DefaultBodyLimit, Request},
    response::Response,
    routing::RouterIntoService,
};
use funcify_core::Deadline;
use lambda_runtime::LambdaEvent;
use serde_json::value::RawValue;
use tower::Service;
use tracing::Instrument;

use crate::auth::authenticator::Identify;
use crate::auth::policy::AccessPolicy;
use crate::pipeline::bounded::within;
use crate::pipeline::http::format::Form;
use crate::pipeline::http::request::Parts;
use crate::pipeline::http::response::BodyTo;
use crate::pipeline::invocation::Authorization;
use crate::pipeline::log::Line;
use crate::pipeline::records::routes::{BoxFuture, Call, EventRoute, RecordRoutes, S3RouteKey};
use crate::pipeline::{
    Event, Failure, FailureKind, HttpOutput, Invocation, InvocationOutcome, Kind, Output,
    PipelineBuilder, Processed, Unmatched, log,
};
use crate::problem::{Cause, Problem};
use crate::stores::Stores;
use crate::trace::TraceContext;

/// From the event of whatever source to a handler, and back to the right answer.
///
/// A [`tower::Service`] for `lambda_runtime`, always ready, cheap to clone, and one at a time or
/// many at once are the same to it. [`crate::run`] runs it on Lambda, [`crate::local`] on
/// a developer's machine.
///
/// An event passes, outermost first: trace, errors to responses, deadline, panics caught, guard,
/// params, route, policy, handler.
///
/// # Examples
///
/// ```
/// use axum::{Router, extract::State, routing::get};
/// use funcify::{pipeline::Pipeline, testing};
///
/// async fn greet(State(greeting): State<&'static str>) -> &'static str {
///     greeting
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let router = Router::new().route("/hello", get(greet));
/// let pipeline = Pipeline::builder("good morning").http(router).build()?;
/// let answer = testing::rest_get("/hello").send(&pipeline).await?;
/// assert_eq!(answer.http().unwrap().body(), "good morning");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct Pipeline(Arc<Inner>);

struct Inner {
    rules: Rules,
    is_cold: AtomicBool,
}

/// Guard and params.
pub(super) type Step =
    Box<dyn Fn(Invocation) -> BoxFuture<Result<Invocation, Problem>> + Send + Sync>;

/// Everything that was configured.
pub(super) struct Rules {
    pub(super) router: Option<RouterIntoService<Body>>,
    pub(super) routes: RecordRoutes,
    pub(super) events: Vec<EventRoute>,
    pub(super) s3_route_key: Option<S3RouteKey>,
    pub(super) unmatched: Option<Call<Unmatched>>,
    pub(super) guard: Option<Step>,
    pub(super) params: Option<Step>,
    pub(super) stores: Option<Stores>,
    pub(super) authenticator: Option<Arc<dyn Identify>>,
    pub(super) policy: Option<Arc<AccessPolicy>>,
    pub(super) margin: Duration,
}

impl Pipeline {
    /// Begins a pipeline whose handlers share `app`, as axum's state.
    pub fn builder<App: Clone + Send + Sync + 'static>(app: App) -> PipelineBuilder<App> {
        PipelineBuilder::new(app)
    }

    pub(super) fn new(rules: Rules) -> Self {
        Self(Arc::new(Inner { rules, is_cold: AtomicBool::new(true) }))
    }

    /// Runs one event and tells what became of it.
    pub fn process(
        &self,
        event: LambdaEvent<Box<RawValue>>,
    ) -> impl Future<Output = Processed> + Send {
        self.process_to(event, BodyTo::Memory)
    }

    /// The same, and says what becomes of the body of an HTTP response.
    pub(super) async fn process_to(
        &self,
        event: LambdaEvent<Box<RawValue>>,
        body_to: BodyTo,
    ) -> Processed {
        let line = Line::begin(self.0.is_cold.swap(false, Ordering::Relaxed));
        let span = log::span(&event.context);
        // Before anything waits, so that nothing that waits has room for what came.
        let begun = span.in_scope(|| self.begin(event, &line));
        // Pinned where it is: moved into what is around it, it would be copied whole each time.
        let work = pin!(async {
            let processed = match begun {
                Ok(begun) => self.0.rules.run(begun, body_to).await,
                Err(processed) => *processed,
            };
            line.end(&processed);
            processed
        });
        work.instrument(span).await
    }

    pub(super) fn deadline(&self, context: &lambda_runtime::Context) -> Deadline {
        Deadline::of_invocation(left(context.deadline), self.0.rules.margin)
    }

    /// What needs no waiting: recognises the event, and reads the request that it makes.
    fn begin(
        &self,
        event: LambdaEvent<Box<RawValue>>,
        line: &Line,
    ) -> Result<Begun, Box<Processed>> {
        let LambdaEvent { payload, context, .. } = event;
        let deadline = self.deadline(&context);
        let event = Event::recognise(payload).map_err(|error| {
            line.start(Kind::Unknown);
            let failure = Failure::new(FailureKind::BadEvent, error.to_string());
            Box::new(Ended::failed(failure, Problem::from(error).cause()).of(Kind::Unknown, None))
        })?;
        let kind = event.kind();
        line.start(kind);
        let rules = &self.0.rules;
        let parts = match &rules.router {
            Some(_) if kind.is_http() => Some(event.request().map_err(|refused| {
                let answer = HttpOutput::problem(refused.into(), Form::of(&event));
                Box::new(Ended::http(answer, true).of(kind, None))
            })?),
            _ => None,
        };
        let headers = parts.as_ref().map(|parts| &parts.headers);
        let trace = headers.map(TraceContext::from).unwrap_or_default();
        let trace = match &context.xray_trace_id {
            Some(id) => trace.with_xray(id),
            None => trace,
        };
        let authorization = headers.map_or(Authorization::None, Authorization::of);
        let provided = (rules.stores.clone(), rules.authenticator.clone());
        let invocation = Invocation::new(event, context, deadline, trace, authorization, provided);
        Ok(Begun { invocation, parts })
    }
}

/// An event that was recognised, and the request that it makes where there is a router for it.
struct Begun {
    invocation: Invocation,
    parts: Option<Parts>,
}

impl Rules {
    async fn run(&self, Begun { invocation, parts }: Begun, body_to: BodyTo) -> Processed {
        let seen = invocation.clone();
        let kind = seen.kind();
        let body_to = if kind == Kind::FunctionUrl { body_to } else { BodyTo::Memory };
        let work = pin!(async {
            match (&self.router, parts) {
                (Some(router), Some(parts)) => {
                    self.http(router.clone(), parts, invocation, body_to).await
                }
                // Apart, so that a request does not carry the room that batches need.
                _ => Box::pin(self.delivery(invocation)).await,
            }
        });
        let ended = seen.deadline().scope(seen.trace().clone().scope(work)).await;
        ended.of(kind, seen.route())
    }

    /// What comes before any handler.
    pub(super) async fn admit(&self, mut invocation: Invocation) -> Result<Invocation, Problem> {
        for step in [&self.guard, &self.params].into_iter().flatten() {
            // What failed in a guard is a failure, and not its refusal.
            let refused = |problem: Problem| match problem.status().is_server_error() {
                true => problem,
                false => problem.refused(),
            };
            invocation = step(invocation).await.map_err(refused)?;
        }
        Ok(invocation)
    }

    /// An HTTP event, from request to response.
    async fn http(
        &self,
        mut router: RouterIntoService<Body>,
        parts: Parts,
        invocation: Invocation,
        body_to: BodyTo,
    ) -> Ended {
        let form = Form::of(invocation.event());
        let (deadline, seen) = (invocation.deadline(), invocation.clone());
        // In a box, since each layer of futures around it would have room for it once more.
        let work = Box::pin(async {
            let invocation = self.admit(invocation).await?;
            let routed = router.call(request(parts, invocation));
            let response: Response = match self.beside(routed).await {
                Ok(response) => response,
                Err(never) => match never {},
            };
            // Within the deadline as well: a body may take its time.
            Ok(HttpOutput::of(response, form, body_to).await)
        });
        let answer = within(deadline, work).await;
        let answer = answer.unwrap_or_else(|problem| HttpOutput::problem(problem, form));
        Ended::http(answer, seen.route().is_some())
    }

    /// While a handler waits there is time to renew old keys, for which no caller has to wait then.
    async fn beside<T>(&self, handler: impl Future<Output = T>) -> T {
        let mut handler = pin!(handler);
        if let Some(authenticator) = &self.authenticator {
            tokio::select! {
                // First, so that a handler that never waits leaves it a step too.
                biased;
                () = authenticator.renew_old_keys() => {}
                output = &mut handler => return output,
            }
        }
        handler.await
    }
}

fn request(parts: Parts, invocation: Invocation) -> Request {
    let mut request = Request::new(Body::from(parts.body));
    *request.method_mut() = parts.method;
    *request.uri_mut() = parts.uri;
    *request.headers_mut() = parts.headers;
    // Lambda has a limit of its own.
    DefaultBodyLimit::disable().apply(&mut request);
    request.extensions_mut().insert(invocation);
    request
}

/// How long Lambda lets this invocation run on; `deadline` is in milliseconds since the Unix epoch.
fn left(deadline: u64) -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Duration::from_millis(deadline).saturating_sub(now)
}

/// How the work ended, before it is told to Lambda and the log.
pub(super) struct Ended {
    pub(super) outcome: InvocationOutcome,
    pub(super) result: Result<Output, Failure>,
    pub(super) cause: Option<Arc<str>>,
}

impl Ended {
    pub(super) fn handled(answer: Output) -> Self {
        Self { outcome: InvocationOutcome::Handled, result: Ok(answer), cause: None }
    }

    pub(super) fn failed(failure: Failure, cause: Option<Arc<str>>) -> Self {
        let outcome = match failure.kind() {
            FailureKind::NoMatchingRoute => InvocationOutcome::Unmatched,
            FailureKind::Refused => InvocationOutcome::Refused,
            _ => InvocationOutcome::Failed,
        };
        Self { outcome, result: Err(failure), cause }
    }

    pub(super) fn problem(problem: &Problem) -> Self {
        Self::failed(Failure::of(problem), problem.cause())
    }

    fn http((answer, cause): (HttpOutput, Cause), routed: bool) -> Self {
        let status = answer.status();
        let outcome = match status.as_u16() {
            _ if cause.refused => InvocationOutcome::Refused,
            401 | 403 => InvocationOutcome::Refused,
            404 if !routed => InvocationOutcome::Unmatched,
            _ if status.is_server_error() => InvocationOutcome::Failed,
            _ => InvocationOutcome::Handled,
        };
        Self { outcome, result: Ok(Output::Http(answer)), cause: cause.text }
    }

    fn of(self, kind: Kind, route: Option<Arc<str>>) -> Processed {
        let Self { outcome, result, cause } = self;
        Processed { kind, route, outcome, result, cause }
    }
}

impl Service<LambdaEvent<Box<RawValue>>> for Pipeline {
    type Response = Output;
    type Error = Failure;
    type Future = BoxFuture<Result<Output, Failure>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        // Anything else would end the process.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, event: LambdaEvent<Box<RawValue>>) -> Self::Future {
        let pipeline = self.clone();
        Box::pin(async move { pipeline.process(event).await.result })
    }
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline").finish_non_exhaustive()
    }
}
