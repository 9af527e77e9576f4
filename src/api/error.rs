use std::error::Error;

use funcify_core::{DeadlineExceeded, circuit::CircuitOpen};
use http::StatusCode;

use crate::api::ApiResponse;
use crate::client::ClientError;
use crate::token::TokenError;

/// Why a URL cannot be the base of an [`Api`](super::Api).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApiConfigError {
    /// It is no URL.
    #[error("expected a URL as the base of an API")]
    NotAUrl(#[source] url::ParseError),
    /// It is not https.
    #[error("expected an https URL, or http on this machine, as the base of an API")]
    NotHttps,
    /// It has a user name or password in it.
    #[error("expected a URL without user name and password as the base of an API")]
    UserInfo,
    /// It has a query or a fragment.
    #[error("expected a URL without query and fragment as the base of an API")]
    QueryOrFragment,
    /// The HTTP client cannot be made.
    #[error("no HTTP client for the API")]
    Client(#[source] ClientError),
}

/// Why a call to a service brought no answer that can be used.
///
/// [`CircuitOpen`] and [`DeadlineExceeded`] can be found by walking [`source`](Error::source), from
/// whatever depth.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApiError {
    /// The request cannot be made: its path leaves the base URL, or its body cannot be written.
    /// Nothing was sent.
    #[error("the request cannot be made")]
    Request(#[source] Box<dyn Error + Send + Sync>),
    /// There is no token. Nothing was sent.
    #[error("no token for the call")]
    Token(#[source] TokenError),
    /// The circuit refused. Nothing was sent.
    #[error("the call was refused")]
    Open(#[source] CircuitOpen),
    /// The invocation has no time left.
    #[error("the call did not end in time")]
    Deadline(#[source] DeadlineExceeded),
    /// The service did not answer in time.
    #[error("the service did not answer in time")]
    TimedOut,
    /// The service could not be reached, or the connection broke.
    #[error("the service could not be reached")]
    Unreachable(#[source] Box<dyn Error + Send + Sync>),
    /// The service answered with a status that is no success.
    #[error("the service answered {}", .0.status().as_u16())]
    Status(Box<ApiResponse>),
    /// The service's answer is too large, or not the JSON that was expected.
    #[error("the service's answer cannot be used")]
    Reply(#[source] Box<dyn Error + Send + Sync>),
}

impl ApiError {
    /// The status that the service answered with, if that is what went wrong.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Status(response) => Some(response.status()),
            _ => None,
        }
    }

    /// The open circuit that refused the call, be it the service's or the identity provider's.
    #[must_use]
    pub fn open(&self) -> Option<&CircuitOpen> {
        let mut next: Option<&(dyn Error + 'static)> = Some(self);
        while let Some(error) = next {
            if let Some(open) = error.downcast_ref() {
                return Some(open);
            }
            next = error.source();
        }
        None
    }

    /// What a function says that passes this on, as a gateway (RFC 9110, section 15.6): 504 where the
    /// service was late, 502 where it failed, 500 where the fault is the function's own.
    pub(crate) fn gateway_status(&self) -> StatusCode {
        match self {
            Self::TimedOut | Self::Deadline(_) => StatusCode::GATEWAY_TIMEOUT,
            Self::Unreachable(_) | Self::Reply(_) => StatusCode::BAD_GATEWAY,
            Self::Status(response) if response.status().is_server_error() => {
                StatusCode::BAD_GATEWAY
            }
            Self::Open(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Token(_) | Self::Request(_) | Self::Status(_) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        }
    }
}

/// A path that leaves the base URL of its API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a path below the base URL of the API")]
pub(super) struct PathFault;
