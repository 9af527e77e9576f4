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

/// The part of a pipeline that answers HTTP events.
pub(in crate::pipeline) struct Http {
    inside: Inside,
    /// `inside` with the layers of the user around it, if there are any.
    layered: Option<RouterIntoService<Body>>,
}

/// The part inside of the user's layers: guards, router, policy and handlers.
#[derive(Clone)]
pub(in crate::pipeline) struct Inside {
    router: RouterIntoService<Body>,
    guards: Guards,
    authenticator: Option<Arc<dyn Identify>>,
}

/// Why no valid request can be made from an event. It is an extension of the request with the parts that are
/// known.
#[derive(Clone)]
pub(in crate::pipeline) struct Malformed(pub(in crate::pipeline) Arc<RequestError>);

/// How a response that goes through layers is read.
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
    /// The future is boxed, because otherwise every future around this one would be larger by its size.
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
            // The deadline also applies to the body, which may take long.
            let work = self.inside.handle(request).and_then(read).boxed();
            return bounded(deadline, work).map(ended).boxed();
        };
        request.extensions_mut().insert(Reading { format, body_to });
        let response = layered.clone().call(request).map_err(|never| match never {});
        // The 503 that `inside` makes at the deadline still has to pass the layers.
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
    /// Without guards the router gets the request at once. A future that held the request until then would be twice
    /// as large.
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

/// Answers every request for the layers around it, also if the handler panics, takes too long, or makes a
/// response that is too large.
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

/// Renews old keys while the handler waits for other things, so that no caller has to wait for a renewal.
async fn while_renewing_keys<T>(
    authenticator: Arc<dyn Identify>,
    handler: impl Future<Output = T>,
) -> T {
    let mut handler = pin!(handler);
    tokio::select! {
        // The renewal is polled first, so that it advances by a step even if the handler never waits.
        biased;
        () = authenticator.renew_old_keys() => {}
        output = &mut handler => return output,
    }
    handler.await
}

fn for_axum(request: ::http::Request<Bytes>, invocation: Invocation) -> Request {
    let mut request = request.map(Body::from);
    // Lambda limits the size of the body.
    DefaultBodyLimit::disable().apply(&mut request);
    request.extensions_mut().insert(invocation);
    request
}
