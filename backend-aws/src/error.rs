//! Converts an error of the SDK to a kind of error that says what the caller may do.

use std::{error::Error, time::Duration};

use aws_smithy_runtime_api::client::{
    orchestrator::HttpResponse,
    result::{ConnectorError, SdkError},
};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use funcify_core::{
    StoreErrorKind,
    engine::{Advice, causes},
};

type BoxError = Box<dyn Error + Send + Sync>;

/// Why a request to a service failed.
///
/// It never contains a response, because a response may contain a record.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AwsError {
    /// The request was not sent, so the service did not see it.
    #[error("the request was not sent")]
    NotSent(#[source] BoxError),
    /// The request may have been sent, and no readable response arrived.
    #[error("no readable response arrived")]
    NoResponse(#[source] Option<BoxError>),
    /// No response arrived within the time limit.
    #[error("no response arrived within {} ms{}", after.as_millis(), advised(advice.as_ref()))]
    Timeout {
        /// The time limit.
        after: Duration,
        /// Which option to raise if the service is far away. `None` if no option changes this limit.
        advice: Option<Advice>,
    },
    /// The service refused the request.
    #[error("{service} answered {code}: {message}")]
    Refused {
        /// The name of the service.
        service: &'static str,
        /// The error code of the service.
        code: String,
        /// The error message of the service, unless it may quote a record.
        message: String,
    },
}

fn advised(advice: Option<&Advice>) -> String {
    advice.map(|advice| format!("; {advice}")).unwrap_or_default()
}

/// What a request does to the store. After some errors, it is unknown whether a write was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// The request changes nothing.
    Read,
    /// The request may have changed something if its response was lost.
    Write,
}

impl Request {
    /// Classifies the error of the SDK for a request to `service`.
    pub fn classify<E>(
        self,
        service: &'static str,
        error: SdkError<E, HttpResponse>,
    ) -> (StoreErrorKind, AwsError)
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        use StoreErrorKind::{Denied, Invalid, Timeout, Unavailable};
        match error {
            SdkError::ConstructionFailure(_) => {
                let source = error.into_source().unwrap_or_else(|_| "construction failed".into());
                let kind = if no_credentials(&*source) { Denied } else { Invalid };
                (kind, AwsError::NotSent(source))
            }
            SdkError::DispatchFailure(ref failure) => {
                let (timed_out, io) = (failure.is_timeout(), failure.is_io());
                let unsent = failure.as_connector_error().is_some_and(never_connected);
                let source = error.into_source().unwrap_or_else(|_| "dispatch failed".into());
                if no_credentials(&*source) {
                    return (Denied, AwsError::NotSent(source));
                }
                match (unsent, timed_out) {
                    (true, true) => (Timeout, AwsError::NotSent(source)),
                    (true, false) => (Unavailable, AwsError::NotSent(source)),
                    (false, _) => {
                        let of_a_read = if timed_out && !io { Timeout } else { Unavailable };
                        (self.unknown(of_a_read), AwsError::NoResponse(Some(source)))
                    }
                }
            }
            SdkError::TimeoutError(_) => {
                let error = match error.into_source().map(|source| source.downcast()) {
                    Ok(Ok(ours)) => *ours,
                    Ok(Err(source)) => AwsError::NoResponse(Some(source)),
                    Err(_) => AwsError::NoResponse(None),
                };
                (self.unknown(Timeout), error)
            }
            SdkError::ServiceError(refusal) => {
                let code = refusal.err().code().unwrap_or("an error without a code").to_owned();
                let message = refusal.err().message().filter(|message| !may_quote(message));
                let message = message.unwrap_or("without a message").to_owned();
                let kind = self.kind_of(refusal.raw().status().as_u16(), &code);
                (kind, AwsError::Refused { service, code, message })
            }
            // The source of a response error may quote the response, which may contain a record.
            _ => (self.unknown(Unavailable), AwsError::NoResponse(None)),
        }
    }

    /// Returns the kind of an error after which it is unknown whether the service got the request.
    fn unknown(self, of_a_read: StoreErrorKind) -> StoreErrorKind {
        match self {
            Self::Read => of_a_read,
            Self::Write => StoreErrorKind::Ambiguous,
        }
    }

    /// Classifies the codes that all services have in common ("Common Errors" in the API reference of each).
    fn kind_of(self, status: u16, code: &str) -> StoreErrorKind {
        match code {
            "RequestLimitExceeded" | "TooManyRequestsException" => StoreErrorKind::Throttled,
            _ if code.contains("Throttl") || status == 429 => StoreErrorKind::Throttled,
            "AccessDeniedException"
            | "UnrecognizedClientException"
            | "ExpiredTokenException"
            | "ExpiredToken"
            | "InvalidSignatureException"
            | "IncompleteSignature"
            | "IncompleteSignatureException"
            | "InvalidClientTokenId"
            | "MissingAuthenticationToken"
            | "MissingAuthenticationTokenException"
            | "NotAuthorized"
            | "OptInRequired" => StoreErrorKind::Denied,
            _ if matches!(status, 401 | 403) => StoreErrorKind::Denied,
            // An internal error may happen before the write or after it.
            _ if status >= 500 => self.unknown(StoreErrorKind::Unavailable),
            _ => StoreErrorKind::Invalid,
        }
    }
}

/// Whether the message of a service may quote what was sent to it. A quoted record or value contains
/// quotation marks or braces, because a record is JSON.
fn may_quote(message: &str) -> bool {
    message.contains(['{', '}', '"', '`']) || message.len() > 1_000
}

/// Whether the request failed while connecting, so that it cannot have been sent.
fn never_connected(error: &ConnectorError) -> bool {
    find::<hyper_util::client::legacy::Error>(error).is_some_and(|error| error.is_connect())
}

fn no_credentials(error: &(dyn Error + 'static)) -> bool {
    find::<aws_credential_types::provider::error::CredentialsError>(error).is_some()
}

fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    causes(error).find_map(|error| error.downcast_ref::<T>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use StoreErrorKind::{Ambiguous, Denied, Invalid, Throttled, Timeout, Unavailable};

    #[test]
    fn a_refusal_is_classified_by_its_code_and_status() {
        let cases = [
            (400, "RequestLimitExceeded", Throttled, Throttled),
            (400, "TooManyRequestsException", Throttled, Throttled),
            (400, "ThrottlingException", Throttled, Throttled),
            (400, "KmsThrottlingException", Throttled, Throttled),
            (429, "", Throttled, Throttled),
            (503, "ThrottledException", Throttled, Throttled),
            (503, "ThrottlingException", Throttled, Throttled),
            (400, "AccessDeniedException", Denied, Denied),
            (400, "UnrecognizedClientException", Denied, Denied),
            (400, "ExpiredTokenException", Denied, Denied),
            (403, "", Denied, Denied),
            (400, "ValidationException", Invalid, Invalid),
            (413, "", Invalid, Invalid),
            (500, "InternalServerError", Unavailable, Ambiguous),
            (503, "ServiceUnavailable", Unavailable, Ambiguous),
        ];
        for (status, code, of_a_read, of_a_write) in cases {
            assert_eq!(Request::Read.kind_of(status, code), of_a_read, "{status} {code}");
            assert_eq!(Request::Write.kind_of(status, code), of_a_write, "{status} {code}");
        }
    }

    #[test]
    fn a_write_without_a_response_is_ambiguous_and_a_read_is_not() {
        let after = Duration::from_millis(200);
        for (request, kind) in [(Request::Write, Ambiguous), (Request::Read, Timeout)] {
            let ours =
                SdkError::<AnyError, _>::timeout_error(AwsError::Timeout { after, advice: None });
            let (ours, error) = request.classify("a service", ours);
            assert_eq!(ours, kind);
            assert_eq!(error.to_string(), "no response arrived within 200 ms");
            let theirs = SdkError::<AnyError, _>::timeout_error("theirs");
            assert_eq!(request.classify("a service", theirs).0, kind);
        }
    }

    /// An error of an operation without a code and a message.
    #[derive(Debug, thiserror::Error)]
    #[error("any")]
    struct AnyError;

    impl ProvideErrorMetadata for AnyError {
        fn meta(&self) -> &aws_smithy_types::error::ErrorMetadata {
            unreachable!("a timeout has no metadata")
        }
    }
}
