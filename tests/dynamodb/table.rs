//! The table: created on request, and named in the error if it is missing or has another key.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use funcify_backend_dynamodb::{DynamoDbBackend, DynamoDbConfig, DynamoDbError};
use funcify_core::register::Register;
use funcify_core::{StoreError, StoreErrorKind};

use crate::support::attempt::{attempt, circuit, unique, write};
use crate::support::aws;

async fn on_table(name: &str) -> DynamoDbBackend {
    DynamoDbBackend::new(DynamoDbConfig::new(name), &aws::config(None).await).unwrap()
}

async fn table_with(name: &str, key: &str, kind: ScalarAttributeType) {
    let client = Client::new(&aws::config(None).await);
    let definition = AttributeDefinition::builder().attribute_name(key).attribute_type(kind);
    let schema = KeySchemaElement::builder().attribute_name(key).key_type(KeyType::Hash);
    let create = client
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(definition.build().unwrap())
        .key_schema(schema.build().unwrap());
    create.send().await.unwrap();
}

fn source(error: &StoreError) -> String {
    let source = std::error::Error::source(error).unwrap();
    assert!(source.is::<DynamoDbError>(), "{source:?}");
    source.to_string()
}

#[tokio::test]
#[cfg_attr(own_dynamodb, ignore = "DynamoDB is your own, and this test leaves a table behind")]
async fn create_table_creates_the_table_and_accepts_an_existing_one() {
    let backend = on_table(&unique("made")).await;
    backend.create_table().await.unwrap();
    write(&backend, &circuit("first"), None, 1).await;
    backend.create_table().await.unwrap();
}

#[tokio::test]
async fn a_missing_table_is_named() {
    let name = unique("missing");
    let (backend, key) = (on_table(&name).await, circuit("any"));
    let error = backend.read(&key).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Invalid);
    assert!(source(&error).contains(&name), "{error:?}");
    assert_eq!(attempt(&backend, &key, None, 1).await.unwrap_err(), StoreErrorKind::Invalid);
}

#[tokio::test]
#[cfg_attr(own_dynamodb, ignore = "DynamoDB is your own, and this test leaves a table behind")]
async fn a_table_with_another_key_is_named_with_the_expected_key() {
    for (key, kind) in [("id", ScalarAttributeType::S), ("pk", ScalarAttributeType::N)] {
        let name = unique("other-key");
        table_with(&name, key, kind).await;
        let backend = on_table(&name).await;
        for error in [
            backend.read(&circuit("any")).await.unwrap_err(),
            backend.create_table().await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), StoreErrorKind::Invalid, "{error:?}");
            assert!(
                source(&error).contains("must have the string partition key `pk`"),
                "{error:?}"
            );
        }
    }
}
