//! Calls to other services, with the fleet's token and through a circuit breaker.

mod error;
mod layer;
mod path;
mod request;

use std::{fmt, sync::Arc, time::Duration};

use funcify_core::circuit::CircuitBreaker;
use url::Url;

pub use error::ApiError;
#[doc(hidden)]
pub use layer::AttachToken;
pub use layer::TokenLayer;
pub use path::segment;

use crate::client::{HTTPS_REQUIRED, client, client_trusting, may_carry_secrets};
use crate::config_error::ConfigError;
use crate::shown_url::shown;
use crate::token::TokenGetter;

/// The default for how long one request may take. With a circuit, the `call_timeout` of its policy usually
/// ends the request earlier.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A client of one service. Cheap to clone.
///
/// With a [`token`](Self::token), the client attaches the token to every request and sends nothing without
/// one. With a [`circuit`](Self::circuit), it makes each call through the circuit breaker. It ends a call at
/// the deadline of the invocation, and passes on the headers of the trace.
///
/// When the service answers 401 because of the token, the client gets another token and repeats the request
/// once. It retries nothing else and follows no redirect.
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
    forbidden_is_expired: bool,
}

impl Api {
    /// A client of the service at `base_url`: an https URL, or a plain http URL of a loopback host, without
    /// user name, query and fragment. Logs show the service as `name`.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Invalid`] if `base_url` cannot be used.
    pub fn new(name: impl Into<Arc<str>>, base_url: &str) -> Result<Self, ConfigError> {
        let base = parsed(base_url)?;
        if !may_carry_secrets(base.scheme(), base.host()) {
            let expected =
                format!("{HTTPS_REQUIRED}; `Api::over_plain_http` allows it to any host");
            return Err(refused(&expected));
        }
        Self::at(name.into(), base)
    }

    /// A client like that of [`new`](Self::new), for which plain http to any host is allowed.
    ///
    /// Over plain http the token is sent unencrypted. Use this only for a service in your own network.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Invalid`] if `base_url` cannot be used.
    ///
    /// # Examples
    ///
    /// ```
    /// use funcify::Api;
    ///
    /// let url = "http://warehouse.internal:8080/v1";
    /// assert!(Api::new("warehouse", url).is_err());
    /// assert!(Api::over_plain_http("warehouse", url).is_ok());
    /// ```
    pub fn over_plain_http(name: impl Into<Arc<str>>, base_url: &str) -> Result<Self, ConfigError> {
        let base = parsed(base_url)?;
        if !matches!(base.scheme(), "https" | "http") {
            return Err(refused("expected an https or http URL"));
        }
        Self::at(name.into(), base)
    }

    fn at(name: Arc<str>, base: Url) -> Result<Self, ConfigError> {
        let http = client().map_err(|error| {
            ConfigError::because("the HTTP client for the API could not be built", error)
        })?;
        Ok(Self {
            name,
            base,
            http,
            token: None,
            circuit: None,
            timeout: TIMEOUT,
            forbidden_is_expired: false,
        })
    }

    /// Attaches the token of `getter` to every request. If there is no token, a call sends nothing and fails
    /// with [`ApiError::Token`]. Default: no token is attached.
    pub fn token(self, getter: TokenGetter) -> Self {
        Self { token: Some(getter), ..self }
    }

    /// Treats a 403 as a 401: the token is renewed, at most once in 30 s for the whole fleet, and the
    /// request is repeated once.
    ///
    /// Use this for a service that answers 403 to a token that has expired. By default, a 403 means that the
    /// token does not permit the call, and that another token would not permit it either.
    pub fn forbidden_is_expired(self) -> Self {
        Self { forbidden_is_expired: true, ..self }
    }

    /// Makes every call through this circuit. Default: no circuit.
    ///
    /// A failed connection, a timeout, 429 and 5xx count as failures of the service. Another 4xx does not
    /// count. If a 429 or a 503 with `Retry-After` opens the circuit, it stays open for at least that long,
    /// up to the policy's `max_open_duration`.
    ///
    /// # Examples
    ///
    /// ```
    /// use funcify::{Api, CircuitBreaker, CircuitPolicy, Stores};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let stores = Stores::from_url("memory:").await?; // in production: Stores::from_env()
    /// let policy = CircuitPolicy::default();
    /// let breaker = CircuitBreaker::new("warehouse", policy, stores.circuits.clone())?;
    /// let warehouse = Api::new("warehouse", "https://warehouse.example/v1")?.circuit(breaker);
    /// # let _ = warehouse;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub fn circuit(self, breaker: CircuitBreaker) -> Self {
        Self { circuit: Some(breaker), ..self }
    }

    /// How long one request may take, with its answer. Default: 10 s.
    ///
    /// The invocation's deadline can end the request earlier, and so can the `call_timeout` of the circuit's
    /// policy (3 s by default). For a slower service, raise both.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use funcify::Api;
    ///
    /// let reports = Api::new("reports", "https://reports.example")?.timeout(Duration::from_secs(60));
    /// # let _ = reports;
    /// # Ok::<(), funcify::ConfigError>(())
    /// ```
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Trusts the certificate authorities in `pem`, a list of PEM certificates, in addition to Mozilla's: for
    /// a service whose certificate is from your own authority. Default: none.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Invalid`] if a certificate cannot be read or used.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use funcify::Api;
    ///
    /// # fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let authority = std::fs::read("ca.pem")?;
    /// let warehouse = Api::new("warehouse", "https://warehouse.internal")?.root_certificates(&authority)?;
    /// # let _ = warehouse;
    /// # Ok(())
    /// # }
    /// ```
    pub fn root_certificates(self, pem: &[u8]) -> Result<Self, ConfigError> {
        let http = client_trusting(pem).map_err(ConfigError::invalid)?;
        Ok(Self { http, ..self })
    }
}

/// The name of the URL in errors.
const BASE_URL: &str = "`Api::new`: the base URL";

/// Parses the URL. Does not check its scheme.
fn parsed(base_url: &str) -> Result<Url, ConfigError> {
    let base = Url::parse(base_url.trim())
        .map_err(|error| ConfigError::because(format!("{BASE_URL}: expected a URL"), error))?;
    if !base.username().is_empty() || base.password().is_some() {
        return Err(refused("expected a URL without user name and password"));
    }
    if base.query().is_some() || base.fragment().is_some() {
        return Err(refused("expected a URL without query and fragment"));
    }
    Ok(base)
}

fn refused(expected: &str) -> ConfigError {
    ConfigError::invalid(format!("{BASE_URL}: {expected}"))
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api")
            .field("name", &self.name)
            .field("base", &shown(self.base.as_str()))
            .field("token", &self.token)
            .field("circuit", &self.circuit)
            .finish_non_exhaustive()
    }
}
