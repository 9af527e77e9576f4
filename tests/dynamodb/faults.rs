//! Faults of a real table.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use axum::Router;
use funcify_backend_dynamodb::DynamoDbBackend;
use funcify_core::StoreErrorKind;
use funcify_core::register::{RecordKey, Register, Swap, WriteId};
use funcify_test_support::on_virtual_time;

use crate::support::attempt::{HOUR, attempt, body, circuit, n_of, token, write};
use crate::support::proxy::{FaultProxy, Mode};
use crate::support::{aws, env, http};

async fn plain_client() -> (Client, String) {
    let url = env::dynamodb();
    let table = url.trim_start_matches("dynamodb://").split('?').next().unwrap().to_owned();
    (Client::new(&aws::config(None).await), table)
}

fn place(key: &RecordKey) -> AttributeValue {
    AttributeValue::S(format!("funcify:{key}"))
}

#[tokio::test]
async fn f19_a_write_on_a_stale_read_conflicts_and_then_succeeds() {
    let (register, key) = (aws::dynamodb().await, circuit("stale"));
    let stale = write(&register, &key, None, 1).await;
    write(&register, &key, Some(stale), 2).await;

    let Ok(Swap::Conflict(Some(current))) = attempt(&register, &key, Some(stale), 9).await else {
        panic!("a write on a stale read must conflict");
    };
    assert_eq!(n_of(&current), 2);
    write(&register, &key, Some(current.version), 3).await;
}

#[tokio::test]
async fn f20_an_item_deleted_between_read_and_write_is_a_conflict_without_a_record() {
    let (register, key) = (aws::dynamodb().await, circuit("vanished"));
    let version = write(&register, &key, None, 1).await;
    let (client, table) = plain_client().await;
    client.delete_item().table_name(table).key("pk", place(&key)).send().await.unwrap();

    assert_eq!(attempt(&register, &key, Some(version), 2).await, Ok(Swap::Conflict(None)));
    write(&register, &key, None, 3).await;
}

#[tokio::test]
async fn f20_a_foreign_item_reads_as_absent_and_is_replaced_whatever_its_write_id_is() {
    let register = aws::dynamodb().await;
    let (client, table) = plain_client().await;
    let foreign = [
        None,
        Some(AttributeValue::S("by hand".to_owned())),
        Some(AttributeValue::N("7".to_owned())),
    ];
    for write_id in foreign {
        let key = token("foreign");
        let put = client.put_item().table_name(&table).item("pk", place(&key));
        let put = put.item("note", AttributeValue::S("not ours".to_owned()));
        let put = match write_id {
            Some(write_id) => put.item("write_id", write_id),
            None => put,
        };
        put.send().await.unwrap();

        assert_eq!(register.read(&key).await.unwrap(), None);
        let version = write(&register, &key, None, 1).await;
        let found = register.read(&key).await.unwrap().unwrap();
        assert_eq!((found.version, found.value), (version, body(1)));
    }
}

#[tokio::test]
#[cfg_attr(own_dynamodb, ignore = "DynamoDB is your own, and this test needs a proxy before it")]
async fn a_lost_response_is_ambiguous_and_the_same_write_sent_again_is_applied() {
    let endpoint = env::aws_endpoint("DYNAMODB");
    let key = token("lost");
    aws::dynamodb().await;
    let proxy = FaultProxy::start(endpoint.trim_start_matches("http://").parse().unwrap()).await;
    let aws = aws::config(Some(&format!("http://{}", proxy.address()))).await;
    let register = DynamoDbBackend::new(aws::dynamodb_config(), &aws).unwrap();
    let (id, swap) = (WriteId::random(), body(1));

    proxy.once(Mode::CutResponse).await;
    let lost = register.swap(&key, None, id, &swap, HOUR).await.unwrap_err();
    assert_eq!(lost.kind(), StoreErrorKind::Ambiguous, "{lost:?}");
    let again = register.swap(&key, None, id, &swap, HOUR).await.unwrap();
    assert!(matches!(again, Swap::Applied(version) if WriteId::from(version) == id));

    proxy.set(Mode::Refuse).await;
    let refused = register.swap(&key, None, WriteId::random(), &swap, HOUR).await.unwrap_err();
    assert!(
        matches!(refused.kind(), StoreErrorKind::Unavailable | StoreErrorKind::Ambiguous),
        "{refused:?}"
    );
    // The earlier connections are closed by now, so nothing can have been sent.
    let refused = register.swap(&key, None, WriteId::random(), &swap, HOUR).await.unwrap_err();
    assert_eq!(refused.kind(), StoreErrorKind::Unavailable, "{refused:?}");
}

#[tokio::test]
#[cfg_attr(own_dynamodb, ignore = "DynamoDB is your own, and this test needs a proxy before it")]
async fn a_store_that_hangs_costs_one_time_limit() {
    let endpoint = env::aws_endpoint("DYNAMODB");
    let proxy = FaultProxy::start(endpoint.trim_start_matches("http://").parse().unwrap()).await;
    let aws = aws::config(Some(&format!("http://{}", proxy.address()))).await;
    let config = aws::dynamodb_config().with_attempt_timeout(Duration::from_millis(200));
    let register = DynamoDbBackend::new(config, &aws).unwrap();
    proxy.set(Mode::Hang).await;

    for (write, kind) in [(false, StoreErrorKind::Timeout), (true, StoreErrorKind::Ambiguous)] {
        let (key, faults) = (token("hang"), proxy.faults());
        let (error, took) = on_virtual_time(async {
            match write {
                true => attempt(&register, &key, None, 1).await.unwrap_err(),
                false => register.read(&key).await.unwrap_err().kind(),
            }
        })
        .await;
        assert_eq!(error, kind);
        assert!(took < Duration::from_millis(1_500), "{took:?}");
        assert_eq!(proxy.faults() - faults, 1, "one request was held");
    }
}

/// Whether the backend reads the record consistently. Only the request shows it.
async fn is_read_consistently(key: &RecordKey) -> bool {
    let (sender, request) = tokio::sync::oneshot::channel();
    let sender = Arc::new(Mutex::new(Some(sender)));
    let router = Router::new().fallback(async move |body: String| {
        if let Some(sender) = sender.lock().unwrap().take() {
            sender.send(body).unwrap();
        }
        "{}"
    });
    let aws = aws::config(Some(&http::serve(router).await)).await;
    let register = DynamoDbBackend::new(aws::dynamodb_config(), &aws).unwrap();
    assert_eq!(register.read(key).await.unwrap(), None);
    let request: serde_json::Value = serde_json::from_str(&request.await.unwrap()).unwrap();
    request["ConsistentRead"].as_bool().unwrap_or_default()
}

#[tokio::test]
async fn f19_a_token_is_read_consistently_and_a_circuit_eventually_consistently() {
    assert!(is_read_consistently(&token("read")).await);
    assert!(!is_read_consistently(&circuit("read")).await);
}
