use std::{error::Error, time::Duration};

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::ConnectorError};
use funcify_core::{StoreError, StoreErrorKind, engine::causes};

type BoxError = Box<dyn Error + Send + Sync>;

/// Why a configuration was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DynamoDbConfigError {
    /// It is no URL at all.
    #[error("expected a URL like dynamodb://TABLE")]
    Url(#[from] url::ParseError),
    /// It is the URL of something else.
    #[error("expected the scheme `dynamodb`, got `{got}`")]
    Scheme {
        /// The scheme that came.
        got: String,
    },
    /// No table can have this name.
    #[error("expected a table name of 3 to 255 of the characters A-Z a-z 0-9 _ . -, got {got:?}")]
    Table {
        /// The name that came.
        got: String,
    },
    /// The URL has a part that means nothing here.
    #[error("the URL of a table has no {part}")]
    ExtraPart {
        /// The part.
        part: &'static str,
    },
    /// There is no such option.
    #[error("unknown option `{option}`, expected `region` or `prefix`")]
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
    /// No region has this name, or none was given.
    #[error(
        "expected a region like eu-central-1, as the option `region` or in AWS_REGION, got {got:?}"
    )]
    Region {
        /// The region that came.
        got: String,
    },
    /// The prefix cannot begin a key.
    #[error("expected 1 to 64 of the characters A-Z a-z 0-9 _ . - as the prefix, got {got:?}")]
    Prefix {
        /// The prefix that came.
        got: String,
    },
}

/// What went wrong with DynamoDB: the source of a [`StoreError`].
///
/// It never holds a response, for that may hold a record.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DynamoDbError {
    /// The table does not exist.
    #[error("there is no table `{table}` in this region and account")]
    NoTable {
        /// The table.
        table: String,
    },
    /// The table exists, with another key.
    #[error("the table `{table}` must have the string partition key `pk` and no sort key")]
    KeySchema {
        /// The table.
        table: String,
    },
    /// The record has a member with a name that the item needs for itself.
    #[error("a member of a record cannot be named `{name}` in DynamoDB")]
    Member {
        /// The name.
        name: String,
    },
    /// The record is larger than any item.
    #[error("the record takes {size} bytes, an item at most {}", crate::wire::LARGEST)]
    TooLarge {
        /// Its size.
        size: usize,
    },
    /// Nothing reached DynamoDB.
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
    /// DynamoDB refused.
    #[error("DynamoDB answered {code}: {message}")]
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
        store_error(self.unknown(StoreErrorKind::Timeout), DynamoDbError::Timeout { after })
    }

    /// Classifies what the SDK failed with.
    pub(crate) fn failed<E>(self, error: SdkError<E, HttpResponse>, table: &str) -> StoreError
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        use StoreErrorKind::{Denied, Invalid, Timeout, Unavailable};
        match error {
            SdkError::ConstructionFailure(_) => {
                let source = error.into_source().unwrap_or_else(|_| "construction failed".into());
                let kind = if no_credentials(&*source) { Denied } else { Invalid };
                store_error(kind, DynamoDbError::NotSent(source))
            }
            SdkError::DispatchFailure(ref failure) => {
                let (timed_out, io) = (failure.is_timeout(), failure.is_io());
                let unsent = failure.as_connector_error().is_some_and(never_connected);
                let source = error.into_source().unwrap_or_else(|_| "dispatch failed".into());
                if no_credentials(&*source) {
                    return store_error(Denied, DynamoDbError::NotSent(source));
                }
                match (unsent, timed_out) {
                    (true, true) => store_error(Timeout, DynamoDbError::NotSent(source)),
                    (true, false) => store_error(Unavailable, DynamoDbError::NotSent(source)),
                    (false, _) => {
                        let of_a_read = if timed_out && !io { Timeout } else { Unavailable };
                        let source = DynamoDbError::NoAnswer(Some(source));
                        store_error(self.unknown(of_a_read), source)
                    }
                }
            }
            SdkError::TimeoutError(_) => store_error(
                self.unknown(Timeout),
                DynamoDbError::NoAnswer(error.into_source().ok()),
            ),
            SdkError::ServiceError(refusal) => {
                self.refused(refusal.raw().status().as_u16(), refusal.err(), table)
            }
            // The source of a response error may quote the response, and that may hold a record.
            _ => store_error(self.unknown(Unavailable), DynamoDbError::NoAnswer(None)),
        }
    }

    fn refused<E: ProvideErrorMetadata>(self, status: u16, error: &E, table: &str) -> StoreError {
        let code = error.code().unwrap_or("an error without a code");
        let message = error.message().unwrap_or("without a message");
        let table = table.to_owned();
        let kind = self.kind_of(status, code);
        let about_the_key = message.contains("key element") || message.contains("the key ");
        let source = match code {
            "ResourceNotFoundException" => DynamoDbError::NoTable { table },
            "ValidationException" if about_the_key => DynamoDbError::KeySchema { table },
            _ => DynamoDbError::Refused { code: code.to_owned(), message: message.to_owned() },
        };
        store_error(kind, source)
    }

    fn kind_of(self, status: u16, code: &str) -> StoreErrorKind {
        match code {
            "ProvisionedThroughputExceededException"
            | "RequestLimitExceeded"
            | "TooManyRequestsException"
            | "SlowDown" => StoreErrorKind::Throttled,
            _ if code.contains("Throttl") || status == 429 => StoreErrorKind::Throttled,
            // Another writer got in between, in a transaction or in another region: not applied.
            "TransactionConflictException" | "ReplicatedWriteConflictException" => {
                StoreErrorKind::Unavailable
            }
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

pub(crate) fn store_error(kind: StoreErrorKind, source: DynamoDbError) -> StoreError {
    StoreError::new("dynamodb", kind, source)
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
            (400, "ProvisionedThroughputExceededException", Throttled, Throttled),
            (400, "RequestLimitExceeded", Throttled, Throttled),
            (400, "ThrottlingException", Throttled, Throttled),
            (400, "KmsThrottlingException", Throttled, Throttled),
            (429, "", Throttled, Throttled),
            (503, "ThrottledException", Throttled, Throttled),
            (400, "TransactionConflictException", Unavailable, Unavailable),
            (400, "ReplicatedWriteConflictException", Unavailable, Unavailable),
            (400, "AccessDeniedException", Denied, Denied),
            (400, "UnrecognizedClientException", Denied, Denied),
            (400, "ExpiredTokenException", Denied, Denied),
            (403, "", Denied, Denied),
            (400, "ResourceNotFoundException", Invalid, Invalid),
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
