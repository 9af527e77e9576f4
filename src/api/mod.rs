//! Calls another service, with the fleet's token and through a circuit breaker.

mod error;
mod layer;
mod request;
mod response;

use std::{fmt, sync::Arc, time::Duration};

use funcify_core::circuit::CircuitBreaker;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

pub use error::{ApiConfigError, ApiError, ApiErrorKind};
#[doc(hidden)]
pub use layer::AttachToken;
pub use layer::TokenLayer;
pub use request::ApiRequest;
pub use response::ApiResponse;

use crate::client::{client, may_carry_secrets};
use crate::token::TokenGetter;

/// How long one request may take unless the user says otherwise: 10 s, as long as the default call
/// time-out of a circuit.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A client of one service. Cheap to clone.
///
/// It attaches the token to every request and sends nothing without it. It makes each call through
/// the circuit, ends it with the invocation's deadline, and passes on the trace. When the service
/// answers 401, it renews the token and repeats the request once. It retries nothing else and follows
/// no redirect.
///
/// # Examples
///
/// ```no_run
/// use funcify::{Api, CircuitBreaker, TokenGetter};
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
    /// A client of the service at `base_url`, which must be https, or plain http on this machine. Logs
    /// show the service as `name`.
    ///
    /// # Errors
    ///
    /// [`ApiConfigError`] if `base_url` cannot be used.
    pub fn new(name: impl Into<Arc<str>>, base_url: &str) -> Result<Self, ApiConfigError> {
        let api = Self::over_plain_http(name, base_url)?;
        if !may_carry_secrets(api.base.scheme(), api.base.host(), true) {
            return Err(ApiConfigError::NotHttps);
        }
        Ok(api)
    }

    /// The same, but plain http is allowed to any host. The token is then sent unencrypted: use it only
    /// for a service in your own network.
    ///
    /// # Errors
    ///
    /// [`ApiConfigError`] if `base_url` cannot be used.
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

    /// Attaches the token of `getter` to every request. Without a token nothing is sent.
    pub fn token(self, getter: TokenGetter) -> Self {
        Self { token: Some(getter), ..self }
    }

    /// Makes every call through this circuit. A failed connection, a time-out, 429 and 5xx count as
    /// failures of the service. Any other 4xx counts as neither failure nor success.
    pub fn circuit(self, breaker: CircuitBreaker) -> Self {
        Self { circuit: Some(breaker), ..self }
    }

    /// How long one request may take, 10 s by default. The invocation's deadline and the call time-out of
    /// the circuit (10 s by default) can end it earlier.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Sends requests with this HTTP client, which must follow no redirects. Use
    /// [`http_client`](crate::http_client) to trust another certificate authority.
    ///
    /// The type is that of reqwest 0.13: a new major version of it is a new major version of funcify.
    pub fn http(self, http: reqwest::Client) -> Self {
        Self { http, ..self }
    }
}

/// Encodes any text as one segment of a path (RFC 3986, section 3.3).
///
/// Use it for text that others wrote: a `/`, a `?` or a `#` in it would send the request, with the
/// fleet's token, to another path. A request with the segment `.` or `..`, in any spelling, is refused.
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
