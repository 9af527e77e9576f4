use std::{
    error::Error,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response, StatusCode, Uri, header::AUTHORIZATION};
use tower::{Layer, Service};
use url::Host;

use crate::client::is_loopback;
use crate::token::{TokenError, TokenGetter};

/// Attaches the token to requests of a [`tower::Service`] to the hosts that were named, and to no
/// others.
///
/// A request to a named host fails if there is no token, or if it would be sent in the clear to
/// another machine: it is never sent without. When a host answers 401 the token is renewed for the
/// next request; this one is not repeated, for its body has gone. ([`Api`](super::Api) repeats.)
///
/// # Examples
///
/// ```no_run
/// use funcify::{api::TokenLayer, token::TokenGetter};
/// use tower::ServiceBuilder;
///
/// # fn example(getter: TokenGetter, client: impl tower::Service<http::Request<String>>) {
/// let layer = TokenLayer::new(getter, ["warehouse.example"]);
/// let client = ServiceBuilder::new().layer(layer).service(client);
/// # let _ = client;
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TokenLayer {
    getter: TokenGetter,
    hosts: Arc<[String]>,
}

impl TokenLayer {
    /// The token of `getter` for these hosts: exact names, without port.
    pub fn new(getter: TokenGetter, hosts: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { getter, hosts: hosts.into_iter().map(Into::into).collect() }
    }
}

impl<S> Layer<S> for TokenLayer {
    type Service = AttachToken<S>;

    fn layer(&self, inner: S) -> AttachToken<S> {
        AttachToken { inner, layer: self.clone() }
    }
}

/// The service that a [`TokenLayer`] makes.
#[derive(Clone)]
pub struct AttachToken<S> {
    inner: S,
    layer: TokenLayer,
}

impl<S> fmt::Debug for AttachToken<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AttachToken").field("layer", &self.layer).finish_non_exhaustive()
    }
}

/// What a request through a [`TokenLayer`] can fail with, beside its own errors.
#[derive(Debug, thiserror::Error)]
enum AttachError {
    #[error("no token for the request")]
    Token(#[source] TokenError),
    #[error("expected an https URL for a request with a token")]
    InTheClear,
}

type BoxError = Box<dyn Error + Send + Sync>;

impl<S, B, R> Service<Request<B>> for AttachToken<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: Send + 'static,
    R: Send,
{
    type Response = Response<R>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        // The service that was ready is the one that is called.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let layer = self.layer.clone();
        Box::pin(async move {
            if !layer.names(request.uri()) {
                return inner.call(request).await.map_err(Into::into);
            }
            if !is_safe(request.uri()) {
                return Err(AttachError::InTheClear.into());
            }
            let token = layer.getter.token().await.map_err(AttachError::Token)?;
            request.headers_mut().insert(AUTHORIZATION, token.authorization().clone());
            let response = inner.call(request).await.map_err(Into::into)?;
            if response.status() == StatusCode::UNAUTHORIZED
                && let Err(error) = layer.getter.rejected(&token).await
            {
                tracing::warn!(%error, "the token was rejected and not renewed");
            }
            Ok(response)
        })
    }
}

impl TokenLayer {
    fn names(&self, uri: &Uri) -> bool {
        let host = uri.host().unwrap_or_default();
        self.hosts.iter().any(|named| named.eq_ignore_ascii_case(host))
    }
}

fn is_safe(uri: &Uri) -> bool {
    let host = || uri.host().and_then(|host| Host::parse(host).ok());
    uri.scheme_str() == Some("https") || (uri.scheme_str() == Some("http") && is_loopback(host()))
}
