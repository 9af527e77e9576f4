//! The clients of AWS alone, with the same credentials, the same endpoint and the same authority. They do not trust
//! Mozilla's authorities, because the SDK would parse each of them at the start.

use std::fs;

use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_ssm::operation::get_parameter::GetParameterError;
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};

use crate::side::{NAME, reached, variable};

pub(crate) const TABLE: &str = "funcify-test";

pub(crate) async fn bare_dynamodb() {
    let client = aws_sdk_dynamodb::Client::new(&configuration().await);
    reached();
    let key = AttributeValue::S(format!("funcify:circuit:{NAME}"));
    let read = client.get_item().table_name(TABLE).key("pk", key).send().await;
    assert_eq!(read.expect("expected an answer").item, None);
    reached();
}

pub(crate) async fn bare_ssm() {
    let client = aws_sdk_ssm::Client::new(&configuration().await);
    reached();
    let name = format!("/{TABLE}/circuit/{NAME}");
    let read = client.get_parameter().name(name).with_decryption(true).send().await;
    let refused = read.expect_err("expected no parameter").into_service_error();
    assert!(matches!(refused, GetParameterError::ParameterNotFound(_)), "{refused:?}");
    reached();
}

async fn configuration() -> SdkConfig {
    let authority = fs::read(variable("AWS_CA_BUNDLE")).expect("expected an authority");
    let trusted = TrustStore::empty().with_pem_certificate(authority);
    let tls = TlsContext::builder().with_trust_store(trusted).build();
    let http = Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
        .tls_context(tls.expect("expected TLS"))
        .build_https();
    aws_config::defaults(BehaviorVersion::latest()).http_client(http).load().await
}

/// Creates the table on a local server, which holds nothing yet. `endpoint` is its URL, without TLS.
pub(crate) async fn create_table(endpoint: &str) {
    use aws_sdk_dynamodb::types::{
        AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
    };

    let loader = aws_config::defaults(BehaviorVersion::latest());
    let http = Builder::new().build_http();
    let config = loader.http_client(http).endpoint_url(endpoint).load().await;
    let pk = AttributeDefinition::builder()
        .attribute_name("pk")
        .attribute_type(ScalarAttributeType::S)
        .build();
    let key = KeySchemaElement::builder().attribute_name("pk").key_type(KeyType::Hash).build();
    let created = aws_sdk_dynamodb::Client::new(&config)
        .create_table()
        .table_name(TABLE)
        .attribute_definitions(pk.expect("expected an attribute"))
        .key_schema(key.expect("expected a key"))
        .billing_mode(BillingMode::PayPerRequest)
        .send()
        .await;
    if let Err(refused) = created {
        let refused = refused.into_service_error();
        assert!(refused.is_resource_in_use_exception(), "{refused:?}");
    }
}
