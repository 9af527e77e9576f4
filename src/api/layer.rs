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

use crate::client::{HTTPS_REQUIRED, may_carry_secrets};
use crate::config_error::ConfigError;
use crate::token::{TokenError, TokenGetter};

/// A [`tower::Layer`] that attaches the fleet's token to requests for the hosts that you name. Other
/// requests pass unchanged.
///
/// A request for a named host is never sent without the token. It fails if there is no token. It also fails
/// if its URL is not https, except plain http to a loopback host.
///
/// When a host answers 401, the layer renews the token for the next request. It does not repeat the request,
/// because the body is gone. [`Api`](super::Api) repeats it.
///
/// # Examples
///
/// ```no_run
/// use funcify::{api::TokenLayer, token::TokenGetter};
/// use tower::ServiceBuilder;
///
/// # fn example(getter: TokenGetter, client: impl tower::Service<http::Request<String>>) -> Result<(), funcify::ConfigError> {
/// let layer = TokenLayer::new(getter, ["warehouse.example"])?;
/// let client = ServiceBuilder::new().layer(layer).service(client);
/// # let _ = client;
/// # Ok::<(), funcify::ConfigError>(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TokenLayer {
    getter: TokenGetter,
    hosts: Arc<[String]>,
}

impl TokenLayer {
    /// Attaches the token of `getter` to requests for these hosts. A host is an exact name or address,
    /// without scheme, port and path. Case does not matter.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Faults`] if there is no host, and with every text that is not a host: such a text would
    /// match no request, so that all of them would be sent without the token.
    pub fn new(
        getter: TokenGetter,
        hosts: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Self, ConfigError> {
        let hosts: Arc<[String]> = hosts.into_iter().map(Into::into).collect();
        let is_host = |host: &&String| {
            Host::parse(host).is_ok_and(|parsed| {
                // The parser also accepts encoded forms. The URI of a request has the plain form, so only
                // that can match.
                !host.contains('*') && parsed.to_string().eq_ignore_ascii_case(host)
            })
        };
        let faults: Vec<String> = hosts
            .iter()
            .filter(|host| !is_host(host))
            .map(|host| {
                format!("`{}`: expected a host, as in `warehouse.example`", host.escape_debug())
            })
            .chain(hosts.is_empty().then(|| "expected at least one host".to_owned()))
            .collect();
        if faults.is_empty() {
            return Ok(Self { getter, hosts });
        }
        Err(ConfigError::Faults { what: "`TokenLayer::new`: the hosts", faults })
    }
}

impl<S> Layer<S> for TokenLayer {
    type Service = AttachToken<S>;

    fn layer(&self, inner: S) -> AttachToken<S> {
        AttachToken { inner, layer: self.clone() }
    }
}

/// The service under a [`TokenLayer`].
#[doc(hidden)]
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

/// Why a request with a token was not sent.
#[derive(Debug, thiserror::Error)]
enum AttachError {
    #[error("no token for the request")]
    Token(#[source] TokenError),
    #[error("the URL of a request with a token: {HTTPS_REQUIRED}")]
    NotHttps,
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
        // The service that was polled ready is the one to call. The clone takes its place.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let layer = self.layer.clone();
        Box::pin(async move {
            if !layer.names(request.uri()) {
                return inner.call(request).await.map_err(Into::into);
            }
            if !is_safe(request.uri()) {
                return Err(AttachError::NotHttps.into());
            }
            let token = layer.getter.token().await.map_err(AttachError::Token)?;
            request.headers_mut().insert(AUTHORIZATION, token.authorization().clone());
            let response = inner.call(request).await.map_err(Into::into)?;
            if response.status() == StatusCode::UNAUTHORIZED
                && let Err(error) = layer.getter.rejected(&token).await
            {
                tracing::warn!(
                    error = crate::error_chain(&error),
                    "the service rejected the token and it was not renewed"
                );
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
    let host = uri.host().and_then(|host| Host::parse(host).ok());
    may_carry_secrets(uri.scheme_str().unwrap_or_default(), host)
}
