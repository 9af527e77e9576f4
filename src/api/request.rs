use std::fmt;

use funcify_core::{
    Deadline, DeadlineExceeded,
    circuit::{CallOutcome, CircuitError},
};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE},
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::{timeout, timeout_at};
use url::Url;

use crate::api::error::PathError;
use crate::api::{Api, ApiError, ApiResponse};
use crate::client::{ReadError, outcome_of, read_capped};
use crate::token::Token;
use crate::trace::TraceContext;

/// The largest answer that is read: 16 MB. A Lambda function can return 6 MB, so this is enough for
/// an answer that it filters before passing it on.
const ANSWER_LIMIT: usize = 16 * 1_048_576;

impl Api {
    /// Sends a GET for `path` and decodes the JSON of the answer.
    ///
    /// # Errors
    ///
    /// [`ApiError`]; its [`kind`](ApiError::kind) says what you may do.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ApiError> {
        self.request(Method::GET, path).send().await?.json()
    }

    /// Sends a POST of `body` as JSON to `path` and decodes the JSON of the answer. `()` accepts an empty
    /// answer.
    ///
    /// # Errors
    ///
    /// [`ApiError`]; its [`kind`](ApiError::kind) says what you may do.
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &(impl Serialize + Sync + ?Sized),
    ) -> Result<T, ApiError> {
        self.request(Method::POST, path).json(body).send().await?.json()
    }

    /// Any other request. `path` is relative to the base URL and may have a query. It is used as it is:
    /// encode text that others wrote with [`segment`](super::segment).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use funcify::{Api, api::{ApiError, segment}};
    /// use http::Method;
    ///
    /// async fn cancel(warehouse: &Api, order: &str) -> Result<(), ApiError> {
    ///     let path = format!("/orders/{}", segment(order));
    ///     warehouse.request(Method::DELETE, &path).send().await?.json()
    /// }
    /// ```
    pub fn request(&self, method: Method, path: &str) -> ApiRequest<'_> {
        ApiRequest::new(self, method, path)
    }
}

impl ApiResponse {
    /// Decodes the body as JSON. An empty body counts as `null`: `()` and `Option` accept it.
    ///
    /// # Errors
    ///
    /// [`ApiError::Reply`] if the body is not a `T`.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        let text: &[u8] = if self.body.is_empty() { b"null" } else { &self.body };
        serde_json::from_slice(text).map_err(|error| ApiError::Reply(error.into()))
    }
}

/// A request to a service. [`Api::request`] makes it, [`send`](Self::send) sends it.
#[must_use = "nothing is sent until `send`"]
pub struct ApiRequest<'a> {
    api: &'a Api,
    method: Method,
    url: Result<Url, ApiError>,
    headers: HeaderMap,
    body: Option<reqwest::Body>,
    fault: Option<ApiError>,
}

impl<'a> ApiRequest<'a> {
    pub(super) fn new(api: &'a Api, method: Method, path: &str) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let url = below(&api.base, path).ok_or(ApiError::Request(PathError.into()));
        Self { api, method, url, headers, body: None, fault: None }
    }

    /// Sets a header. With a token, `Authorization` is overwritten.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Adds a parameter to the query and encodes it.
    pub fn query(mut self, name: &str, value: &str) -> Self {
        if let Ok(url) = &mut self.url {
            url.query_pairs_mut().append_pair(name, value);
        }
        self
    }

    /// Sends `body` as JSON, with the content type `application/json` unless you set another.
    pub fn json(mut self, body: &(impl Serialize + ?Sized)) -> Self {
        match serde_json::to_vec(body) {
            Ok(body) => {
                self.headers
                    .entry(CONTENT_TYPE)
                    .or_insert(HeaderValue::from_static("application/json"));
                self.body = Some(body.into());
            }
            Err(error) => self.fault = Some(ApiError::Request(error.into())),
        }
        self
    }

    /// Sends this body: bytes, text, or a stream.
    ///
    /// A stream cannot be sent twice, so after a 401 its request is not repeated with a new token. The
    /// bound names reqwest 0.13: a new major version of it is a new major version of funcify.
    pub fn body(mut self, body: impl Into<reqwest::Body>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Sends the request and reads the whole answer.
    ///
    /// # Errors
    ///
    /// [`ApiError`]. An answer whose status is not 2xx is in [`ApiError::Status`].
    pub async fn send(self) -> Result<ApiResponse, ApiError> {
        let api = self.api;
        let request = self.build()?;
        let Some(getter) = &api.token else { return Box::pin(api.call(request)).await };

        let token = getter.token().await.map_err(ApiError::Token)?;
        let again = request.try_clone();
        let answer = Box::pin(api.call(authorized(request, &token))).await;
        let (Some(again), true) = (again, is_token_rejected(&answer)) else { return answer };

        // Without another token the answer of the service stands.
        match getter.rejected(&token).await {
            Ok(other) => Box::pin(api.call(authorized(again, &other))).await,
            Err(error) => {
                tracing::warn!(api = %api.name, %error, "the service rejected the token and it was not renewed");
                answer
            }
        }
    }

    fn build(self) -> Result<reqwest::Request, ApiError> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let mut request = reqwest::Request::new(self.method, self.url?);
        *request.headers_mut() = self.headers;
        *request.body_mut() = self.body;
        if let Some(trace) = TraceContext::current() {
            trace.apply(request.headers_mut());
        }
        Ok(request)
    }
}

impl fmt::Debug for ApiRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiRequest")
            .field("api", &self.api.name)
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

impl Api {
    /// Makes one call, through the circuit if there is one.
    async fn call(&self, request: reqwest::Request) -> Result<ApiResponse, ApiError> {
        if Deadline::current().is_some_and(|deadline| deadline.remaining().is_zero()) {
            return Err(ApiError::Deadline(DeadlineExceeded));
        }
        let exchange = async || self.exchange(request).await;
        let answer = match &self.circuit {
            None => in_time(exchange()).await,
            // The breaker ends the call with the invocation, and records what that says about the service.
            Some(circuit) => match circuit.call_classified(outcome, exchange).await {
                Ok(answer) => Ok(answer),
                Err(CircuitError::Open(open)) => Err(ApiError::Open(open)),
                Err(CircuitError::Failed(error)) => Err(error),
                Err(_) => Err(out_of_time()),
            },
        }?;
        if answer.status.is_success() { Ok(answer) } else { Err(ApiError::Status(answer.into())) }
    }

    /// Sends the request and reads the answer, whatever its status.
    async fn exchange(&self, request: reqwest::Request) -> Result<ApiResponse, ApiError> {
        let unreachable = |error: reqwest::Error| ApiError::Unreachable(error.without_url().into());
        let exchange = async {
            let answer = self.http.execute(request).await.map_err(unreachable)?;
            let (status, headers) = (answer.status(), answer.headers().clone());
            match read_capped(answer, ANSWER_LIMIT).await {
                Ok(body) => Ok(ApiResponse::new(status, headers, body)),
                Err(ReadError::Cut(error)) => Err(unreachable(error)),
                Err(error) => Err(ApiError::Reply(error.into())),
            }
        };
        timeout(self.timeout, exchange).await.unwrap_or(Err(ApiError::TimedOut))
    }
}

/// What an exchange says about the service's health.
fn outcome(exchange: &Result<ApiResponse, ApiError>) -> CallOutcome {
    match exchange {
        Ok(answer) => outcome_of(answer.status),
        Err(ApiError::Unreachable(_) | ApiError::TimedOut) => CallOutcome::Failure,
        Err(_) => CallOutcome::Neutral,
    }
}

/// Ends an exchange with the invocation, where there is no breaker that does so.
async fn in_time<T>(exchange: impl Future<Output = Result<T, ApiError>>) -> Result<T, ApiError> {
    match Deadline::current() {
        Some(deadline) => timeout_at(deadline.ends(), exchange)
            .await
            .unwrap_or(Err(ApiError::Deadline(DeadlineExceeded))),
        None => exchange.await,
    }
}

fn out_of_time() -> ApiError {
    match Deadline::current() {
        Some(deadline) if deadline.remaining().is_zero() => ApiError::Deadline(DeadlineExceeded),
        _ => ApiError::TimedOut,
    }
}

fn authorized(mut request: reqwest::Request, token: &Token) -> reqwest::Request {
    request.headers_mut().insert(AUTHORIZATION, token.authorization().clone());
    request
}

/// Whether the answer is a 401 about the token (RFC 6750, section 3.1), or one that gives no reason.
fn is_token_rejected(answer: &Result<ApiResponse, ApiError>) -> bool {
    let Err(ApiError::Status(answer)) = answer else { return false };
    if answer.status != StatusCode::UNAUTHORIZED {
        return false;
    }
    let challenges = answer.headers.get_all(WWW_AUTHENTICATE);
    let challenges: Vec<_> = challenges.iter().filter_map(|text| text.to_str().ok()).collect();
    let any_has = |what: &str| {
        challenges.iter().any(|challenge| challenge.to_ascii_lowercase().contains(what))
    };
    any_has("invalid_token") || !any_has("error=")
}

/// The URL of `path` below `base`; `None` if the path leaves the base.
fn below(base: &Url, path: &str) -> Option<Url> {
    let root = base.path().trim_end_matches('/');
    let (path, query) =
        path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    let mut url = base.clone();
    url.set_path(&format!("{root}/{}", path.strip_prefix('/').unwrap_or(path)));
    url.set_query(query);
    let is_below = url.path() == root
        || url.path().strip_prefix(root).is_some_and(|rest| rest.starts_with('/'));
    // `..` leaves the base, in any spelling: URLs treat `\` as `/` and `%2e` as a dot.
    let climbs = path.split(['/', '\\']).any(|segment| {
        matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), ".." | ".")
    });
    (is_below && !climbs && url.origin() == base.origin()).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_below_its_base() {
        let base = Url::parse("https://warehouse.example:8443/v1/").unwrap();
        let url = |path| below(&base, path).map(|url| url.to_string());
        let expected = |rest: &str| Some(format!("https://warehouse.example:8443/v1/{rest}"));
        assert_eq!(url("/orders/7"), expected("orders/7"));
        assert_eq!(url("orders?a=b%20c&d"), expected("orders?a=b%20c&d"));
        assert_eq!(url(""), expected(""));
        assert_eq!(url("//thief.example/x"), expected("/thief.example/x"));
        assert_eq!(url("https://thief.example"), expected("https://thief.example"));
        assert_eq!(url("@thief.example"), expected("@thief.example"));
        for escape in ["..", "/../admin", "a/../../b", "%2e%2e/admin", "/.%2E/x", "..\\admin"] {
            assert_eq!(url(escape), None, "{escape}");
        }
    }

    #[test]
    fn a_call_that_was_not_made_or_refused_says_nothing_about_the_service() {
        assert_eq!(outcome(&Err(ApiError::TimedOut)), CallOutcome::Failure);
        assert_eq!(outcome(&Err(ApiError::Unreachable("reset".into()))), CallOutcome::Failure);
        assert_eq!(outcome(&Err(ApiError::Deadline(DeadlineExceeded))), CallOutcome::Neutral);
        let status = |status| {
            let status = StatusCode::from_u16(status).unwrap();
            outcome(&Ok(ApiResponse::new(status, HeaderMap::new(), bytes::Bytes::new())))
        };
        for (code, expected) in
            [(204, CallOutcome::Success), (404, CallOutcome::Neutral), (503, CallOutcome::Failure)]
        {
            assert_eq!(status(code), expected, "{code}");
        }
    }
}
