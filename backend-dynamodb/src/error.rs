use std::error::Error;

use aws_sdk_dynamodb::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
};
use funcify_backend_aws::{AwsConfigError, AwsError, Request};
use funcify_core::{StoreError, StoreErrorKind};

use crate::table_key::TableKey;

/// Why a configuration was refused. The message names the part that is wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DynamoDbConfigError {
    /// The URL, one of its options or the region is invalid, or there is no region.
    #[error(transparent)]
    Aws(#[from] AwsConfigError),
    /// The name of the table is not one that DynamoDB allows, nor an ARN.
    #[error(
        "expected a table name of 3 to 255 of the characters A-Z a-z 0-9 _ . -, or the ARN of a table, \
         got {got:?}"
    )]
    Table {
        /// The name in the configuration.
        got: String,
    },
    /// The configured region differs from the region in the table's ARN.
    #[error("expected the region of the table's ARN, or none, got {got:?}")]
    Region {
        /// The region in the configuration.
        got: String,
    },
    /// A key attribute has a name that is not allowed, is reserved, or is used for both keys.
    #[error(
        "expected a key attribute with a name of its own of A-Z a-z 0-9 _ . -, other than write_id and ttl, \
         got {got:?}"
    )]
    Key {
        /// The name in the configuration.
        got: String,
    },
    /// The URL has a name for the sort key but no value, or a value but no name.
    #[error("a sort key needs the option `{missing}` too")]
    HalfASortKey {
        /// The option that is missing.
        missing: &'static str,
    },
    /// The value of the sort key is empty or too long.
    #[error("expected 1 to 1,024 bytes as `sk_value`")]
    SortValue,
    /// The prefix is empty, too long, or has an illegal character.
    #[error("expected 1 to 64 of the characters A-Z a-z 0-9 _ . - as the prefix, got {got:?}")]
    Prefix {
        /// The prefix in the configuration.
        got: String,
    },
}

/// Why an operation on DynamoDB failed. This is the source of a [`StoreError`].
///
/// It never contains a response, because a response may contain a record.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DynamoDbError {
    /// The table does not exist.
    #[error("there is no table `{table}` in this region and account")]
    NoTable {
        /// The name of the table.
        table: String,
    },
    /// The key of the table differs from the one in the configuration.
    #[error(
        "the table `{table}` must have {expected}: name its key in the URL (options pk, sk and sk_value)"
    )]
    KeySchema {
        /// The name of the table.
        table: String,
        /// The key that the configuration names.
        expected: String,
    },
    /// The table does not expire items, so records that are no longer needed stay.
    #[error(
        "the table `{table}` does not expire items: enable time to live on its attribute `ttl`, or the table grows"
    )]
    NoExpiry {
        /// The name of the table.
        table: String,
    },
    /// A member of the record has the name of an attribute that the backend uses itself.
    #[error("a member of a record cannot be named `{name}` in DynamoDB")]
    Member {
        /// The name of the member.
        name: String,
    },
    /// The record does not fit into an item.
    #[error(
        "the record has {size} bytes, and an item can have at most {}",
        crate::wire::MAX_ITEM_BYTES
    )]
    TooLarge {
        /// The size of the record in bytes.
        size: usize,
    },
    /// A request about the table failed.
    #[error("a request about the table `{table}` failed")]
    Request {
        /// The name of the table.
        table: String,
        /// Why the request failed.
        source: AwsError,
    },
    /// A request failed, or could not be built.
    #[error(transparent)]
    Aws(#[from] AwsError),
}

/// Classifies the error of the SDK for a request to `table`, which should have the key `key`.
pub(crate) fn failed<E>(
    request: Request,
    error: SdkError<E, HttpResponse>,
    table: &str,
    key: &TableKey,
) -> StoreError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let (kind, error) = request.classify("DynamoDB", error);
    let AwsError::Refused { code, message, .. } = &error else {
        let table = table.to_owned();
        return store_error(kind, DynamoDbError::Request { table, source: error });
    };
    let about_the_key = message.contains("key element") || message.contains("the key ");
    let kind = kind_of(code).unwrap_or(kind);
    let source = match code.as_str() {
        "ResourceNotFoundException" => DynamoDbError::NoTable { table: table.to_owned() },
        "ValidationException" if about_the_key => {
            DynamoDbError::KeySchema { table: table.to_owned(), expected: key.to_string() }
        }
        _ => DynamoDbError::Request { table: table.to_owned(), source: error },
    };
    store_error(kind, source)
}

/// Classifies the codes that only DynamoDB has.
fn kind_of(code: &str) -> Option<StoreErrorKind> {
    match code {
        "ProvisionedThroughputExceededException" | "SlowDown" => Some(StoreErrorKind::Throttled),
        // Another writer was faster, in a transaction or in another region. Nothing was written.
        "TransactionConflictException" | "ReplicatedWriteConflictException" => {
            Some(StoreErrorKind::Unavailable)
        }
        _ => None,
    }
}

pub(crate) fn store_error(kind: StoreErrorKind, source: DynamoDbError) -> StoreError {
    StoreError::new("dynamodb", kind, source)
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::error::ErrorMetadata;

    use super::*;
    use StoreErrorKind::{Invalid, Throttled, Unavailable};

    fn refused(code: &str, message: &str) -> StoreError {
        let metadata = ErrorMetadata::builder().code(code).message(message).build();
        let error = aws_sdk_dynamodb::operation::put_item::PutItemError::generic(metadata);
        let key = TableKey { partition: "pk".to_owned(), sort: None };
        let response = HttpResponse::new(400.try_into().unwrap(), "".into());
        failed(Request::Write, SdkError::service_error(error, response), "fleet", &key)
    }

    #[test]
    fn a_code_of_dynamodb_is_classified_and_never_ambiguous() {
        for (code, kind) in [
            ("ProvisionedThroughputExceededException", Throttled),
            ("SlowDown", Throttled),
            ("RequestLimitExceeded", Throttled),
            ("TransactionConflictException", Unavailable),
            ("ReplicatedWriteConflictException", Unavailable),
            ("ResourceNotFoundException", Invalid),
            ("ValidationException", Invalid),
        ] {
            assert_eq!(refused(code, "any").kind(), kind, "{code}");
        }
    }

    #[test]
    fn a_missing_table_and_a_table_with_another_key_are_named() {
        for (code, message, expected) in [
            ("ResourceNotFoundException", "any", "there is no table `fleet`"),
            ("ValidationException", "The provided key element does not match", "partition key"),
            ("ValidationException", "Missing the key pk in the item", "partition key"),
            ("ValidationException", "another one", "DynamoDB answered ValidationException"),
        ] {
            let error = refused(code, message);
            let chain = funcify_core::engine::error_chain(&error);
            assert!(chain.contains(expected) && chain.contains("table `fleet`"), "{chain}");
        }
    }
}
