//! Faults of a real table.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use axum::Router;
use axum::http::StatusCode;
use funcify_backend_dynamodb::DynamoDbBackend;
use funcify_core::StoreErrorKind;
use funcify_core::circuit::CircuitRecord;
use funcify_core::register::{RecordKey, Register, RetryingRegister, Swap, WriteId};

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
async fn f01_a_lost_response_is_ambiguous_and_the_same_write_sent_again_is_applied() {
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
}

#[tokio::test]
async fn f05_a_throttled_write_is_one_request() {
    for code in
        ["ThrottlingException", "ProvisionedThroughputExceededException", "RequestLimitExceeded"]
    {
        let requests = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&requests);
        let router = Router::new().fallback(async move || {
            counted.fetch_add(1, Ordering::SeqCst);
            let error = serde_json::json!({ "__type": format!("com.amazonaws.dynamodb#{code}") });
            (StatusCode::BAD_REQUEST, error.to_string())
        });
        let aws = aws::config(Some(&http::serve(router).await)).await;
        let register = DynamoDbBackend::new(aws::dynamodb_config(), &aws).unwrap();
        let (store, record) = (RetryingRegister::new(register), CircuitRecord::default());

        let name = circuit("throttled").name;
        let swap = store.swap_record(&name, None, WriteId::random(), &record).await;

        assert_eq!(swap.unwrap_err().kind(), StoreErrorKind::Throttled, "{code}");
        assert_eq!(
            requests.load(Ordering::SeqCst),
            1,
            "{code}: the caller's next write is the retry"
        );
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
