//! The `Idempotency-Key` of a call that is made inside the work for a key.

use std::sync::{Arc, Mutex};

use axum::{Json, Router, http::HeaderMap, routing::any};
use funcify::{Api, Idempotency, register::RetryingRegister};
use funcify_backend_memory::MemoryBackend;
use http::Request;
use serde_json::{Value, json};

use crate::support::http::serve;

/// A service that records the key of each request.
async fn noting() -> (Api, Arc<Mutex<Vec<Option<String>>>>) {
    let noted = Arc::new(Mutex::new(Vec::new()));
    let keys = Arc::clone(&noted);
    let answer = move |headers: HeaderMap| async move {
        let key = headers.get("idempotency-key").map(|key| key.to_str().unwrap().to_owned());
        keys.lock().unwrap().push(key);
        Json(json!({}))
    };
    let base = serve(Router::new().fallback(any(answer))).await;
    (Api::new("payments", &base).unwrap(), noted)
}

#[tokio::test]
async fn a_call_inside_the_work_has_the_same_key_in_every_attempt() {
    let (api, noted) = noting().await;
    let store = Arc::new(RetryingRegister::new(MemoryBackend::new()));
    let orders = Idempotency::new("orders", store).unwrap();
    let charge = async |order: &str, cents: u32| {
        let attempt = orders.run::<(), _>(order, &cents, async |_| {
            api.post::<Value>("/charges", &json!({ "cents": cents })).await.unwrap();
            Err("the answer was lost")
        });
        attempt.await.unwrap_err();
    };
    charge("7", 500).await;
    charge("7", 500).await;
    charge("8", 500).await;
    let keys: Vec<_> = noted.lock().unwrap().drain(..).flatten().collect();
    assert_eq!((keys.len(), &keys[0]), (3, &keys[1]));
    assert_ne!(keys[0], keys[2]);
    // The draft requires a string in double quotes. Here it is a UUID.
    assert_eq!((keys[0].len(), &keys[0][..1], &keys[0][37..]), (38, "\"", "\""));
}

#[tokio::test]
async fn only_a_post_or_patch_inside_the_work_gets_a_key_and_one_of_your_own_stays() {
    let (api, noted) = noting().await;
    let store = Arc::new(RetryingRegister::new(MemoryBackend::new()));
    let orders = Idempotency::new("orders", store).unwrap();
    api.post::<Value>("/outside", &1).await.unwrap();
    let work = orders.run("7", &1, async |_| {
        api.get::<Value>("/get").await.unwrap();
        api.send(Request::put("/put").body("1").unwrap()).await.unwrap();
        let own = Request::post("/own").header("idempotency-key", "\"mine\"");
        api.send(own.body("1").unwrap()).await.unwrap();
        api.send(Request::patch("/patch").body("1").unwrap()).await.unwrap();
        Ok::<_, ()>(())
    });
    work.await.unwrap();
    let keys = noted.lock().unwrap().clone();
    assert_eq!(keys[..3], [None, None, None]);
    assert_eq!(keys[3].as_deref(), Some("\"mine\""));
    assert_eq!(keys[4].as_ref().map(String::len), Some(38));
}
