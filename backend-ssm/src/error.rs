use std::{error::Error, time::Duration};

use aws_sdk_ssm::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::ConnectorError};
use funcify_core::{StoreError, StoreErrorKind, engine::causes};

type BoxError = Box<dyn Error + Send + Sync>;

/// Why a configuration was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SsmConfigError {
    /// It is no URL at all.
    #[error("expected a URL like ssm:///path")]
    Url(#[from] url::ParseError),
    /// It is the URL of something else.
    #[error("expected the scheme `ssm`, got `{got}`")]
    Scheme {
        /// The scheme that came.
        got: String,
    },
    /// No parameter can stand under this path.
    #[error(
        "expected a path of 1 to 13 segments of A-Z a-z 0-9 _ . -, 800 characters at most, that does not \
         begin with aws or ssm, got {got:?}"
    )]
    Path {
        /// The path that came.
        got: String,
    },
    /// The URL has a part that means nothing here.
    #[error("the URL of a path in Parameter Store has no {part}")]
    ExtraPart {
        /// The part.
        part: &'static str,
    },
    /// There is no such option.
    #[error("unknown option `{option}`, expected `kms_key`, `tier` or `region`")]
    UnknownOption {
        /// The option.
        option: String,
    },
    /// The option is there twice, and only one of them could count.
    #[error("option `{option}` is given twice")]
    RepeatedOption {
        /// The option.
        option: String,
    },
    /// There is no such tier.
    #[error("expected the tier standard or advanced, got {got:?}")]
    Tier {
        /// The tier that came.
        got: String,
    },
    /// No region has this name, or none was given.
    #[error(
        "expected a region like eu-central-1, as the option `region` or in AWS_REGION, got {got:?}"
    )]
    Region {
        /// The region that came.
        got: String,
    },
    /// No KMS key has this name.
    #[error("expected a KMS key like alias/fleet, a key id or an ARN, got {got:?}")]
    KmsKey {
        /// The key that came.
        got: String,
    },
}

/// What went wrong with Parameter Store: the source of a [`StoreError`].
///
/// It never holds a response, for that may hold a record.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SsmError {
    /// The record is larger than a parameter of the tier.
    #[error("the record takes {size} bytes, a parameter of this tier at most {largest}")]
    TooLarge {
        /// Its size.
        size: usize,
        /// The most that the tier takes.
        largest: usize,
    },
    /// The parameter or one of its versions is there and cannot be read, for now.
    #[error("version {version} of the parameter cannot be read yet")]
    Missing {
        /// The version.
        version: u64,
    },
    /// The write landed; whether it counts could not be found out.
    #[error("the write landed as version {version}, whether it counts is not known")]
    Unjudged {
        /// The version that it made.
        version: u64,
        /// What failed then.
        source: StoreError,
    },
    /// Nothing reached Parameter Store.
    #[error("the request was not sent")]
    NotSent(#[source] BoxError),
    /// The request was sent and nothing readable came back.
    #[error("no readable answer came back")]
    NoAnswer(#[source] Option<BoxError>),
    /// It took too long.
    #[error("no answer came within {} ms", after.as_millis())]
    Timeout {
        /// How long it was given.
        after: Duration,
    },
    /// Parameter Store refused.
    #[error("Parameter Store answered {code}: {message}")]
    Refused {
        /// Its error code.
        code: String,
        /// Its own words.
        message: String,
    },
}

/// Whether the request that failed could have changed something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    Read,
    Write,
}

impl Request {
    /// The kind of a failure after which nobody knows whether the request arrived.
    fn unknown(self, of_a_read: StoreErrorKind) -> StoreErrorKind {
        match self {
            Self::Read => of_a_read,
            Self::Write => StoreErrorKind::Ambiguous,
        }
    }

    pub(crate) fn timed_out(self, after: Duration) -> StoreError {
        store_error(self.unknown(StoreErrorKind::Timeout), SsmError::Timeout { after })
    }

    /// Classifies what the SDK failed with.
    pub(crate) fn failed<E>(self, error: SdkError<E, HttpResponse>) -> StoreError
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        use StoreErrorKind::{Denied, Invalid, Timeout, Unavailable};
        match error {
            SdkError::ConstructionFailure(_) => {
                let source = error.into_source().unwrap_or_else(|_| "construction failed".into());
                let kind = if no_credentials(&*source) { Denied } else { Invalid };
                store_error(kind, SsmError::NotSent(source))
            }
            SdkError::DispatchFailure(ref failure) => {
                let (timed_out, io) = (failure.is_timeout(), failure.is_io());
                let unsent = failure.as_connector_error().is_some_and(never_connected);
                let source = error.into_source().unwrap_or_else(|_| "dispatch failed".into());
                if no_credentials(&*source) {
                    return store_error(Denied, SsmError::NotSent(source));
                }
                match (unsent, timed_out) {
                    (true, true) => store_error(Timeout, SsmError::NotSent(source)),
                    (true, false) => store_error(Unavailable, SsmError::NotSent(source)),
                    (false, _) => {
                        let of_a_read = if timed_out && !io { Timeout } else { Unavailable };
                        let source = SsmError::NoAnswer(Some(source));
                        store_error(self.unknown(of_a_read), source)
                    }
                }
            }
            SdkError::TimeoutError(_) => {
                store_error(self.unknown(Timeout), SsmError::NoAnswer(error.into_source().ok()))
            }
            SdkError::ServiceError(refusal) => {
                self.refused(refusal.raw().status().as_u16(), refusal.err())
            }
            // The source of a response error may quote the response, and that may hold a record.
            _ => store_error(self.unknown(Unavailable), SsmError::NoAnswer(None)),
        }
    }

    fn refused<E: ProvideErrorMetadata>(self, status: u16, error: &E) -> StoreError {
        let code = error.code().unwrap_or("an error without a code");
        // A value is an object in braces: words that quote one stay here.
        let message = error.message().filter(|message| !message.contains(['{', '}']));
        let kind = self.kind_of(status, code);
        let message = message.unwrap_or("without a message").to_owned();
        store_error(kind, SsmError::Refused { code: code.to_owned(), message })
    }

    fn kind_of(self, status: u16, code: &str) -> StoreErrorKind {
        match code {
            "RequestLimitExceeded" | "TooManyRequestsException" => StoreErrorKind::Throttled,
            _ if code.contains("Throttl") || status == 429 => StoreErrorKind::Throttled,
            // Parameter Store takes one update of a parameter at a time: another writer was first.
            "TooManyUpdates" | "TooManyUpdatesException" => StoreErrorKind::Unavailable,
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
            // An internal error may strike after the write as well as before it.
            _ if status >= 500 => self.unknown(StoreErrorKind::Unavailable),
            _ => StoreErrorKind::Invalid,
        }
    }
}

pub(crate) fn store_error(kind: StoreErrorKind, source: SsmError) -> StoreError {
    StoreError::new("ssm", kind, source)
}

/// Whether the failure came before there was a connection, so that nothing can have been sent.
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
    use StoreErrorKind::{Ambiguous, Denied, Invalid, Throttled, Unavailable};

    #[test]
    fn an_answer_is_classified_by_what_the_caller_may_do() {
        let cases = [
            (400, "TooManyUpdates", Unavailable, Unavailable),
            (400, "ThrottlingException", Throttled, Throttled),
            (400, "RequestLimitExceeded", Throttled, Throttled),
            (429, "", Throttled, Throttled),
            (503, "ThrottlingException", Throttled, Throttled),
            (400, "AccessDeniedException", Denied, Denied),
            (400, "UnrecognizedClientException", Denied, Denied),
            (400, "ExpiredTokenException", Denied, Denied),
            (403, "", Denied, Denied),
            (400, "InvalidKeyId", Invalid, Invalid),
            (400, "HierarchyTypeMismatchException", Invalid, Invalid),
            (400, "ParameterMaxVersionLimitExceeded", Invalid, Invalid),
            (400, "ParameterLimitExceeded", Invalid, Invalid),
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
    fn a_write_without_an_answer_is_ambiguous_and_a_read_is_not() {
        let after = Duration::from_millis(200);
        assert_eq!(Request::Write.timed_out(after).kind(), Ambiguous);
        assert_eq!(Request::Read.timed_out(after).kind(), StoreErrorKind::Timeout);
    }
}
