//! The layer around each HTTP handler: notes the route, and asks the policy.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    extract::{MatchedPath, Request},
    response::{IntoResponse, Response},
};
use futures_util::future::{BoxFuture, Either};
use http::{HeaderValue, Method, StatusCode, header};
use tower::{Layer, Service};

use crate::auth::policy::{AccessPolicy, Permission, Rule};
use crate::pipeline::invocation::Invocation;
use crate::problem::Problem;

/// The layer around every handler, including the fallback.
#[derive(Clone)]
pub(in crate::pipeline) struct AdmissionLayer(pub(in crate::pipeline) Option<Arc<AccessPolicy>>);

impl<S> Layer<S> for AdmissionLayer {
    type Service = Admission<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Admission { inner, policy: self.0.clone() }
    }
}

#[derive(Clone)]
pub(crate) struct Admission<S> {
    inner: S,
    policy: Option<Arc<AccessPolicy>>,
}

impl<S> Service<Request> for Admission<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Either<S::Future, BoxFuture<'static, Result<Response, Infallible>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let invocation = request.extensions().get::<Invocation>().cloned();
        let path = request.extensions().get::<MatchedPath>().cloned();
        if let (Some(invocation), Some(path)) = (&invocation, &path) {
            invocation.note_route(path.as_str());
        }
        let Some(policy) = &self.policy else {
            return Either::Left(self.inner.call(request));
        };
        if is_preflight(&request) {
            return Either::Left(self.inner.call(request));
        }
        // Only the fallback has no matched path. A policy cannot list it, so a path without a route does
        // not exist for any caller.
        let Some(path) = path else { return refused(Problem::new(StatusCode::NOT_FOUND)) };
        match policy.rule(request.method(), path.as_str()) {
            Rule::Public => Either::Left(self.inner.call(request)),
            Rule::Needs(permission) => {
                let (permission, mut inner) = (permission.clone(), self.inner.clone());
                Either::Right(Box::pin(async move {
                    match allowed(invocation, &permission).await {
                        Ok(()) => inner.call(request).await,
                        Err(problem) => Ok(problem.into_response()),
                    }
                }))
            }
            Rule::Unlisted => refused(Problem::new(StatusCode::FORBIDDEN).refused()),
        }
    }
}

fn refused<F>(problem: Problem) -> Either<F, BoxFuture<'static, Result<Response, Infallible>>> {
    Either::Right(Box::pin(async move { Ok(problem.into_response()) }))
}

/// Whether this is a CORS preflight, which browsers send without credentials.
fn is_preflight(request: &Request) -> bool {
    request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ORIGIN)
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

async fn allowed(invocation: Option<Invocation>, permission: &Permission) -> Result<(), Problem> {
    let Some(invocation) = invocation else {
        return Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR));
    };
    if invocation.caller().await?.has(permission) {
        return Ok(());
    }
    let insufficient = HeaderValue::from_static("Bearer error=\"insufficient_scope\"");
    let problem =
        Problem::new(StatusCode::FORBIDDEN).header(header::WWW_AUTHENTICATE, insufficient);
    Err(problem.refused())
}
