//! How many requests an operation takes.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::HeaderMap;
use funcify_backend_dynamodb::DynamoDbBackend;
use funcify_core::register::Register;

use crate::support::attempt::{token, write};
use crate::support::{aws, http};

#[tokio::test]
async fn a_read_and_a_swap_are_one_request_each() {
    let requests = Arc::new(Mutex::new(Vec::new()));
    let counted = Arc::clone(&requests);
    let router = Router::new().fallback(async move |headers: HeaderMap| {
        counted.lock().unwrap().push(headers["x-amz-target"].to_str().unwrap().to_owned());
        "{}"
    });
    let aws = aws::config(Some(&http::serve(router).await)).await;
    let register = DynamoDbBackend::new(aws::dynamodb_config(), &aws).unwrap();
    let key = token("requests");

    let mut version = None;
    for n in 0..20 {
        register.read(&key).await.unwrap();
        version = Some(write(&register, &key, version, n).await);
    }

    let requests = requests.lock().unwrap();
    let of = |operation: &str| requests.iter().filter(|name| name.ends_with(operation)).count();
    assert_eq!((of(".GetItem"), of(".PutItem"), requests.len()), (20, 20, 40), "{requests:?}");
}
