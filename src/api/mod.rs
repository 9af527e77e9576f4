//! The paved way out: calls to another service, with the fleet's token, behind a circuit.

mod error;
mod layer;
mod request;
mod response;

use std::{fmt, sync::Arc, time::Duration};

use funcify_core::circuit::CircuitBreaker;
use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Serialize, de::DeserializeOwned};
use url::Url;

pub use error::{ApiConfigError, ApiError};
pub use layer::{AttachToken, TokenLayer};
pub use request::ApiRequest;
pub use response::ApiResponse;

use crate::client::{client, is_loopback};
use crate::token::TokenGetter;

/// A call to a service that does not answer is given up after 10 s.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A client of one service. Cheap to clone.
///
/// It attaches the token to requests to its own host and sends nothing without it, runs each call
/// in the circuit, keeps to the invocation's deadline, renews the token once when the service
/// answers 401, retries nothing else, follows no redirect, and hands on the trace.
///
/// # Examples
///
/// ```no_run
/// use funcify::{api::Api, token::TokenGetter};
/// use funcify_core::circuit::CircuitBreaker;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize)]
/// struct Order { item: &'static str }
/// #[derive(Deserialize)]
/// struct Placed { id: u64 }
///
/// # async fn example(getter: TokenGetter, breaker: CircuitBreaker) -> Result<(), Box<dyn std::error::Error>> {
/// let warehouse = Api::new("warehouse", "https://warehouse.example/v1")?
///     .token(getter)
///     .circuit(breaker);
/// let placed: Placed = warehouse.post("/orders", &Order { item: "tea" }).await?;
/// # let _ = placed.id;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct Api {
    name: Arc<str>,
    base: Url,
    http: reqwest::Client,
    token: Option<TokenGetter>,
    circuit: Option<CircuitBreaker>,
    timeout: Duration,
}

impl Api {
    /// A client of the service at `base_url`: https, or plain http on this machine.
    ///
    /// # Errors
    ///
    /// [`ApiConfigError`] if the URL cannot be the base of requests.
    pub fn new(name: impl Into<Arc<str>>, base_url: &str) -> Result<Self, ApiConfigError> {
        let api = Self::over_plain_http(name, base_url)?;
        if api.base.scheme() != "https" && !is_loopback(api.base.host()) {
            return Err(ApiConfigError::NotHttps);
        }
        Ok(api)
    }

    /// The same, with plain http allowed to any host: the token is then sent in the clear. For
    /// services inside of one's own network.
    ///
    /// # Errors
    ///
    /// [`ApiConfigError`] if the URL cannot be the base of requests.
    pub fn over_plain_http(
        name: impl Into<Arc<str>>,
        base_url: &str,
    ) -> Result<Self, ApiConfigError> {
        let base = Url::parse(base_url.trim()).map_err(ApiConfigError::NotAUrl)?;
        if !matches!(base.scheme(), "https" | "http") {
            return Err(ApiConfigError::NotHttps);
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(ApiConfigError::UserInfo);
        }
        if base.query().is_some() || base.fragment().is_some() {
            return Err(ApiConfigError::QueryOrFragment);
        }
        Ok(Self {
            name: name.into(),
            base,
            http: client().map_err(ApiConfigError::Client)?,
            token: None,
            circuit: None,
            timeout: TIMEOUT,
        })
    }

    /// Attaches this token to every request; without one nothing is sent.
    pub fn token(self, getter: TokenGetter) -> Self {
        Self { token: Some(getter), ..self }
    }

    /// Runs every call in this circuit: no connection, a time-out, 429 and 5xx are failures of the
    /// service; any other 4xx says nothing about it.
    pub fn circuit(self, breaker: CircuitBreaker) -> Self {
        Self { circuit: Some(breaker), ..self }
    }

    /// How long one request may take: 10 s unless given, and never past the invocation's deadline
    /// or the circuit's [`call_timeout`](funcify_core::circuit::CircuitPolicy), 10 s as well.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Sends over this HTTP client, with its root certificates; it must follow no redirects.
    pub fn http(self, http: reqwest::Client) -> Self {
        Self { http, ..self }
    }

    /// Gets `path` and reads the answer's JSON.
    ///
    /// # Errors
    ///
    /// [`ApiError`].
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ApiError> {
        self.request(Method::GET, path).send().await?.json()
    }

    /// Posts `body` as JSON to `path` and reads the answer's JSON.
    ///
    /// # Errors
    ///
    /// [`ApiError`].
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &(impl Serialize + Sync + ?Sized),
    ) -> Result<T, ApiError> {
        self.request(Method::POST, path).json(body).send().await?.json()
    }

    /// Puts `body` as JSON to `path` and reads the answer's JSON.
    ///
    /// # Errors
    ///
    /// [`ApiError`].
    pub async fn put<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &(impl Serialize + Sync + ?Sized),
    ) -> Result<T, ApiError> {
        self.request(Method::PUT, path).json(body).send().await?.json()
    }

    /// Deletes `path` and reads the answer's JSON; `()` takes an empty answer.
    ///
    /// # Errors
    ///
    /// [`ApiError`].
    pub async fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, ApiError> {
        self.request(Method::DELETE, path).send().await?.json()
    }

    /// Any other request: `path` is below the base URL and may have a query. It is taken as it stands:
    /// what others wrote goes into it as a [`segment`].
    pub fn request(&self, method: Method, path: &str) -> ApiRequest<'_> {
        ApiRequest::new(self, method, path)
    }

    /// The name of the service, as logs show it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// One segment of a path, out of any text (RFC 3986, section 3.3).
///
/// What others wrote goes into a path only so: a `/`, a `?` or a `#` in it would ask for something
/// else, with the fleet's token. A request whose segment is `.` or `..` is refused, however it is
/// written.
///
/// # Examples
///
/// ```
/// use funcify::api::segment;
///
/// assert_eq!(format!("/stock/{}", segment("7?admin=true")), "/stock/7%3Fadmin%3Dtrue");
/// ```
#[must_use]
pub fn segment(text: &str) -> String {
    const KEPT: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

    utf8_percent_encode(text, &KEPT).to_string()
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api")
            .field("name", &self.name)
            .field("base", &self.base.as_str())
            .field("token", &self.token)
            .field("circuit", &self.circuit)
            .finish_non_exhaustive()
    }
}
