use std::{error::Error, fmt, sync::Arc, time::Duration};

use axum::response::{IntoResponse, Response};
use funcify_core::{
    DeadlineExceeded,
    circuit::{CircuitError, CircuitOpen},
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Map, Value};

use crate::api::ApiError;
use crate::auth::authenticator::Unauthenticated;
use crate::json::JsonError;
use crate::json::error::without_values;
use crate::pipeline::http::request::RequestError;
use crate::token::TokenError;

/// What went wrong, as an answer: problem details after RFC 9457.
///
/// A handler returns it, or gets it from any error with `?`: an open circuit and a passed deadline
/// become 503, also deep in the causes of an error; a call of [`Api`](crate::Api) that failed 502, one
/// that was late 504; everything else is a 500. Causes go into the log and not to the caller. It is not
/// an [`Error`] itself: it is what becomes of one. Boxed errors come by
/// [`from_boxed`](Self::from_boxed).
///
/// # Examples
///
/// ```
/// use funcify::pipeline::Problem;
/// use http::StatusCode;
///
/// fn quantity(text: &str) -> Result<u32, Problem> {
///     let quantity = text.parse().map_err(|_| Problem::bad_request("expected a quantity"))?;
///     if quantity > 100 {
///         return Err(Problem::new(StatusCode::CONFLICT)
///             .titled("Out of stock")
///             .with("available", 100));
///     }
///     Ok(quantity)
/// }
/// assert_eq!(quantity("a few").unwrap_err().status(), StatusCode::BAD_REQUEST);
/// assert_eq!(
///     serde_json::to_string(&quantity("101").unwrap_err()).unwrap(),
///     r#"{"type":"about:blank","title":"Out of stock","status":409,"available":100}"#
/// );
///
/// fn read() -> Result<String, Problem> {
///     Ok(std::fs::read_to_string("/no/such/file")?)
/// }
/// assert_eq!(read().unwrap_err().status(), StatusCode::INTERNAL_SERVER_ERROR);
/// ```
pub struct Problem(Box<Parts>);

struct Parts {
    status: StatusCode,
    kind: Option<String>,
    title: Option<String>,
    detail: Option<String>,
    instance: Option<String>,
    members: Map<String, Value>,
    headers: HeaderMap,
    cause: Cause,
}

/// Why there is a problem, for the log. Travels with the response.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cause {
    /// The causes of the error, one after the other.
    pub(crate) text: Option<Arc<str>>,
    /// Whether nothing was tried: a guard, a missing right, an open circuit.
    pub(crate) refused: bool,
}

impl Problem {
    /// A problem that says no more than its status.
    #[must_use]
    pub fn new(status: StatusCode) -> Self {
        Self(Box::new(Parts {
            status,
            kind: None,
            title: None,
            detail: None,
            instance: None,
            members: Map::new(),
            headers: HeaderMap::new(),
            cause: Cause::default(),
        }))
    }

    /// A 400 that says what was expected.
    #[must_use]
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST).detailed(detail)
    }

    /// A 503 that says when to come again.
    #[must_use]
    pub fn unavailable(retry_after: Duration) -> Self {
        // Rounded up: a caller that comes a moment too early is refused once more.
        let seconds = retry_after.as_millis().div_ceil(1_000).max(1);
        let seconds = u64::try_from(seconds).unwrap_or(u64::MAX);
        Self::new(StatusCode::SERVICE_UNAVAILABLE).header(header::RETRY_AFTER, seconds.into())
    }

    /// The problem of an error in a box.
    #[must_use]
    pub fn from_boxed(error: Box<dyn Error + Send + Sync>) -> Self {
        Self::of(&*error)
    }

    /// Names the type of the problem by a URI; `about:blank` otherwise.
    #[must_use]
    pub fn typed(mut self, uri: impl Into<String>) -> Self {
        self.0.kind = Some(uri.into());
        self
    }

    /// Sets the title; the status' own otherwise.
    #[must_use]
    pub fn titled(mut self, title: impl Into<String>) -> Self {
        self.0.title = Some(title.into());
        self
    }

    /// Says what is wrong with this very request. Shown to the caller, with 5xx too.
    #[must_use]
    pub fn detailed(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// Names the occurrence by a URI.
    #[must_use]
    pub fn instance(mut self, uri: impl Into<String>) -> Self {
        self.0.instance = Some(uri.into());
        self
    }

    /// Adds a member of your own. The names of RFC 9457 are taken and left as they are.
    #[must_use]
    pub fn with(mut self, member: impl Into<String>, value: impl Into<Value>) -> Self {
        let member = member.into();
        if !["type", "title", "status", "detail", "instance"].contains(&member.as_str()) {
            self.0.members.insert(member, value.into());
        }
        self
    }

    /// Adds a header to the answer.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.append(name, value);
        self
    }

    /// Notes a cause for the log; callers do not see it.
    #[must_use]
    pub fn caused_by(mut self, error: &(dyn Error + 'static)) -> Self {
        self.0.cause.text = Some(causes(error).into());
        self
    }

    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// What is wrong with this very request.
    #[must_use]
    pub fn detail(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }

    /// Marks that nothing was tried.
    pub(crate) fn refused(mut self) -> Self {
        self.0.cause.refused = true;
        self
    }

    /// All of it in one line, for the log.
    pub(crate) fn cause(&self) -> Option<Arc<str>> {
        Some(self.to_string().into())
    }

    pub(crate) fn is_refusal(&self) -> bool {
        self.0.cause.refused
    }

    fn of(error: &(dyn Error + 'static)) -> Self {
        // What it is if nothing deeper says more.
        let mut otherwise = None;
        let mut next = Some(error);
        while let Some(cause) = next {
            // An `Arc` is an error of a type of its own and skips what it holds.
            let shared = cause.downcast_ref::<Arc<dyn Error + Send + Sync>>();
            let cause = shared.map_or(cause, |shared| &**shared);
            if let Some(open) = cause.downcast_ref::<CircuitOpen>() {
                return Self::unavailable(open.retry_after).refused().caused_by(error);
            }
            if cause.is::<DeadlineExceeded>() {
                return Self::unavailable(Duration::from_secs(1)).caused_by(error);
            }
            if let Some(caller) = cause.downcast_ref::<Unauthenticated>() {
                match caller.www_authenticate() {
                    Some(challenge) => return Self::unauthenticated(challenge).caused_by(error),
                    // Nobody can tell for now who is calling; its cause may know for how long.
                    None => otherwise = Some(Self::unavailable(Duration::from_secs(1))),
                }
            }
            if let Some(call) = cause.downcast_ref::<ApiError>() {
                otherwise = Some(Self::new(call.gateway_status()));
            }
            if let Some(retry_after) = cause.downcast_ref().and_then(TokenError::retry_after) {
                otherwise = Some(Self::unavailable(retry_after));
            }
            if let Some(refused) = cause.downcast_ref::<RequestError>() {
                return Self::bad_request(causes(refused)).caused_by(error);
            }
            next = cause.source();
        }
        let otherwise = otherwise.unwrap_or_else(|| Self::new(StatusCode::INTERNAL_SERVER_ERROR));
        otherwise.caused_by(error)
    }

    /// 401 as RFC 6750 has it.
    fn unauthenticated(challenge: &'static str) -> Self {
        let challenge = HeaderValue::from_static(challenge);
        Self::new(StatusCode::UNAUTHORIZED).header(header::WWW_AUTHENTICATE, challenge).refused()
    }
}

/// An error and its causes, in one line.
fn causes(error: &(dyn Error + 'static)) -> String {
    let mut line = said_by(error);
    let mut next = error.source();
    while let Some(cause) = next {
        line.push_str(": ");
        line.push_str(&said_by(cause));
        next = cause.source();
    }
    line
}

/// What an error says, without the values of an event that a parser quotes.
fn said_by(error: &(dyn Error + 'static)) -> String {
    match error.downcast_ref::<serde_json::Error>() {
        Some(error) => JsonError::from(error).to_string(),
        None => without_values(&error.to_string()).into_owned(),
    }
}

impl<E: Error + 'static> From<E> for Problem {
    fn from(error: E) -> Self {
        Self::of(&error)
    }
}

/// The problem of a call through a circuit, where `?` cannot tell how it ended.
pub trait IntoProblem {
    /// 503 if the circuit refused, 504 if the breaker ended the call, else the error's own problem.
    fn into_problem(self) -> Problem;
}

impl<E: Into<Problem>> IntoProblem for CircuitError<E> {
    fn into_problem(self) -> Problem {
        match self {
            Self::Open(open) => open.into(),
            Self::Failed(error) => error.into(),
            // The rest has no cause of its own: the call was ended.
            _ => Problem::new(StatusCode::GATEWAY_TIMEOUT),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let Parts { status, headers, cause, .. } = *self.0;
        let mut response = (status, headers, body).into_response();
        let json = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        response.extensions_mut().insert(cause);
        response
    }
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let parts = &self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", parts.kind.as_deref().unwrap_or("about:blank"))?;
        let title = parts.title.as_deref().or(parts.status.canonical_reason());
        if let Some(title) = title {
            map.serialize_entry("title", title)?;
        }
        map.serialize_entry("status", &parts.status.as_u16())?;
        if let Some(detail) = &parts.detail {
            map.serialize_entry("detail", detail)?;
        }
        if let Some(instance) = &parts.instance {
            map.serialize_entry("instance", instance)?;
        }
        for (member, value) in &parts.members {
            map.serialize_entry(member, value)?;
        }
        map.end()
    }
}

impl fmt::Display for Problem {
    /// For the log: status, detail and cause.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = &self.0;
        let title = parts.title.as_deref().or(parts.status.canonical_reason());
        write!(f, "{}", title.unwrap_or(parts.status.as_str()))?;
        for more in [parts.detail.as_deref(), parts.cause.text.as_deref()].into_iter().flatten() {
            write!(f, ": {more}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Problem")
            .field("status", &self.0.status)
            .field("title", &self.0.title)
            .field("detail", &self.0.detail)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use funcify_core::circuit::{Cause as OpenCause, CircuitName};

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the order was not placed")]
    struct Outer(#[source] Box<dyn Error + Send + Sync>);

    fn open() -> CircuitOpen {
        let circuit = CircuitName::new("warehouse").unwrap();
        CircuitOpen::new(circuit, Duration::from_millis(2_100), OpenCause::Failures)
    }

    #[test]
    fn an_open_circuit_anywhere_among_the_causes_is_a_503_with_retry_after() {
        let buried = Outer(Outer(Box::new(open())).into());
        for problem in [Problem::from(open()), Problem::from(buried), refused().unwrap_err()] {
            assert_eq!(problem.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert!(problem.is_refusal());
            let response = problem.into_response();
            assert_eq!(response.headers()[header::RETRY_AFTER], "3");
            assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        }
    }

    fn refused() -> Result<(), Problem> {
        Err(CircuitError::<std::io::Error>::Open(open()))?
    }

    #[test]
    fn a_passed_deadline_is_a_503_that_is_no_refusal() {
        let problem = Problem::from(Outer(Box::new(DeadlineExceeded)));
        assert_eq!(problem.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(!problem.is_refusal());
    }

    #[test]
    fn a_caller_who_cannot_be_judged_now_is_told_when_to_come_again() {
        let no_keys = Problem::from(Unauthenticated::unavailable(open()));
        assert!(no_keys.is_refusal());
        assert_eq!(no_keys.into_response().headers()[header::RETRY_AFTER], "3");
        let no_answer = Problem::from(Unauthenticated::unavailable(std::fmt::Error));
        assert_eq!(no_answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(!no_answer.is_refusal());
        assert_eq!(no_answer.into_response().headers()[header::RETRY_AFTER], "1");
    }

    #[test]
    fn a_token_that_is_missing_for_now_is_a_503_that_says_until_when() {
        let retry_after = Duration::from_millis(6_200);
        let remembered = || TokenError::Remembered { code: "invalid_client".into(), retry_after };
        let rejected = || TokenError::RejectedTooOften { retry_after };
        for missing in [
            Problem::from(remembered()),
            Problem::from(Outer(Box::new(rejected()))),
            Problem::from(ApiError::Token(remembered())),
        ] {
            assert_eq!(missing.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(missing.into_response().headers()[header::RETRY_AFTER], "7");
        }
        let no_key = TokenError::KeyInUse { key: Default::default() };
        assert_eq!(Problem::from(no_key).status(), StatusCode::INTERNAL_SERVER_ERROR);
    }

    #[test]
    fn the_cause_of_a_500_is_logged_and_not_shown() {
        let problem = Problem::from(Outer("password hunter2 refused".into()));
        assert!(problem.to_string().contains("the order was not placed: password"));
        let shown = serde_json::to_string(&problem).unwrap();
        assert_eq!(shown, r#"{"type":"about:blank","title":"Internal Server Error","status":500}"#);
        assert!(!format!("{problem:?}").contains("hunter2"));
    }

    #[test]
    fn the_members_of_the_rfc_cannot_be_taken() {
        let problem = Problem::bad_request("no").with("status", 200).with("balance", 3);
        let shown = serde_json::to_string(&problem).unwrap();
        assert_eq!(
            shown,
            r#"{"type":"about:blank","title":"Bad Request","status":400,"detail":"no","balance":3}"#
        );
    }
}
