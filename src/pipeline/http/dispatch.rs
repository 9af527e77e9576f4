//! Runs an HTTP event: from the request through the layers and the router to the response.

use std::{
    convert::Infallible,
    future::{Future, ready},
    pin::pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    Router,
    body::Body,
    extract::{DefaultBodyLimit, Request},
    response::{IntoResponse, Response},
    routing::RouterIntoService,
};
use bytes::Bytes;
use futures_util::{
    FutureExt, TryFutureExt,
    future::{BoxFuture, Either},
};
use http::StatusCode;
use tower::Service;

use crate::auth::authenticator::Identify;
use crate::pipeline::bounded::bounded;
use crate::pipeline::ended::Ended;
use crate::pipeline::guards::Guards;
use crate::pipeline::http::format::ResponseFormat;
use crate::pipeline::http::request::RequestError;
use crate::pipeline::http::response::{BodyTo, HttpOutput};
use crate::pipeline::invocation::Invocation;
use crate::problem::{Cause, Problem};

/// What answers HTTP events.
pub(in crate::pipeline) struct Http {
    inside: Inside,
    /// The layers of the user around `inside`, if there are any.
    layered: Option<RouterIntoService<Body>>,
}

/// What the layers of the user are around: guards, router, policy and handlers.
#[derive(Clone)]
pub(in crate::pipeline) struct Inside {
    router: RouterIntoService<Body>,
    guards: Guards,
    authenticator: Option<Arc<dyn Identify>>,
}

/// Why an event makes no valid request. It travels with what is known of the request.
#[derive(Clone)]
pub(in crate::pipeline) struct Malformed(pub(in crate::pipeline) Arc<RequestError>);

/// What becomes of the body, for a response that goes through layers.
#[derive(Clone, Copy)]
struct Reading {
    format: ResponseFormat,
    body_to: BodyTo,
}

impl Http {
    pub(in crate::pipeline) fn new(inside: Inside, layered: Option<Router>) -> Self {
        Self { inside, layered: layered.map(Router::into_service) }
    }

    /// Sends the request through the layers and the router, and reads the response.
    ///
    /// The future is boxed, because each future around it would otherwise have room for all of it.
    pub(in crate::pipeline) fn serve(
        &self,
        request: ::http::Request<Bytes>,
        invocation: Invocation,
        body_to: BodyTo,
    ) -> BoxFuture<'static, Ended> {
        let format = ResponseFormat::of_request(invocation.event(), Some(request.method()));
        let (deadline, shared) = (invocation.deadline(), invocation.clone());
        let mut request = for_axum(request, invocation);
        let ended = move |ended: Result<_, Problem>| {
            let (output, cause) =
                ended.unwrap_or_else(|problem| HttpOutput::problem(problem, format));
            Ended::http(output, cause, shared.route().is_some())
        };
        let read = move |response| HttpOutput::of(response, format, body_to).map(Ok);
        let Some(layered) = &self.layered else {
            // The deadline applies to the body too, which may take its time.
            let work = self.inside.handle(request).and_then(read).boxed();
            return bounded(deadline, work).map(ended).boxed();
        };
        request.extensions_mut().insert(Reading { format, body_to });
        let response = layered.clone().call(request).map_err(|never| match never {});
        // The answer of ours at the deadline still has to pass the layers.
        bounded(deadline.for_report(), response.and_then(read).boxed()).map(ended).boxed()
    }
}

impl Inside {
    pub(in crate::pipeline) fn new(
        router: Router,
        guards: Guards,
        authenticator: Option<Arc<dyn Identify>>,
    ) -> Self {
        Self { router: router.into_service(), guards, authenticator }
    }

    /// Runs the guards and the router.
    ///
    /// The request goes into the future of the router at once, if there is nothing to wait for: a future with the
    /// request beside it would be twice as large.
    fn handle(
        &self,
        mut request: Request,
    ) -> impl Future<Output = Result<Response, Problem>> + Send + use<> {
        let extensions = request.extensions_mut();
        if let Some(Malformed(error)) = extensions.remove::<Malformed>() {
            return Either::Right(ready(Err(Problem::of(&*error))).boxed());
        }
        if self.guards.is_empty() {
            return match extensions.get::<Invocation>() {
                Some(_) => Either::Left(self.route(request).map(Ok)),
                None => Either::Right(ready(Err(missing())).boxed()),
            };
        }
        let inside = self.clone();
        Either::Right(Box::pin(async move {
            let invocation = request.extensions_mut().remove::<Invocation>();
            let invocation = inside.guards.admit(invocation.ok_or_else(missing)?).await?;
            request.extensions_mut().insert(invocation);
            Ok(inside.route(request).await)
        }))
    }

    fn route(&self, request: Request) -> impl Future<Output = Response> + Send + use<> {
        let routed = self.router.clone().call(request).map(|response| match response {
            Ok(response) => response,
            Err(never) => match never {},
        });
        match &self.authenticator {
            None => Either::Left(routed),
            Some(authenticator) => {
                Either::Right(Box::pin(while_renewing_keys(Arc::clone(authenticator), routed)))
            }
        }
    }
}

/// The invocation is missing only if a layer has replaced the request.
fn missing() -> Problem {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR)
}

/// The answer to each request, for the layers around it: also where the handler panics, takes too long, or
/// makes a response that is too large.
impl Service<Request> for Inside {
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let extensions = request.extensions();
        let deadline = extensions.get::<Invocation>().map(Invocation::deadline);
        let reading = extensions.get::<Reading>().copied();
        let (Some(deadline), Some(reading)) = (deadline, reading) else {
            return Box::pin(ready(Ok(missing().into_response())));
        };
        let work = self.handle(request).and_then(move |response| {
            let output = HttpOutput::of(response, reading.format, reading.body_to);
            output.map(|(output, cause)| Ok(with_cause(*output, cause)))
        });
        let answered = bounded(deadline, work.boxed());
        answered.map(|it| Ok(it.unwrap_or_else(IntoResponse::into_response))).boxed()
    }
}

fn with_cause(output: HttpOutput, cause: Cause) -> Response {
    let mut response = output.into_stream();
    response.extensions_mut().insert(cause);
    response
}

/// Renews old keys while the handler waits for something, so that no caller has to wait for them later.
async fn while_renewing_keys<T>(
    authenticator: Arc<dyn Identify>,
    handler: impl Future<Output = T>,
) -> T {
    let mut handler = pin!(handler);
    tokio::select! {
        // The renewal is polled first: a handler that never waits lets it advance a step too.
        biased;
        () = authenticator.renew_old_keys() => {}
        output = &mut handler => return output,
    }
    handler.await
}

fn for_axum(request: ::http::Request<Bytes>, invocation: Invocation) -> Request {
    let mut request = request.map(Body::from);
    // Lambda limits the body itself.
    DefaultBodyLimit::disable().apply(&mut request);
    request.extensions_mut().insert(invocation);
    request
}
