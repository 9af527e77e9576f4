//! A store that does not answer costs a process one wait, and not one for each use of the store.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use funcify::Stores;
use tokio::net::TcpListener;

#[tokio::test]
async fn f07_a_store_that_the_token_found_silent_is_not_asked_for_the_circuit() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let connections = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&connections);
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((connection, _)) = silent.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            kept.push(connection);
        }
    });
    let stores = Stores::from_url(&format!("redis://{address}")).await.unwrap();
    stores.tokens.read(&"BEARER_TOKEN".parse().unwrap()).await.unwrap_err();
    let asked = connections.load(Ordering::SeqCst);
    assert!(asked >= 1);
    stores.circuits.circuit_state(&"warehouse".parse().unwrap()).await.unwrap_err();
    stores.idempotency.read(&"order".parse().unwrap()).await.unwrap_err();
    assert_eq!(connections.load(Ordering::SeqCst), asked, "no second wait");
}
