//! A table that exists already: with keys of other names, with a sort key, named by its ARN.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType,
    ScalarAttributeType,
};
use funcify_backend_dynamodb::{DynamoDbBackend, DynamoDbConfig};
use funcify_core::StoreErrorKind;
use funcify_core::register::Register;

use crate::support::attempt::{circuit, n_of, unique, write};
use crate::support::aws;

/// A table as others make them.
async fn table(name: &str) -> Client {
    let client = Client::new(&aws::config(None).await);
    let mut create =
        client.create_table().table_name(name).billing_mode(BillingMode::PayPerRequest);
    for (key, kind) in [("PK", KeyType::Hash), ("SK", KeyType::Range)] {
        let attribute = AttributeDefinition::builder()
            .attribute_name(key)
            .attribute_type(ScalarAttributeType::S);
        let schema = KeySchemaElement::builder().attribute_name(key).key_type(kind);
        create = create
            .attribute_definitions(attribute.build().unwrap())
            .key_schema(schema.build().unwrap());
    }
    create.send().await.unwrap();
    client
}

async fn backend(url: &str) -> DynamoDbBackend {
    let config = DynamoDbConfig::parse(url).unwrap().with_attempt_timeout(aws::PATIENCE);
    DynamoDbBackend::new(config, &aws::config(None).await).unwrap()
}

#[tokio::test]
#[cfg_attr(own_dynamodb, ignore = "DynamoDB is your own, and this test leaves a table behind")]
async fn an_existing_table_with_a_sort_key_keeps_the_records() {
    let name = unique("existing");
    let client = table(&name).await;
    let url = format!("dynamodb://{name}?pk=PK&sk=SK&sk_value=funcify");
    let (ours, key) = (backend(&url).await, circuit("existing"));
    ours.create_table().await.unwrap();

    let version = write(&ours, &key, None, 1).await;
    write(&ours, &key, Some(version), 2).await;

    assert_eq!(n_of(&ours.read(&key).await.unwrap().unwrap()), 2);
    let items = client.scan().table_name(&name).send().await.unwrap().items.unwrap();
    assert_eq!(items.len(), 1);
    assert_eq!(items[0]["PK"], AttributeValue::S(format!("funcify:{key}")));
    assert_eq!(items[0]["SK"], AttributeValue::S("funcify".to_owned()));
    assert!(!items[0].contains_key("pk"));
    // Another value of the sort key is another record.
    let other = backend(&url.replace("sk_value=funcify", "sk_value=other")).await;
    assert_eq!(other.read(&key).await.unwrap(), None);
}

#[tokio::test]
#[cfg_attr(own_dynamodb, ignore = "DynamoDB is your own, and this test leaves a table behind")]
async fn a_table_with_another_key_is_named_with_the_options_to_set() {
    let name = unique("existing");
    table(&name).await;
    for url in [format!("dynamodb://{name}"), format!("dynamodb://{name}?pk=PK")] {
        let error = backend(&url).await.read(&circuit("any")).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Invalid);
        let text = funcify::error_chain(&error);
        assert!(text.contains(&name) && text.contains("options pk, sk and sk_value"), "{text}");
    }
}

#[tokio::test]
#[cfg_attr(own_dynamodb, ignore = "DynamoDB is your own, and this test leaves a table behind")]
async fn a_new_table_gets_the_keys_of_the_configuration() {
    let name = unique("made");
    let url = format!("dynamodb://{name}?pk=PK&sk=SK&sk_value=funcify");
    let ours = backend(&url).await;
    ours.create_table().await.unwrap();
    write(&ours, &circuit("made"), None, 1).await;
}

#[tokio::test]
#[cfg_attr(own_dynamodb, ignore = "DynamoDB is your own, and this test leaves a table behind")]
async fn a_table_is_reached_by_its_arn() {
    let name = unique("arn");
    let near = backend(&format!("dynamodb://{name}")).await;
    near.create_table().await.unwrap();
    let client = Client::new(&aws::config(None).await);
    let described = client.describe_table().table_name(&name).send().await.unwrap();
    let arn = described.table.unwrap().table_arn.unwrap();

    let (far, key) = (backend(&format!("dynamodb://{arn}")).await, circuit("arn"));
    write(&far, &key, None, 1).await;

    assert_eq!(n_of(&near.read(&key).await.unwrap().unwrap()), 1);
}
