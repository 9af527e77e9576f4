use std::{error::Error, fmt};

use bytes::Bytes;
use funcify_core::{DeadlineExceeded, circuit::CircuitOpen};
use http::Response;

use crate::token::TokenError;

/// Why a call to a service failed.
///
/// | error | what the service did | what you can do |
/// |---|---|---|
/// | `Token`, `Open`, and `Status` with 429 | nothing | use a fallback, or repeat the call later |
/// | `Deadline`, `TimedOut`, `Unreachable`, `Reply`, and `Status` with 5xx | perhaps what you asked for | repeat the call only if it may be done twice |
/// | `Request`, and any other `Status` | nothing | correct the call: the same call fails again |
///
/// [`CircuitOpen`] and [`DeadlineExceeded`] are among the [sources](Error::source).
/// [`Problem`](crate::Problem) converts any `ApiError` into the response of a gateway: status 502, 503, 504,
/// or 500.
///
/// # Examples
///
/// ```
/// use funcify::{Api, api::ApiError};
/// use http::StatusCode;
///
/// async fn left(warehouse: &Api) -> Result<u32, ApiError> {
///     match warehouse.get("/stock/tea").await {
///         Err(ApiError::Status(answer)) if answer.status() == StatusCode::NOT_FOUND => Ok(0),
///         result => result,
///     }
/// }
/// ```
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum ApiError {
    /// The request could not be built: its path leaves the base URL, or its body cannot be written as JSON.
    /// Nothing was sent.
    #[error("the request cannot be built")]
    Request(#[source] Box<dyn Error + Send + Sync>),
    /// There is no token. Nothing was sent.
    #[error("no token for the call")]
    Token(#[source] TokenError),
    /// The circuit of the service is open. Nothing was sent.
    #[error("the circuit refused the call")]
    Open(#[source] CircuitOpen),
    /// The deadline of the invocation passed before the service answered.
    #[error("the call did not end in time")]
    Deadline(#[source] DeadlineExceeded),
    /// The service did not answer within [`Api::timeout`](super::Api::timeout) or the `call_timeout` of the
    /// circuit.
    #[error("the service did not answer in time")]
    TimedOut,
    /// The service could not be reached, or the connection broke.
    #[error("the service could not be reached")]
    Unreachable(#[source] Box<dyn Error + Send + Sync>),
    /// The service answered with a status other than 2xx. This is the answer.
    #[error("the service answered {}", .0.status().as_u16())]
    Status(Box<Response<Bytes>>),
    /// The answer is larger than 16 MB, or its JSON has not the expected form. The source says where, and
    /// quotes no value of the answer.
    #[error("the service's answer cannot be used")]
    Reply(#[source] Box<dyn Error + Send + Sync>),
}

impl fmt::Debug for ApiError {
    /// Shows the status and the length of an answer. Its headers and its body may contain personal data or
    /// secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut variant = |name, field: &dyn fmt::Debug| f.debug_tuple(name).field(field).finish();
        match self {
            Self::Request(error) => variant("Request", error),
            Self::Token(error) => variant("Token", error),
            Self::Open(open) => variant("Open", open),
            Self::Deadline(error) => variant("Deadline", error),
            Self::TimedOut => f.write_str("TimedOut"),
            Self::Unreachable(error) => variant("Unreachable", error),
            Self::Status(answer) => f
                .debug_struct("Status")
                .field("status", &answer.status().as_u16())
                .field("bytes", &answer.body().len())
                .finish_non_exhaustive(),
            Self::Reply(error) => variant("Reply", error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_an_answer_is_shown_but_its_status_and_length() {
        let answer = Response::builder().status(403).header("set-cookie", "s=canary");
        let answer = answer.body(Bytes::from_static(b"canary")).unwrap();
        let error = ApiError::Status(Box::new(answer));
        assert_eq!(error.to_string(), "the service answered 403");
        assert_eq!(format!("{error:?}"), "Status { status: 403, bytes: 6, .. }");
    }
}
