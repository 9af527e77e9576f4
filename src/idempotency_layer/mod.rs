//! A layer for routes, under which repeated requests with the same `Idempotency-Key` have one effect.

mod key;
mod response;
#[cfg(test)]
mod tests;

use std::{
    convert::Infallible,
    fmt,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use futures_util::future::BoxFuture;
use http::{Method, Request, StatusCode, request::Parts};
use http_body::Body as _;
use http_body_util::BodyExt;
use tower::{Layer, Service};

use crate::idempotency::{Ended, Idempotency, Keep, Refusal};
use crate::problem::Problem;
use response::{Remembered, is_final, retry_after};

/// A [`tower::Layer`] for routes, under which a POST or PATCH with the header `Idempotency-Key` has its
/// effect once. A repeated request gets the same response, with the header `Idempotent-Replayed: true`.
/// Requests with other methods pass unchanged.
///
/// It follows the IETF draft *The Idempotency-Key HTTP Header Field*. The key is a text of 1 to 255
/// characters in double quotes.
///
/// | request | response |
/// |---|---|
/// | has no key, but the layer requires one | 400 |
/// | has a malformed key | 400 |
/// | has the key of a request that is in progress | 409 with `Retry-After` |
/// | has the key of another request: the method, path, query or body differs | 422 |
/// | comes while the store is down | 503 with `Retry-After`; the route was not called |
///
/// Responses with 2xx, 3xx and 4xx are remembered, except 401, 403, 408, 425 and 429. After these, and after
/// a 5xx, a repeated request calls the route again. Headers that belong to one exchange, such as
/// `Set-Cookie`, `Date` and the trace headers, are not replayed. A streamed response is not remembered: a
/// repeated request gets a 409.
///
/// The [`Claim`](crate::idempotency::Claim) is in the extensions of the request that the route gets.
///
/// # Examples
///
/// ```
/// use axum::{Router, routing::post};
/// use funcify::{Idempotency, IdempotencyLayer, Stores};
/// use http::request::Parts;
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let stores = Stores::from_url("memory:").await?;
/// let payments = Idempotency::new("payments", stores.idempotency.clone())?;
/// // Names the caller, because two callers may choose the same key.
/// let tenant = |request: &Parts| request.headers.get("x-tenant")?.to_str().ok().map(str::to_owned);
/// let router: Router = Router::new()
///     .route("/payments", post(async || "paid"))
///     .layer(IdempotencyLayer::required(payments, tenant));
/// # let _ = router;
/// # Ok::<(), funcify::ConfigError>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct IdempotencyLayer {
    idempotency: Idempotency,
    principal: Arc<Principal>,
    is_required: bool,
}

/// Returns the name of a request's caller.
type Principal = dyn Fn(&Parts) -> Option<String> + Send + Sync;

impl IdempotencyLayer {
    /// A layer that answers a POST or PATCH without a key with 400.
    ///
    /// `principal` returns the name of the caller, such as an account, a tenant or the subject of a token.
    /// The name becomes a part of the key, so that no caller gets the answer to another caller's request. If
    /// `principal` returns `None` or an empty name, the request is answered with 401.
    #[must_use]
    pub fn required(
        idempotency: Idempotency,
        principal: impl Fn(&Parts) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        Self { idempotency, principal: Arc::new(principal), is_required: true }
    }

    /// A layer that passes a POST or PATCH without a key to the route. Otherwise it is like that of
    /// [`required`](Self::required).
    #[must_use]
    pub fn optional(
        idempotency: Idempotency,
        principal: impl Fn(&Parts) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        Self { is_required: false, ..Self::required(idempotency, principal) }
    }

    /// Answers the request through `route`, unless it was answered before.
    async fn answer<S>(self, request: Request<Body>, mut route: S) -> Result<Response, Problem>
    where
        S: Service<Request<Body>, Error = Infallible>,
        S::Response: IntoResponse,
    {
        let (parts, body) = request.into_parts();
        let Some(key) = key::key_of(&parts.headers).map_err(Problem::bad_request)? else {
            if self.is_required {
                let detail = "expected the header Idempotency-Key: repeat a request with its key";
                return Err(Problem::bad_request(detail));
            }
            return Ok(called(&mut route, Request::from_parts(parts, body)).await);
        };
        let principal = (self.principal)(&parts).filter(|principal| !principal.is_empty());
        let Some(principal) = principal else { return Err(Problem::new(StatusCode::UNAUTHORIZED)) };
        let body = body.collect().await.map_err(|error| {
            Problem::bad_request("the body of the request could not be read").caused_by(&error)
        })?;
        let body = body.to_bytes();
        let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &body);
        let payload = (parts.method.as_str(), target, digest.as_ref());
        let (key, fingerprint) = self
            .idempotency
            .key_and_fingerprint::<Infallible>(&[principal, key], &payload)
            .map_err(|error| Problem::new(StatusCode::BAD_REQUEST).caused_by(&error))?;

        let work = |claim| async move {
            let mut request = Request::from_parts(parts, Body::from(body));
            request.extensions_mut().insert(claim);
            let (mut parts, body) = called(&mut route, request).await.into_parts();
            // A body without a size is a stream. It is passed on and not kept.
            if body.size_hint().exact().is_none() {
                return (Response::from_parts(parts, body), None);
            }
            match body.collect().await {
                Ok(body) => {
                    let body = body.to_bytes();
                    let kept = Remembered::of(parts.status, &parts.headers, &body);
                    (Response::from_parts(parts, Body::from(body)), kept)
                }
                Err(error) => {
                    tracing::error!(%error, "the body of a response could not be read");
                    parts.status = StatusCode::INTERNAL_SERVER_ERROR;
                    (Response::from_parts(parts, Body::empty()), None)
                }
            }
        };
        let keep = |(response, kept): &(Response, Option<Remembered>)| match kept {
            _ if !is_final(response.status()) => Keep::Nothing,
            Some(kept) => Keep::as_json(kept),
            None => Keep::Answer(None),
        };
        match self.idempotency.execute(key, &fingerprint, work, keep).await.map_err(refused)? {
            Ended::Here((response, _)) => Ok(response),
            Ended::Elsewhere(answer) => answer
                .and_then(|answer| serde_json::from_str::<Remembered>(&answer).ok())
                .and_then(Remembered::response)
                .ok_or_else(|| {
                    let detail = "the request was answered before, and its answer was not kept";
                    Problem::new(StatusCode::CONFLICT).with("detail", detail)
                }),
        }
    }
}

async fn called<S>(route: &mut S, request: Request<Body>) -> Response
where
    S: Service<Request<Body>, Error = Infallible>,
    S::Response: IntoResponse,
{
    match route.call(request).await {
        Ok(response) => response.into_response(),
        Err(never) => match never {},
    }
}

fn refused(refusal: Refusal) -> Problem {
    let conflict = |detail: &str, time: Duration| {
        let (name, value) = retry_after(time);
        Problem::new(StatusCode::CONFLICT).with("detail", detail).header(name, value)
    };
    match refusal {
        Refusal::InProgress { retry_after } => {
            conflict("a request with this Idempotency-Key is in progress", retry_after)
        }
        Refusal::Superseded => {
            conflict("another request with this Idempotency-Key is answered", Duration::ZERO)
        }
        Refusal::Mismatch => Problem::new(StatusCode::UNPROCESSABLE_ENTITY)
            .with("detail", "this Idempotency-Key was used for another request"),
        Refusal::Nested => Problem::new(StatusCode::INTERNAL_SERVER_ERROR),
        Refusal::Unclaimed(error) => {
            let (name, value) = retry_after(Duration::ZERO);
            Problem::new(StatusCode::SERVICE_UNAVAILABLE).header(name, value).caused_by(&error)
        }
        Refusal::Deadline => Problem::from(funcify_core::DeadlineExceeded),
    }
}

impl<S> Layer<S> for IdempotencyLayer {
    type Service = IdempotentRoute<S>;

    fn layer(&self, route: S) -> Self::Service {
        IdempotentRoute { layer: self.clone(), route }
    }
}

impl fmt::Debug for IdempotencyLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdempotencyLayer")
            .field("idempotency", &self.idempotency)
            .field("is_required", &self.is_required)
            .finish_non_exhaustive()
    }
}

/// A route under an [`IdempotencyLayer`].
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct IdempotentRoute<S> {
    layer: IdempotencyLayer,
    route: S,
}

impl<S> Service<Request<Body>> for IdempotentRoute<S>
where
    S: Service<Request<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Response: IntoResponse + Send,
    S::Future: Send,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.route.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // The route that was polled ready is the one to call. The clone takes its place.
        let next = self.route.clone();
        let mut route = std::mem::replace(&mut self.route, next);
        if !matches!(*request.method(), Method::POST | Method::PATCH) {
            return Box::pin(async move { Ok(called(&mut route, request).await) });
        }
        let layer = self.layer.clone();
        Box::pin(async move {
            Ok(layer.answer(request, route).await.unwrap_or_else(IntoResponse::into_response))
        })
    }
}
