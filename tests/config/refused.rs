//! Errors that only the server can report, and names that are refused before a request is sent.

use std::sync::Arc;

use funcify::token::{ClientSecret, Endpoint};
use funcify::{CircuitBreaker, CircuitPolicy, ClientCredentials, Stores, TokenGetter};
use funcify_core::register::{RecordName, WriteId};
use funcify_core::token::{AccessToken, TokenRecord};
use funcify_core::{StoreError, StoreErrorKind};
use url::Url;

use super::{SECRET, in_one_line};
use crate::sharing::fleet;
use crate::support::attempt::unique;
use crate::support::env;

fn large(token: usize) -> TokenRecord {
    TokenRecord { token: Some(AccessToken::from(SECRET.repeat(token))), ..TokenRecord::default() }
}

/// The error that the server reports. On a busy machine the first request may time out.
async fn server_error(operation: impl AsyncFn() -> StoreError) -> StoreError {
    for _ in 0..10 {
        let error = operation().await;
        if error.kind() == StoreErrorKind::Invalid {
            return error;
        }
    }
    operation().await
}

#[tokio::test]
async fn a_password_that_redis_refuses_is_denied_and_not_shown() {
    let mut url = Url::parse(&env::redis_tls()).unwrap();
    url.set_password(Some(SECRET)).unwrap();
    let stores = Stores::from_url(&format!("{url}&prefix=funcify-test")).await.unwrap();
    let key = RecordName::try_from(unique("denied")).unwrap();

    let read = stores.tokens.read(&key).await.unwrap_err();
    let write = stores.tokens.write(&key, None, WriteId::random(), &large(1)).await.unwrap_err();

    for denied in [read, write] {
        assert_eq!(denied.kind(), StoreErrorKind::Denied, "{denied:?}");
        assert!(in_one_line(&denied).contains("redis"), "{denied:?}");
    }
}

#[tokio::test]
async fn a_missing_table_is_named_by_every_operation() {
    let table = unique("no-such-table");
    let stores = Stores::from_url(&format!("dynamodb://{table}?region=us-east-1")).await.unwrap();
    let key = RecordName::try_from(unique("any")).unwrap();

    let (id, record) = (WriteId::random(), large(1));
    let read = server_error(async || stores.tokens.read(&key).await.unwrap_err()).await;
    let write = async || stores.tokens.write(&key, None, id, &record).await.unwrap_err();
    let write = server_error(write).await;

    for missing in [read, write] {
        assert_eq!(missing.kind(), StoreErrorKind::Invalid, "{missing:?}");
        assert!(in_one_line(&missing).contains(&table), "{missing:?}");
    }
}

#[tokio::test]
async fn a_record_that_is_too_large_is_refused_with_its_size_and_not_written() {
    for (url, token) in [(fleet::dynamodb().await, 80_000), (fleet::ssm().await, 1_000)] {
        let stores = Stores::from_url(&url).await.unwrap();
        let key = RecordName::try_from(unique("large")).unwrap();
        let large = large(token);

        let refused = stores.tokens.write(&key, None, WriteId::random(), &large).await.unwrap_err();

        assert_eq!(refused.kind(), StoreErrorKind::Invalid, "{refused:?}");
        assert!(in_one_line(&refused).contains("bytes"), "{refused:?}");
        assert!(stores.tokens.read(&key).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn an_invalid_name_is_refused_before_any_request_to_the_store() {
    let long = "a".repeat(65);
    let stores = Stores::from_url("memory:").await.unwrap();
    for name in ["", "a b", "a/b", "a:b", "ä", "a\n", "{a}", "a{{b", "a%20b", &long] {
        let record = RecordName::try_from(name).unwrap_err();
        let policy = CircuitPolicy::default();
        let breaker = CircuitBreaker::new(name, policy, Arc::clone(&stores.circuits)).unwrap_err();
        let endpoint = Endpoint::TokenUrl("https://login.example/token".to_owned());
        let credentials = ClientCredentials::new(endpoint, "id", ClientSecret::from(SECRET));
        let getter = TokenGetter::builder(credentials, Arc::clone(&stores.tokens));
        let getter = getter.key(name).build().unwrap_err();
        for error in [&record as &dyn std::error::Error, &breaker, &getter] {
            assert!(in_one_line(error).contains("A-Z"), "{name:?}: {error}");
        }
    }
}
