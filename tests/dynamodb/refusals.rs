//! Operations that are refused before anything is written.

use std::error::Error;

use aws_sdk_dynamodb::config::Credentials;
use funcify_backend_dynamodb::{DynamoDbBackend, DynamoDbConfig};
use funcify_core::StoreErrorKind;
use funcify_core::register::{Body, Register, WriteId};

use crate::support::attempt::{HOUR, token};
use crate::support::aws;

#[tokio::test]
async fn a_record_larger_than_an_item_is_refused_and_nothing_is_written() {
    let (register, key) = (aws::dynamodb().await, token("large"));
    // The largest record that there is. In an item its key and version come on top.
    let large =
        format!(r#"{{"token":"{}"}}"#, "t".repeat(400 * 1024 - 12)).parse::<Body>().unwrap();
    let refused = register.swap(&key, None, WriteId::random(), &large, HOUR).await.unwrap_err();
    assert_eq!(refused.kind(), StoreErrorKind::Invalid);
    assert!(refused.source().unwrap().to_string().contains("409600"), "{refused:?}");
    assert_eq!(register.read(&key).await.unwrap(), None);
}

#[tokio::test]
async fn a_member_with_a_reserved_name_is_refused_and_named() {
    let (register, key) = (aws::dynamodb().await, token("member"));
    for name in ["pk", "write_id", "ttl"] {
        let odd = format!(r#"{{"{name}":1}}"#).parse::<Body>().unwrap();
        let refused = register.swap(&key, None, WriteId::random(), &odd, HOUR).await.unwrap_err();
        assert_eq!(refused.kind(), StoreErrorKind::Invalid);
        assert!(refused.source().unwrap().to_string().contains(name), "{refused:?}");
    }
}

#[tokio::test]
async fn without_credentials_the_operation_is_denied_and_nothing_is_sent() {
    let nobody = aws::config(None).await.into_builder();
    let nobody = nobody.credentials_provider(no_credentials()).build();
    let register = DynamoDbBackend::new(aws::dynamodb_config(), &nobody).unwrap();
    let denied = register.read(&token("nobody")).await.unwrap_err();
    assert_eq!(denied.kind(), StoreErrorKind::Denied, "{denied:?}");
}

fn no_credentials() -> aws_sdk_dynamodb::config::SharedCredentialsProvider {
    #[derive(Debug)]
    struct Nobody;

    impl aws_sdk_dynamodb::config::ProvideCredentials for Nobody {
        fn provide_credentials<'a>(
            &'a self,
        ) -> aws_credential_types::provider::future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            use aws_credential_types::provider::{error::CredentialsError, future};
            future::ProvideCredentials::ready(Err(CredentialsError::not_loaded_no_source()))
        }
    }

    aws_sdk_dynamodb::config::SharedCredentialsProvider::new(Nobody)
}

#[tokio::test]
async fn neither_debug_nor_an_error_shows_a_credential_or_a_record() {
    let canary = Credentials::new(
        "AKIDCANARY",
        "canary-secret",
        Some("canary-session".to_owned()),
        None,
        "canary",
    );
    let aws = aws::config(Some("http://127.0.0.1:9")).await.into_builder();
    let aws = aws
        .credentials_provider(aws_sdk_dynamodb::config::SharedCredentialsProvider::new(canary))
        .build();
    let register = DynamoDbBackend::new(aws::dynamodb_config(), &aws).unwrap();
    let record = r#"{"token":"canary-token"}"#.parse::<Body>().unwrap();
    let key = token("secret");
    let failed = register.swap(&key, None, WriteId::random(), &record, HOUR).await.unwrap_err();
    assert_eq!(failed.kind(), StoreErrorKind::Unavailable);
    let shown = format!("{register:?} {failed:?} {failed} {}", failed.source().unwrap());
    assert!(!shown.to_lowercase().contains("canary"), "{shown}");
}

#[tokio::test]
async fn a_missing_region_is_named_before_any_request() {
    let nowhere = aws::config(None).await.into_builder().region(None).build();
    let refused = DynamoDbBackend::new(DynamoDbConfig::new("fleet"), &nowhere).unwrap_err();
    assert!(refused.to_string().contains("AWS_REGION"), "{refused}");
    assert!(
        DynamoDbBackend::new(DynamoDbConfig::new("fleet").with_region("eu-central-1"), &nowhere)
            .is_ok()
    );
}
