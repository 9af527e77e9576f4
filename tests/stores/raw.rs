//! Reads the stored form of a record without a backend of funcify.

use aws_sdk_dynamodb::types::AttributeValue;
use funcify_core::register::RecordKey;

use crate::support::{aws, env};

/// The fields of the hash under the prefix `funcify-test`, one in each line. Empty if there is no hash.
pub(super) async fn on_redis(key: &RecordKey) -> String {
    let client = redis::Client::open(env::redis()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let fields: Vec<String> = redis::cmd("HGETALL")
        .arg(format!("funcify-test:{key}"))
        .query_async(&mut connection)
        .await
        .unwrap();
    fields.join("\n")
}

/// The attributes of the item. Empty if there is no item.
pub(super) async fn on_dynamodb(key: &RecordKey) -> String {
    let url = env::dynamodb();
    let table = url.trim_start_matches("dynamodb://").split('?').next().unwrap();
    let found = aws_sdk_dynamodb::Client::new(&aws::config(None).await)
        .get_item()
        .table_name(table)
        .key("pk", AttributeValue::S(format!("funcify:{key}")))
        .consistent_read(true)
        .send()
        .await
        .unwrap();
    found.item.map(|item| format!("{item:?}")).unwrap_or_default()
}

/// The value of the parameter, decrypted by KMS. Empty if there is no parameter.
pub(super) async fn on_ssm(key: &RecordKey) -> String {
    let get = ssm_client().await.get_parameter().name(parameter(&env::ssm(), key));
    match get.with_decryption(true).send().await {
        Ok(found) => found.parameter.unwrap().value.unwrap(),
        Err(error)
            if error.as_service_error().is_some_and(|error| error.is_parameter_not_found()) =>
        {
            String::new()
        }
        Err(error) => panic!("{error:?}"),
    }
}

pub(super) async fn ssm_client() -> aws_sdk_ssm::Client {
    aws_sdk_ssm::Client::new(&aws::config(None).await)
}

/// The name of the parameter in which a backend at `url` stores the record.
pub(super) fn parameter(url: &str, key: &RecordKey) -> String {
    let path = url.trim_start_matches("ssm://").split('?').next().unwrap();
    format!("{path}/{}/{}", key.kind, key.name)
}
