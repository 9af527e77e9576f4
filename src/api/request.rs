use bytes::Bytes;
use funcify_core::{
    Deadline, DeadlineExceeded,
    circuit::{CallOutcome, CircuitError},
};
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE},
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::{timeout, timeout_at};

use crate::api::path::{PathError, below};
use crate::api::{Api, ApiError};
use crate::client::{ReadError, health_of, read_capped};
use crate::idempotency::{IDEMPOTENCY_KEY, outgoing_key};
use crate::json_error::JsonError;
use crate::token::Token;
use crate::trace::TraceContext;

/// The largest answer that is read: 16 MB. A Lambda function can return 6 MB, so this leaves room for an
/// answer that the function filters before it passes it on.
const ANSWER_LIMIT: usize = 16 * 1_048_576;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

impl Api {
    /// Sends a GET for `path` and decodes the JSON of the answer.
    ///
    /// `path` is relative to the base URL and may have a query. It is used as it is, so encode text that
    /// others wrote with [`segment`](super::segment). For `T`, `()` and `Option` accept an empty answer.
    ///
    /// # Errors
    ///
    /// [`ApiError`]. [`ApiError::Status`] contains an answer with a status other than 2xx.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use funcify::{Api, api::{ApiError, segment}};
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Stock { left: u32 }
    ///
    /// async fn left(warehouse: &Api, item: &str) -> Result<u32, ApiError> {
    ///     let stock: Stock = warehouse.get(&format!("/stock/{}", segment(item))).await?;
    ///     Ok(stock.left)
    /// }
    /// ```
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ApiError> {
        let request = self.request(Method::GET, path, HeaderMap::new(), None)?;
        decoded(&self.exchanged(request).await?)
    }

    /// Sends a POST of `body` as JSON to `path` and decodes the JSON of the answer. For `path` and `T` the
    /// rules of [`get`](Self::get) apply. The example of [`Api`] shows it.
    ///
    /// # Errors
    ///
    /// The same as [`get`](Self::get).
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &(impl Serialize + Sync + ?Sized),
    ) -> Result<T, ApiError> {
        let body = serde_json::to_vec(body).map_err(|error| ApiError::Request(error.into()))?;
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, JSON)]);
        let request = self.request(Method::POST, path, headers, Some(body.into()))?;
        decoded(&self.exchanged(request).await?)
    }

    /// Sends any other request and reads the whole answer, at most 16 MB.
    ///
    /// The URI of the request is a path below the base URL, with a query if you need one. It is used as it
    /// is, so encode text that others wrote with [`segment`](super::segment). You choose the method, the
    /// headers and the body, except for these headers:
    ///
    /// - `Accept` is `application/json` unless you set it.
    /// - `Authorization` is overwritten if the client has a token.
    /// - Inside the work of an [`Idempotency`](crate::Idempotency), a POST or PATCH gets an
    ///   `Idempotency-Key` unless you set one. It is the same in every attempt if the method, the URL and the
    ///   body are the same.
    ///
    /// The body is bytes, text, or a [`reqwest::Body`]. `""` sends no body. A stream cannot be sent twice, so
    /// its request is not repeated with a new token after a 401. The bound names reqwest 0.13: a new major
    /// version of reqwest needs a new major version of funcify.
    ///
    /// # Errors
    ///
    /// The same as [`get`](Self::get).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use funcify::{Api, Problem, api::segment};
    /// use http::Request;
    ///
    /// async fn cancel(warehouse: &Api, order: &str, reason: &str) -> Result<String, Problem> {
    ///     let uri = format!("/orders/{}?reason={}", segment(order), segment(reason));
    ///     let answer = warehouse.send(Request::delete(uri).body("")?).await?;
    ///     Ok(String::from_utf8_lossy(answer.body()).into_owned())
    /// }
    /// ```
    pub async fn send(
        &self,
        request: Request<impl Into<reqwest::Body>>,
    ) -> Result<Response<Bytes>, ApiError> {
        let (parts, body) = request.into_parts();
        let path = match (parts.uri.authority(), parts.uri.path_and_query()) {
            (None, Some(path)) => path.as_str(),
            _ => return Err(ApiError::Request(PathError.into())),
        };
        let request = self.request(parts.method, path, parts.headers, Some(body.into()))?;
        self.exchanged(request).await
    }

    /// Builds the request for `path`, and adds the headers that it does not have itself.
    fn request(
        &self,
        method: Method,
        path: &str,
        mut headers: HeaderMap,
        body: Option<reqwest::Body>,
    ) -> Result<reqwest::Request, ApiError> {
        let url = below(&self.base, path).map_err(|error| ApiError::Request(error.into()))?;
        headers.entry(ACCEPT).or_insert(JSON);
        if let Some(trace) = TraceContext::current() {
            trace.apply(&mut headers);
        }
        // A stream gets no key: its bytes are not known, and may differ in the next attempt.
        let bytes = body.as_ref().map_or(Some(&[][..]), reqwest::Body::as_bytes);
        if let Some(bytes) = bytes.filter(|_| !headers.contains_key(IDEMPOTENCY_KEY))
            && let Some(key) = outgoing_key(&method, url.as_str(), bytes)
            && let Ok(key) = HeaderValue::try_from(key)
        {
            headers.insert(IDEMPOTENCY_KEY, key);
        }
        let mut request = reqwest::Request::new(method, url);
        *request.headers_mut() = headers;
        *request.body_mut() = body;
        Ok(request)
    }

    /// Sends the request with the token, and once more with another one if the service rejects it.
    async fn exchanged(&self, request: reqwest::Request) -> Result<Response<Bytes>, ApiError> {
        let Some(getter) = &self.token else { return Box::pin(self.call(request)).await };

        let token = getter.token().await.map_err(ApiError::Token)?;
        let again = request.try_clone();
        let answer = Box::pin(self.call(authorized(request, &token))).await;
        let is_rejected = is_token_rejected(&answer, self.forbidden_is_expired);
        let (Some(again), true) = (again, is_rejected) else { return answer };

        // If there is no other token, the caller gets the service's answer.
        match getter.rejected(&token).await {
            Ok(other) => Box::pin(self.call(authorized(again, &other))).await,
            Err(error) => {
                tracing::warn!(api = %self.name, error = crate::error_chain(&error), "the service rejected the token and it was not renewed");
                answer
            }
        }
    }

    /// Makes one call, through the circuit if there is one.
    async fn call(&self, request: reqwest::Request) -> Result<Response<Bytes>, ApiError> {
        if Deadline::current().is_some_and(|deadline| deadline.remaining().is_zero()) {
            return Err(ApiError::Deadline(DeadlineExceeded));
        }
        let exchange = async || self.exchange(request).await;
        let answer = match &self.circuit {
            None => in_time(exchange()).await,
            // The breaker itself ends the call at the invocation's deadline, and counts that.
            Some(circuit) => match circuit.call_classified(outcome, exchange).await {
                Ok(answer) => Ok(answer),
                Err(CircuitError::Open(open)) => Err(ApiError::Open(open)),
                Err(CircuitError::Failed(error)) => Err(error),
                Err(_) => Err(out_of_time()),
            },
        }?;
        if answer.status().is_success() { Ok(answer) } else { Err(ApiError::Status(answer.into())) }
    }

    /// Sends the request and reads the answer, whatever its status.
    async fn exchange(&self, request: reqwest::Request) -> Result<Response<Bytes>, ApiError> {
        let unreachable = |error: reqwest::Error| ApiError::Unreachable(error.without_url().into());
        let exchange = async {
            let mut answer = self.http.execute(request).await.map_err(unreachable)?;
            let mut whole = Response::new(Bytes::new());
            *whole.status_mut() = answer.status();
            *whole.headers_mut() = std::mem::take(answer.headers_mut());
            match read_capped(answer, ANSWER_LIMIT).await {
                Ok(body) => Ok(whole.map(|_| body)),
                Err(ReadError::Cut(error)) => Err(unreachable(error)),
                Err(error) => Err(ApiError::Reply(error.into())),
            }
        };
        timeout(self.timeout, exchange).await.unwrap_or(Err(ApiError::TimedOut))
    }
}

/// Decodes the body as JSON. An empty body counts as `null`: `()` and `Option` accept it.
fn decoded<T: DeserializeOwned>(answer: &Response<Bytes>) -> Result<T, ApiError> {
    let text: &[u8] = if answer.body().is_empty() { b"null" } else { answer.body() };
    serde_json::from_slice(text).map_err(|error| ApiError::Reply(JsonError::from(error).into()))
}

/// How the circuit counts an exchange.
fn outcome(exchange: &Result<Response<Bytes>, ApiError>) -> CallOutcome {
    match exchange {
        Ok(answer) => health_of(answer.status(), answer.headers()),
        Err(ApiError::Unreachable(_) | ApiError::TimedOut) => CallOutcome::Failure,
        Err(_) => CallOutcome::Neutral,
    }
}

/// Ends an exchange at the invocation's deadline, if no breaker does so.
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

/// Whether the service rejected the token: it answered 401 with the error `invalid_token` (RFC 6750 §3.1) or
/// without any error. If `forbidden_is_expired`, every 403 counts too.
fn is_token_rejected(
    answer: &Result<Response<Bytes>, ApiError>,
    forbidden_is_expired: bool,
) -> bool {
    let Err(ApiError::Status(answer)) = answer else { return false };
    if answer.status() == StatusCode::FORBIDDEN {
        return forbidden_is_expired;
    }
    if answer.status() != StatusCode::UNAUTHORIZED {
        return false;
    }
    let challenges = answer.headers().get_all(WWW_AUTHENTICATE);
    let challenges: Vec<_> = challenges.iter().filter_map(|text| text.to_str().ok()).collect();
    let any_has = |what: &str| {
        challenges.iter().any(|challenge| challenge.to_ascii_lowercase().contains(what))
    };
    any_has("invalid_token") || !any_has("error=")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_another_form_is_refused_without_its_values() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        #[expect(dead_code, reason = "only parsed")]
        struct Stock {
            left: u32,
        }
        for answer in [
            r#""canary""#,
            r#"["canary"]"#,
            r#"{"left":"canary"}"#,
            r#"{"left":1,"canary":2}"#,
            r#"{"left":{"canary":1}}"#,
            r#"{"left":"canary, expected canary"}"#,
            r#"{"left":1}canary"#,
            "canary",
        ] {
            let answer = Response::new(Bytes::from_static(answer.as_bytes()));
            let error = decoded::<Stock>(&answer).unwrap_err();
            let shown = format!("{} {error:?}", crate::error_chain(&error));
            assert!(!shown.contains("canary"), "{shown}");
            // The mutant: the message of the parser itself.
            let quoted = serde_json::from_slice::<Stock>(answer.body()).unwrap_err().to_string();
            let is_about_a_value =
                !quoted.contains("expected value") && !quoted.contains("trailing");
            let quotes = quoted.contains("canary")
                || quoted.starts_with("invalid type: map")
                || quoted.starts_with("invalid type: sequence")
                || quoted.starts_with("invalid length");
            assert_eq!(is_about_a_value, quotes, "{quoted}");
        }
    }

    #[test]
    fn a_call_that_was_not_made_or_refused_says_nothing_about_the_service() {
        assert_eq!(outcome(&Err(ApiError::TimedOut)), CallOutcome::Failure);
        assert_eq!(outcome(&Err(ApiError::Unreachable("reset".into()))), CallOutcome::Failure);
        assert_eq!(outcome(&Err(ApiError::Deadline(DeadlineExceeded))), CallOutcome::Neutral);
        let status =
            |status| outcome(&Ok(Response::builder().status(status).body(Bytes::new()).unwrap()));
        for (code, expected) in
            [(204, CallOutcome::Success), (404, CallOutcome::Neutral), (503, CallOutcome::Failure)]
        {
            assert_eq!(status(code), expected, "{code}");
        }
    }
}
