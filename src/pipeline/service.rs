use std::{
    fmt,
    future::{Future, ready},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use funcify_core::Deadline;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Either};
use http::Request;
use lambda_runtime::LambdaEvent;
use serde_json::value::RawValue;
use tokio::time::Instant;
use tower::Service;
use tracing::Instrument;

use crate::pipeline::ended::Ended;
use crate::pipeline::event::Event;
use crate::pipeline::event::kind::Kind;
use crate::pipeline::http::dispatch::Malformed;
use crate::pipeline::http::response::BodyTo;
use crate::pipeline::invocation::{Credentials, Invocation};
use crate::pipeline::log::{self, Ending, Lines};
use crate::pipeline::outcome::{InvocationError, InvocationErrorKind, Processed};
use crate::pipeline::output::Output;
use crate::pipeline::rules::Rules;
use crate::pipeline::xray::with_xray;
use crate::problem::Problem;
use crate::trace::TraceContext;

/// A Lambda function: it takes events of every source to their handlers.
///
/// [`crate::run`] runs it on Lambda, [`crate::local`] runs it on your machine, and [`crate::testing`] sends
/// it test events. It is also a [`tower::Service`] for `lambda_runtime`. A pipeline is always ready and cheap
/// to clone, and processes any number of events at the same time.
///
/// An event passes these steps, from the outside to the inside: trace, layers, conversion of errors into
/// responses, deadline, panic handling, guards, route, policy, handler.
///
/// # Examples
///
/// ```
/// use axum::{Router, extract::State, routing::get};
/// use funcify::{pipeline::Pipeline, testing::TestEvent};
///
/// async fn greet(State(greeting): State<&'static str>) -> &'static str {
///     greeting
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let router = Router::new().route("/hello", get(greet));
/// let pipeline = Pipeline::builder("good morning").http(router).build()?;
/// let output = TestEvent::get("/hello").send(&pipeline).await?;
/// assert_eq!(output.http().unwrap().body(), "good morning");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct Pipeline(Arc<Inner>);

struct Inner {
    rules: Rules,
    is_cold: AtomicBool,
    built_at: SystemTime,
}

/// A recognised event, and its request if there is a router for it.
struct Started {
    invocation: Invocation,
    request: Option<Request<Bytes>>,
}

impl Pipeline {
    pub(super) fn new(rules: Rules) -> Self {
        let (is_cold, built_at) = (AtomicBool::new(true), SystemTime::now());
        Self(Arc::new(Inner { rules, is_cold, built_at }))
    }

    /// Processes one event, and returns its result, route and outcome. An event that fails is not an error of
    /// `process`: see [`Processed::result`].
    pub fn process(
        &self,
        event: LambdaEvent<Box<RawValue>>,
    ) -> impl Future<Output = Processed> + Send {
        self.process_to(event, BodyTo::Memory).map(|(processed, ending)| {
            ending.end(&processed);
            processed
        })
    }

    /// Processes one event. `body_to` says what happens to the body of an HTTP response. The caller must call
    /// [`Ending::end`], which logs the end.
    ///
    /// Whatever needs no await is done here and not in the future. A future is moved several times, with all
    /// that it holds.
    pub(super) fn process_to(
        &self,
        event: LambdaEvent<Box<RawValue>>,
        body_to: BodyTo,
    ) -> impl Future<Output = (Processed, Ending)> + Send {
        let started = Instant::now();
        let deadline = self.deadline(started, &event.context);
        let lines = Lines { started, cold_start: self.0.is_cold.swap(false, Ordering::Relaxed) };
        let span = log::span(&event.context);
        let series = Arc::clone(&self.0.rules.series);
        let request_id = crate::metrics::is_written().then(|| event.context.request_id.clone());
        let mut trace = None;
        let work = span.in_scope(|| match self.start(event, deadline, &lines) {
            Ok(started) => {
                if body_to == BodyTo::Stream {
                    trace = Some(Box::new(started.invocation.trace().clone()));
                }
                Either::Left(self.0.rules.run(started, body_to))
            }
            Err(processed) => Either::Right(ready(*processed)),
        });
        let ending = Ending { span: span.clone(), lines, trace, series, request_id };
        work.instrument(span).map(|processed| (processed, ending))
    }

    pub(super) fn deadline(&self, now: Instant, context: &lambda_runtime::Context) -> Deadline {
        let left = time_left(context.deadline, self.0.built_at);
        Deadline::of_invocation_at(now, left, self.0.rules.margin)
    }

    /// Whether HTTP events go to a router.
    pub(super) fn serves_http(&self) -> bool {
        self.0.rules.http.is_some()
    }

    /// The part that is not async: recognises the event and makes its request.
    fn start(
        &self,
        event: LambdaEvent<Box<RawValue>>,
        deadline: Deadline,
        lines: &Lines,
    ) -> Result<Started, Box<Processed>> {
        let LambdaEvent { payload, context, .. } = event;
        let event = Event::try_from(payload).map_err(|error| {
            lines.start(Kind::Unknown);
            let failure = InvocationError::new(InvocationErrorKind::BadEvent, error.to_string());
            let cause = Problem::from(error).cause();
            Box::new(Ended::failed(failure, cause).of(Kind::Unknown, None))
        })?;
        let kind = event.kind();
        lines.start(kind);
        let rules = &self.0.rules;
        let request = (rules.http.is_some() && kind.is_http()).then(|| {
            event.request(&rules.base_path).unwrap_or_else(|error| {
                let mut request = event.bare_request();
                request.extensions_mut().insert(Malformed(Arc::new(error)));
                request
            })
        });
        let headers = request.as_ref().map(Request::headers);
        let trace = headers.map(TraceContext::from).unwrap_or_default();
        let trace = match &context.xray_trace_id {
            Some(id) => with_xray(trace, id),
            None => trace,
        };
        let authenticator = rules.authenticator.clone();
        let credentials = match (&authenticator, headers) {
            (None, _) => Credentials::default(),
            (Some(_), _) if kind == Kind::Authorizer => Credentials::of_question(&event),
            (Some(_), headers) => {
                headers.map(|headers| Credentials::of(headers, kind)).unwrap_or_default()
            }
        };
        let invocation =
            Invocation::new(event, context, deadline, trace, credentials, authenticator);
        Ok(Started { invocation, request })
    }
}

impl Rules {
    fn run(
        &self,
        Started { invocation, request }: Started,
        body_to: BodyTo,
    ) -> impl Future<Output = Processed> + Send {
        let shared = invocation.clone();
        let work = match (&self.http, request) {
            (Some(http), Some(request)) => http.serve(request, invocation, body_to),
            _ => self.dispatch(invocation),
        };
        let work = shared.deadline().scope(shared.trace().clone().scope(work));
        work.map(move |ended| ended.of(shared.event().kind(), shared.route()))
    }
}

/// The longest time that Lambda gives an invocation. Source: "Lambda quotas" in the Lambda developer guide,
/// function timeout.
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// The time until Lambda ends this invocation. `deadline` is in milliseconds since the Unix epoch.
///
/// Emulators send a deadline that lies before the start of the process, such as 0 or 600,000. It is ignored,
/// and the longest time applies.
fn time_left(deadline: u64, built_at: SystemTime) -> Duration {
    let since_epoch = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let deadline = Duration::from_millis(deadline);
    // The deadline is in whole milliseconds, so the start is compared in whole milliseconds too.
    if deadline.as_millis() < since_epoch(built_at).as_millis() {
        return LONGEST;
    }
    deadline.saturating_sub(since_epoch(SystemTime::now()))
}

impl Service<LambdaEvent<Box<RawValue>>> for Pipeline {
    type Response = Output;
    type Error = InvocationError;
    type Future = BoxFuture<'static, Result<Output, InvocationError>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), InvocationError>> {
        // An error here would end the process.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_before_the_process_began_is_none() {
        let built_at = SystemTime::now();
        for deadline in [0, 600_000] {
            assert_eq!(time_left(deadline, built_at), LONGEST);
        }
        let millis = |time: SystemTime| {
            u64::try_from(time.duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
        };
        assert_eq!(time_left(millis(built_at), built_at), Duration::ZERO);
        let left = time_left(millis(built_at) + 60_000, built_at);
        assert!(left > Duration::from_secs(1) && left <= Duration::from_secs(60), "{left:?}");
    }
}
