use std::error::Error;

use aws_sdk_ssm::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
};
use funcify_backend_aws::{AwsConfigError, AwsError, Request};
use funcify_core::{StoreError, StoreErrorKind};

/// Why a configuration was refused. The message names the part that is wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SsmConfigError {
    /// The URL, one of its options or the region is invalid, or there is no region.
    #[error(transparent)]
    Aws(#[from] AwsConfigError),
    /// Parameter Store does not allow parameters under this path.
    #[error(
        "expected a path of 1 to 13 segments of A-Z a-z 0-9 _ . -, 800 characters at most, that does not \
         begin with aws or ssm, got {got:?}"
    )]
    Path {
        /// The path in the configuration.
        got: String,
    },
    /// The name of the tier is unknown.
    #[error("expected the tier standard, advanced or intelligent, got {got:?}")]
    Tier {
        /// The tier in the URL.
        got: String,
    },
    /// The text is not an alias, an id or an ARN of a KMS key.
    #[error("expected a KMS key like alias/fleet, a key id or an ARN, got {got:?}")]
    KmsKey {
        /// The key in the configuration.
        got: String,
    },
}

/// Why an operation on Parameter Store failed. This is the source of a [`StoreError`].
///
/// It never contains a response, because a response may contain a record.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SsmError {
    /// The record does not fit into a parameter of the tier.
    #[error("the record has {size} bytes, and a parameter of this tier can have at most {limit}")]
    TooLarge {
        /// The size of the record in bytes.
        size: usize,
        /// The limit of the tier in bytes.
        limit: usize,
    },
    /// A version of the parameter exists, but Parameter Store does not return it yet.
    #[error("version {version} of the parameter cannot be read yet")]
    Missing {
        /// The number of the version.
        version: u64,
    },
    /// The write made a version, but the backend could not find out whether that version is valid.
    #[error(
        "the write made version {version}, but it could not be checked whether that version is valid"
    )]
    Unverified {
        /// The number of the version.
        version: u64,
        /// Why the backend could not find out.
        source: StoreError,
    },
    /// A request about a parameter under the path failed.
    #[error("a request about a parameter under `{path}` failed")]
    Request {
        /// The path in the configuration.
        path: String,
        /// Why the request failed.
        source: AwsError,
    },
    /// A request failed, or could not be built.
    #[error(transparent)]
    Aws(#[from] AwsError),
}

/// Classifies the error of the SDK for a request about a parameter under `path`.
pub(crate) fn failed<E>(
    request: Request,
    error: SdkError<E, HttpResponse>,
    path: &str,
) -> StoreError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let (mut kind, error) = request.classify("Parameter Store", error);
    if let AwsError::Refused { code, .. } = &error {
        kind = kind_of(code).unwrap_or(kind);
    }
    store_error(kind, SsmError::Request { path: path.to_owned(), source: error })
}

/// Classifies the codes that only Parameter Store has.
fn kind_of(code: &str) -> Option<StoreErrorKind> {
    match code {
        // Parameter Store accepts one update of a parameter at a time. Another writer was faster.
        "TooManyUpdates" | "TooManyUpdatesException" => Some(StoreErrorKind::Unavailable),
        _ => None,
    }
}

pub(crate) fn store_error(kind: StoreErrorKind, source: SsmError) -> StoreError {
    StoreError::new("ssm", kind, source)
}

#[cfg(test)]
mod tests {
    use aws_sdk_ssm::error::ErrorMetadata;

    use super::*;
    use StoreErrorKind::{Invalid, Throttled, Unavailable};

    fn refused(code: &str, message: &str) -> StoreError {
        let metadata = ErrorMetadata::builder().code(code).message(message).build();
        let error = aws_sdk_ssm::operation::put_parameter::PutParameterError::generic(metadata);
        let response = HttpResponse::new(400.try_into().unwrap(), "".into());
        failed(Request::Write, SdkError::service_error(error, response), "/fleet/prod")
    }

    #[test]
    fn a_code_of_parameter_store_is_classified_and_never_ambiguous() {
        for (code, kind) in [
            ("TooManyUpdates", Unavailable),
            ("TooManyUpdatesException", Unavailable),
            ("ThrottlingException", Throttled),
            ("InvalidKeyId", Invalid),
            ("HierarchyTypeMismatchException", Invalid),
            ("ParameterMaxVersionLimitExceeded", Invalid),
            ("ParameterLimitExceeded", Invalid),
        ] {
            assert_eq!(refused(code, "any").kind(), kind, "{code}");
        }
    }

    #[test]
    fn a_message_that_may_quote_a_record_is_not_kept() {
        for message in [r#"invalid: {"token":"canary"}"#, "}canary"] {
            let error = refused("ValidationException", message);
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
            assert!(format!("{error:?}").contains("ValidationException"), "{error:?}");
        }
        let plain = refused("ValidationException", "plain");
        assert_eq!(
            plain.source().unwrap().to_string(),
            "a request about a parameter under `/fleet/prod` failed"
        );
        assert_eq!(
            plain.source().and_then(Error::source).unwrap().to_string(),
            "Parameter Store answered ValidationException: plain"
        );
    }
}
