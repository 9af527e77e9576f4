use std::error::Error;

use funcify_core::{DeadlineExceeded, circuit::CircuitOpen};
use http::StatusCode;

use crate::api::ApiResponse;
use crate::client::{ClientError, HTTPS_REQUIRED};
use crate::token::TokenError;

/// Why no [`Api`](super::Api) could be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApiConfigError {
    /// The base is not a URL.
    #[error("the base URL of the API: expected a URL")]
    NotAUrl(#[source] url::ParseError),
    /// The base is not https. Plain http is allowed on this machine, and with
    /// [`Api::over_plain_http`](super::Api::over_plain_http).
    #[error("the base URL of the API: {HTTPS_REQUIRED}")]
    NotHttps,
    /// The base has a user name or a password.
    #[error("the base URL of the API: expected a URL without user name and password")]
    UserInfo,
    /// The base has a query or a fragment.
    #[error("the base URL of the API: expected a URL without query and fragment")]
    QueryOrFragment,
    /// The HTTP client could not be built.
    #[error("no HTTP client for the API")]
    Client(#[source] ClientError),
}

/// Why a call to a service failed. [`kind`](Self::kind) says what you may do about it.
///
/// An open circuit ([`CircuitOpen`]) and a passed deadline are among the
/// [sources](Error::source). [`Problem`](crate::Problem) makes of them, and of any other `ApiError`,
/// the response of a gateway.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApiError {
    /// The request could not be built: its path leaves the base URL, or its body is not JSON. Nothing
    /// was sent.
    #[error("the request cannot be built")]
    Request(#[source] Box<dyn Error + Send + Sync>),
    /// There is no token. Nothing was sent.
    #[error("no token for the call")]
    Token(#[source] TokenError),
    /// The circuit of the service is open. Nothing was sent.
    #[error("the call was refused")]
    Open(#[source] CircuitOpen),
    /// The time of the invocation is over.
    #[error("the call did not end in time")]
    Deadline(#[source] DeadlineExceeded),
    /// The service did not answer within the time-out.
    #[error("the service did not answer in time")]
    TimedOut,
    /// The service could not be reached, or the connection broke.
    #[error("the service could not be reached")]
    Unreachable(#[source] Box<dyn Error + Send + Sync>),
    /// The status of the answer is not 2xx. The answer can be read here.
    #[error("the service answered {}", .0.status.as_u16())]
    Status(Box<ApiResponse>),
    /// The answer is larger than 16 MB, or not the JSON that was expected.
    #[error("the service's answer cannot be used")]
    Reply(#[source] Box<dyn Error + Send + Sync>),
}

/// What the caller may do after an [`ApiError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ApiErrorKind {
    /// The service did nothing: no token, an open circuit, or status 429. Use a fallback, or repeat
    /// the call later.
    Unavailable,
    /// The service may have done what was asked: no answer, a 5xx, or an answer that cannot be used.
    /// Repeat only a call that may be done twice.
    Ambiguous,
    /// The same call fails again: its path or body is wrong, or the service refused it.
    Invalid,
}

impl ApiError {
    /// What the caller may do.
    #[must_use]
    pub fn kind(&self) -> ApiErrorKind {
        match self {
            Self::Token(_) | Self::Open(_) => ApiErrorKind::Unavailable,
            Self::Deadline(_) | Self::TimedOut | Self::Unreachable(_) | Self::Reply(_) => {
                ApiErrorKind::Ambiguous
            }
            Self::Status(response) => match response.status {
                StatusCode::TOO_MANY_REQUESTS => ApiErrorKind::Unavailable,
                status if status.is_server_error() => ApiErrorKind::Ambiguous,
                _ => ApiErrorKind::Invalid,
            },
            Self::Request(_) => ApiErrorKind::Invalid,
        }
    }

    /// The status of the answer, for [`ApiError::Status`].
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Status(response) => Some(response.status),
            _ => None,
        }
    }
}

/// The path leaves the base URL of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a path below the base URL of the API")]
pub(super) struct PathError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_says_whether_the_call_may_be_repeated() {
        let status = |status| {
            let status = StatusCode::from_u16(status).unwrap();
            ApiError::Status(Box::new(ApiResponse::new(
                status,
                Default::default(),
                Default::default(),
            )))
        };
        for (error, kind) in [
            (
                ApiError::Token(TokenError::RejectedTooOften { retry_after: Default::default() }),
                ApiErrorKind::Unavailable,
            ),
            (status(429), ApiErrorKind::Unavailable),
            (status(500), ApiErrorKind::Ambiguous),
            (status(503), ApiErrorKind::Ambiguous),
            (ApiError::TimedOut, ApiErrorKind::Ambiguous),
            (ApiError::Deadline(DeadlineExceeded), ApiErrorKind::Ambiguous),
            (ApiError::Unreachable("reset".into()), ApiErrorKind::Ambiguous),
            (ApiError::Reply("html".into()), ApiErrorKind::Ambiguous),
            (status(302), ApiErrorKind::Invalid),
            (status(404), ApiErrorKind::Invalid),
            (ApiError::Request(PathError.into()), ApiErrorKind::Invalid),
        ] {
            assert_eq!(error.kind(), kind, "{error}");
        }
    }
}
