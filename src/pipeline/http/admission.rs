//! The layer around each route of the router. It notes the route for the log, and asks the policy.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    Router,
    extract::{MatchedPath, Request},
    response::{IntoResponse, Response},
};
use futures_util::future::{BoxFuture, Either};
use http::{HeaderValue, StatusCode, header};
use tower::{Layer, Service};

use crate::auth::policy::{AccessPolicy, Permission, Rule};
use crate::pipeline::invocation::Invocation;
use crate::problem::Problem;

/// Puts the admission layer around every route.
///
/// A policy cannot list a fallback, so with a policy the fallbacks of the user are removed. Then all code of
/// the user is behind the admission layer, and everything that the layer sees is a route.
pub(in crate::pipeline) fn admitted(router: Router, policy: Option<Arc<AccessPolicy>>) -> Router {
    let router = if policy.is_some() { router.reset_fallback() } else { router };
    // `route_layer` panics if there are no routes.
    if router.has_routes() { router.route_layer(AdmissionLayer(policy)) } else { router }
}

#[derive(Clone)]
struct AdmissionLayer(Option<Arc<AccessPolicy>>);

impl<S> Layer<S> for AdmissionLayer {
    type Service = Admission<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Admission { inner, policy: self.0.clone() }
    }
}

#[derive(Clone)]
struct Admission<S> {
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
        let Some(policy) = &self.policy else {
            let extensions = request.extensions();
            if let Some(invocation) = extensions.get::<Invocation>()
                && let Some(matched) = extensions.get::<MatchedPath>()
            {
                invocation.note_route(matched.as_str());
            }
            return Either::Left(self.inner.call(request));
        };
        let invocation = request.extensions().get::<Invocation>().cloned();
        let matched = request.extensions().get::<MatchedPath>().cloned();
        let listed = || policy.listed_path(request.uri().path());
        // Behind a nested service axum names no matched path, so the policy judges the path that the service
        // gets. It is not known whether the service takes an encoded slash for a separator, so such a path is
        // refused.
        if matched.is_none() && has_hidden_segments(request.uri().path()) {
            return refused(
                Problem::bad_request("expected a path without encoded slashes").refused(),
            );
        }
        let path = matched.as_ref().map(MatchedPath::as_str).or_else(listed);
        if let (Some(invocation), Some(path)) = (&invocation, path) {
            invocation.note_route(path);
        }
        let rule = path.map_or(Rule::Unlisted, |path| policy.rule(request.method(), path));
        match rule {
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

/// Whether a service that decodes or merges slashes would find other segments in this canonical path.
fn has_hidden_segments(path: &str) -> bool {
    path.contains("//") || path.contains("%2F") || path.contains("%5C")
}

fn refused<F>(problem: Problem) -> Either<F, BoxFuture<'static, Result<Response, Infallible>>> {
    Either::Right(Box::pin(async move { Ok(problem.into_response()) }))
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
