use std::{
    fmt,
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll},
};

use tower::{Layer, Service};

use super::{CallOutcome, CircuitBreaker, CircuitError};

/// A [`tower::Layer`] that puts a [`CircuitBreaker`] in front of a [`tower::Service`].
///
/// The error of the resulting service is a [`CircuitError`]. The resulting service is always ready. It
/// waits for the inner service to become ready within the protected call. So an inner service that is
/// never ready counts as a call that hangs, and an open circuit refuses without polling the inner
/// service.
///
/// # Examples
///
/// ```
/// use funcify_core::circuit::{CallOutcome, CircuitBreaker, CircuitLayer};
/// use tower::{Layer, service_fn};
///
/// # fn protect(circuit: CircuitBreaker) {
/// let warehouse = service_fn(async |_order: u32| Ok::<u16, std::io::Error>(503));
/// let by_status = |status: &Result<u16, std::io::Error>| match status {
///     Ok(400..500) => CallOutcome::Neutral,
///     Ok(500..) => CallOutcome::Failure,
///     result => CallOutcome::from(result),
/// };
/// let protected = CircuitLayer::new(circuit, by_status).layer(warehouse);
/// # let _ = protected;
/// # }
/// ```
#[derive(Clone)]
pub struct CircuitLayer<C> {
    breaker: CircuitBreaker,
    classify: C,
}

impl<C> CircuitLayer<C> {
    /// Creates a layer for `breaker`. `classify` is a `Fn(&Result<Response, Error>) -> CallOutcome` that says
    /// what a result means for the dependency.
    ///
    /// To count every error as a failure, pass `|result: &Result<_, _>| CallOutcome::from(result)`.
    #[must_use]
    pub fn new(breaker: CircuitBreaker, classify: C) -> Self {
        Self { breaker, classify }
    }
}

impl<S, C: Clone> Layer<S> for CircuitLayer<C> {
    type Service = CircuitService<S, C>;

    fn layer(&self, inner: S) -> Self::Service {
        let Self { breaker, classify } = self.clone();
        CircuitService { inner, breaker, classify }
    }
}

/// The service of a [`CircuitLayer`].
#[derive(Clone)]
pub struct CircuitService<S, C> {
    inner: S,
    breaker: CircuitBreaker,
    classify: C,
}

impl<S, C, Request> Service<Request> for CircuitService<S, C>
where
    S: Service<Request> + Clone + Send + 'static,
    S::Future: Send,
    S::Response: Send,
    S::Error: Send,
    C: Fn(&Result<S::Response, S::Error>) -> CallOutcome + Clone + Send + 'static,
    Request: Send + 'static,
{
    type Response = S::Response;
    type Error = CircuitError<S::Error>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let mut inner = self.inner.clone();
        let (breaker, classify) = (self.breaker.clone(), self.classify.clone());
        Box::pin(async move {
            let protected = async || {
                poll_fn(|cx| inner.poll_ready(cx)).await?;
                inner.call(request).await
            };
            breaker.call_classified(classify, protected).await
        })
    }
}

impl<C> fmt::Debug for CircuitLayer<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CircuitLayer").field(&self.breaker).finish()
    }
}

impl<S, C> fmt::Debug for CircuitService<S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CircuitService").field(&self.breaker).finish()
    }
}
