//! Runs an HTTP event: from the request through the layers and the router to the response.

use std::{
    convert::Infallible,
    future::Future,
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
use futures_util::future::BoxFuture;
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
    pub(in crate::pipeline) async fn serve(
        &self,
        request: ::http::Request<Bytes>,
        invocation: Invocation,
        body_to: BodyTo,
    ) -> Ended {
        let format = ResponseFormat::of_request(invocation.event(), Some(request.method()));
        let (deadline, shared) = (invocation.deadline(), invocation.clone());
        let mut request = for_axum(request, invocation);
        let ended = match &self.layered {
            None => {
                let inside = self.inside.clone();
                // Boxed, because otherwise every future around this one would be larger by its size.
                let work = Box::pin(async {
                    let response = inside.handle(request).await?;
                    // The deadline also applies to the body, which may take long.
                    Ok(HttpOutput::of(response, format, body_to).await)
                });
                bounded(deadline, work).await
            }
            Some(layered) => {
                request.extensions_mut().insert(Reading { format, body_to });
                let mut layered = layered.clone();
                let work = Box::pin(async {
                    let response = match layered.call(request).await {
                        Ok(response) => response,
                        Err(never) => match never {},
                    };
                    Ok(HttpOutput::of(response, format, body_to).await)
                });
                // The 503 that `inside` makes at the deadline still has to pass the layers.
                bounded(deadline.for_report(), work).await
            }
        };
        let (output, cause) = ended.unwrap_or_else(|problem| HttpOutput::problem(problem, format));
        Ended::http(output, cause, shared.route().is_some())
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
    async fn handle(mut self, mut request: Request) -> Result<Response, Problem> {
        let extensions = request.extensions_mut();
        if let Some(Malformed(error)) = extensions.remove::<Malformed>() {
            return Err(Problem::of(&*error));
        }
        // The invocation is missing only if a layer has replaced the request.
        let missing = || Problem::new(StatusCode::INTERNAL_SERVER_ERROR);
        if self.guards.is_empty() {
            extensions.get::<Invocation>().ok_or_else(missing)?;
        } else {
            let invocation = extensions.remove::<Invocation>().ok_or_else(missing)?;
            let invocation = self.guards.admit(invocation).await?;
            request.extensions_mut().insert(invocation);
        }
        let routed = self.router.call(request);
        match while_renewing_keys(self.authenticator.as_deref(), routed).await {
            Ok(response) => Ok(response),
            Err(never) => match never {},
        }
    }
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
        let inside = self.clone();
        Box::pin(async move {
            let extensions = request.extensions();
            let deadline = extensions.get::<Invocation>().map(Invocation::deadline);
            let reading = extensions.get::<Reading>().copied();
            let (Some(deadline), Some(reading)) = (deadline, reading) else {
                return Ok(Problem::new(StatusCode::INTERNAL_SERVER_ERROR).into_response());
            };
            let work = Box::pin(async {
                let response = inside.handle(request).await?;
                let (output, cause) =
                    HttpOutput::of(response, reading.format, reading.body_to).await;
                Ok(with_cause(output, cause))
            });
            Ok(bounded(deadline, work).await.unwrap_or_else(IntoResponse::into_response))
        })
    }
}

fn with_cause(output: HttpOutput, cause: Cause) -> Response {
    let mut response = output.into_stream();
    response.extensions_mut().insert(cause);
    response
}

/// Renews old keys while the handler waits for other things, so that no caller has to wait for a renewal.
async fn while_renewing_keys<T>(
    authenticator: Option<&dyn Identify>,
    handler: impl Future<Output = T>,
) -> T {
    let mut handler = pin!(handler);
    if let Some(authenticator) = authenticator {
        tokio::select! {
            // The renewal is polled first, so that it advances by a step even if the handler never waits.
            biased;
            () = authenticator.renew_old_keys() => {}
            output = &mut handler => return output,
        }
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
