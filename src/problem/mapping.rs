//! Decides which problem each error becomes. Only this file knows the errors of all modules.

use std::{error::Error, sync::Arc, time::Duration};

use funcify_core::{
    DeadlineExceeded, StoreErrorKind,
    circuit::{CircuitError, CircuitOpen},
    engine::causes,
};
use http::{HeaderValue, StatusCode, header};

use crate::api::ApiError;
use crate::auth::Unauthenticated;
use crate::idempotency::IdempotencyError;
use crate::json::error::redacted_chain;
use crate::pipeline::http::request::RequestError;
use crate::problem::Problem;
use crate::token::TokenError;

impl Problem {
    /// The problem for `error`. The first of its causes that decides the problem wins. Otherwise the last
    /// cause that suggests one wins. Otherwise the problem is a 500.
    pub(crate) fn of(error: &(dyn Error + 'static)) -> Self {
        let mut suggested = None;
        for cause in causes(error).map(unshared) {
            if let Some(open) = cause.downcast_ref::<CircuitOpen>() {
                return Self::unavailable(open.retry_after).refused().caused_by(error);
            }
            if cause.is::<DeadlineExceeded>() {
                return Self::unavailable(Duration::from_secs(1)).caused_by(error);
            }
            if let Some(unauthenticated) = cause.downcast_ref::<Unauthenticated>() {
                match unauthenticated.www_authenticate() {
                    Some(challenge) => return Self::unauthenticated(challenge).caused_by(error),
                    // The caller cannot be identified now. A deeper cause may say for how long.
                    None => suggested = Some(Self::unavailable(Duration::from_secs(1))),
                }
            }
            if let Some(call) = cause.downcast_ref::<ApiError>() {
                suggested = Some(Self::new(gateway_status(call)));
            }
            if let Some(retry_after) = cause.downcast_ref().and_then(TokenError::retry_after) {
                suggested = Some(Self::unavailable(retry_after));
            }
            if let Some(refused) = cause.downcast_ref::<RequestError>() {
                return Self::bad_request(redacted_chain(refused)).refused().caused_by(error);
            }
        }
        let problem = suggested.unwrap_or_else(|| Self::new(StatusCode::INTERNAL_SERVER_ERROR));
        problem.caused_by(error)
    }

    /// A 503 with the header `Retry-After`, in whole seconds, at least one.
    fn unavailable(retry_after: Duration) -> Self {
        // Rounded up, because a caller that comes back a moment too early is refused again.
        let seconds = retry_after.as_millis().div_ceil(1_000).max(1);
        let seconds = u64::try_from(seconds).unwrap_or(u64::MAX);
        Self::new(StatusCode::SERVICE_UNAVAILABLE).header(header::RETRY_AFTER, seconds.into())
    }

    /// A 401 with the challenge that RFC 6750 asks for.
    fn unauthenticated(challenge: &'static str) -> Self {
        let challenge = HeaderValue::from_static(challenge);
        Self::new(StatusCode::UNAUTHORIZED).header(header::WWW_AUTHENTICATE, challenge).refused()
    }
}

/// The error in an `Arc`. The `Arc` is itself an error with its own type, so a downcast does not find the
/// error in it.
fn unshared<'a>(cause: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    match cause.downcast_ref::<Arc<dyn Error + Send + Sync>>() {
        Some(shared) => &**shared,
        None => cause,
    }
}

/// The status of a gateway whose call failed (RFC 9110, section 15.6): 504 if the service took too long, 502
/// if it failed, 500 if the function itself is at fault.
fn gateway_status(error: &ApiError) -> StatusCode {
    match error {
        ApiError::TimedOut | ApiError::Deadline(_) => StatusCode::GATEWAY_TIMEOUT,
        ApiError::Unreachable(_) | ApiError::Reply(_) => StatusCode::BAD_GATEWAY,
        ApiError::Status(response) if response.status().is_server_error() => {
            StatusCode::BAD_GATEWAY
        }
        ApiError::Open(_) => StatusCode::SERVICE_UNAVAILABLE,
        ApiError::Token(_) | ApiError::Request(_) | ApiError::Status(_) => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
    }
}

impl<E: Error + 'static> From<E> for Problem {
    fn from(error: E) -> Self {
        Self::of(&error)
    }
}

/// Converts an error into a [`Problem`] where `?` does not compile, or would choose a status that is too
/// general.
///
/// - A boxed error becomes the same problem as the error in it. Box an error of anyhow with
///   `Box::<dyn Error + Send + Sync>::from(error)`.
/// - The error of an [`Idempotency`](crate::Idempotency) becomes 409 if the work is in progress, was taken
///   over or has no stored answer, 422 if the key was used with another payload, and 503 if the store is away
///   or the deadline has passed. The error of the work itself becomes its own problem, and any other error
///   500.
/// - The error of a call through a circuit breaker becomes 503 if the circuit was open, and 504 if the
///   breaker ended the call. The error that the call itself returned becomes its own problem. With `?`, a
///   call that the breaker ended would become 500.
///
/// # Examples
///
/// ```
/// use funcify::{Problem, pipeline::IntoProblem};
/// use std::error::Error;
///
/// fn quantity() -> Result<u32, Box<dyn Error + Send + Sync>> {
///     Err("no connection to the warehouse")?
/// }
///
/// fn handler() -> Result<u32, Problem> {
///     quantity().map_err(IntoProblem::into_problem)
/// }
/// assert_eq!(handler().unwrap_err().status(), 500);
/// ```
pub trait IntoProblem {
    /// The problem that answers the request.
    fn into_problem(self) -> Problem;
}

impl IntoProblem for Box<dyn Error + Send + Sync> {
    fn into_problem(self) -> Problem {
        Problem::of(&*self)
    }
}

impl<E: Into<Problem>> IntoProblem for CircuitError<E> {
    fn into_problem(self) -> Problem {
        match self {
            Self::Open(open) => open.into(),
            Self::Failed(error) => error.into(),
            // In the other variants the breaker ended the call, and there is no error that says so.
            _ => Problem::new(StatusCode::GATEWAY_TIMEOUT),
        }
    }
}

impl<E: Into<Problem>> IntoProblem for IdempotencyError<E> {
    fn into_problem(self) -> Problem {
        // These texts contain nothing of the key or the payload.
        let refused = |status, text: String| Problem::new(status).with("detail", text);
        match self {
            Self::Failed(error) => error.into(),
            Self::InProgress { retry_after } => {
                let mut problem =
                    Problem::unavailable(retry_after).with("detail", self.to_string());
                problem.0.status = StatusCode::CONFLICT;
                problem
            }
            Self::Superseded | Self::AnswerNotKept => {
                refused(StatusCode::CONFLICT, self.to_string())
            }
            Self::Mismatch => refused(StatusCode::UNPROCESSABLE_ENTITY, self.to_string()),
            Self::Unclaimed(error) if error.kind() == StoreErrorKind::Invalid => error.into(),
            Self::Unclaimed(error) => {
                Problem::unavailable(Duration::from_secs(1)).caused_by(&error)
            }
            Self::Deadline(error) => error.into(),
            Self::Nested => Problem::new(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;
    use funcify_core::{StoreError, circuit::Cause};

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the order was not placed")]
    struct Outer(#[source] Box<dyn Error + Send + Sync>);

    fn open() -> CircuitOpen {
        let circuit = "warehouse".parse().unwrap();
        CircuitOpen::new(circuit, Duration::from_millis(2_100), Cause::Failures)
    }

    #[test]
    fn an_open_circuit_anywhere_among_the_causes_is_a_503_with_retry_after() {
        let buried = Outer(Outer(Box::new(open())).into());
        let boxed: Box<dyn Error + Send + Sync> = Box::new(Outer(Box::new(open())));
        let boxed = boxed.into_problem();
        for problem in [open().into(), buried.into(), boxed, refused().unwrap_err()] {
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
    fn a_passed_deadline_is_a_503_and_not_a_refusal() {
        let problem = Problem::from(Outer(Box::new(DeadlineExceeded)));
        assert_eq!(problem.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(!problem.is_refusal());
    }

    #[test]
    fn a_caller_who_cannot_be_verified_now_gets_a_503_with_retry_after() {
        let unavailable = |cause: Arc<dyn Error + Send + Sync>| {
            Problem::from(Unauthenticated::Unavailable(cause))
        };
        let no_keys = unavailable(Arc::new(open()));
        assert!(no_keys.is_refusal());
        assert_eq!(no_keys.into_response().headers()[header::RETRY_AFTER], "3");
        let no_answer = unavailable(Arc::new(std::fmt::Error));
        assert_eq!(no_answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(!no_answer.is_refusal());
        assert_eq!(no_answer.into_response().headers()[header::RETRY_AFTER], "1");
    }

    #[test]
    fn a_token_that_is_unavailable_for_a_while_is_a_503_with_retry_after() {
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
        let no_secret = TokenError::Credentials(Arc::from(Box::from("no secret")));
        assert_eq!(Problem::from(no_secret).status(), StatusCode::INTERNAL_SERVER_ERROR);
    }

    #[test]
    fn an_error_of_idempotency_says_whether_to_come_back_and_when() {
        type Error = IdempotencyError<Problem>;
        let unclaimed = |kind| Error::Unclaimed(StoreError::new("redis", kind, "hunter2"));
        for (error, status, retry_after) in [
            (Error::Failed(Problem::new(StatusCode::IM_A_TEAPOT)), 418, None),
            (Error::InProgress { retry_after: Duration::from_millis(2_100) }, 409, Some("3")),
            (Error::InProgress { retry_after: Duration::ZERO }, 409, Some("1")),
            (Error::Mismatch, 422, None),
            (Error::AnswerNotKept, 409, None),
            (Error::Superseded, 409, None),
            (Error::Nested, 500, None),
            (unclaimed(StoreErrorKind::Unavailable), 503, Some("1")),
            (unclaimed(StoreErrorKind::Throttled), 503, Some("1")),
            (unclaimed(StoreErrorKind::Ambiguous), 503, Some("1")),
            (unclaimed(StoreErrorKind::Timeout), 503, Some("1")),
            (unclaimed(StoreErrorKind::Denied), 503, Some("1")),
            (unclaimed(StoreErrorKind::Invalid), 500, None),
            (Error::Deadline(DeadlineExceeded), 503, Some("1")),
        ] {
            let name = format!("{error:?}");
            let problem = error.into_problem();
            let sent = serde_json::to_string(&problem).unwrap();
            assert!(!sent.contains("hunter2"), "{name}: {sent}");
            // The log line of a record that failed shows the detail.
            assert_eq!(sent.contains("detail"), [409, 422].contains(&status), "{name}: {sent}");
            let response = problem.into_response();
            let header = response.headers().get(header::RETRY_AFTER);
            let header = header.map(|value| value.to_str().unwrap());
            assert_eq!((response.status().as_u16(), header), (status, retry_after), "{name}");
        }
    }

    #[test]
    fn the_cause_of_a_500_is_logged_and_not_sent() {
        let problem = Problem::from(Outer("password hunter2 refused".into()));
        assert!(problem.to_string().contains("the order was not placed: password"));
        let sent = serde_json::to_string(&problem).unwrap();
        assert_eq!(sent, r#"{"type":"about:blank","title":"Internal Server Error","status":500}"#);
        assert!(!format!("{problem:?}").contains("hunter2"));
    }
}
