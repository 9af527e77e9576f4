//! What the identity provider receives: the assertion of `private_key_jwt` and the headers.

use std::{
    error::Error,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use axum::{
    Form, Json, Router,
    http::{HeaderMap, header},
    routing::{get, post},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use funcify::token::{ClientAuthentication, ClientCredentials, Endpoint, Signer, TokenGetter};
use funcify_backend_memory::MemoryBackend;
use funcify_core::register::RetryingRegister;
use serde_json::{Value, json};

use crate::support::http::{listen, serve_on};

/// A key that the provider finds by its certificate.
#[derive(Debug)]
struct Certified;

#[async_trait]
impl Signer for Certified {
    fn algorithm(&self) -> &str {
        "PS256"
    }

    fn header(&self) -> Vec<(String, String)> {
        [("kid", "key-1"), ("x5t", "c2hhMQ"), ("x5t#S256", "c2hhMjU2")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    }

    async fn sign(&self, _: &[u8]) -> Result<Vec<u8>, Box<dyn Error + Send + Sync>> {
        Ok(vec![0; 64])
    }
}

type Seen = Arc<Mutex<Vec<(HeaderMap, String)>>>;

/// A provider whose metadata has an issuer with a slash at its end. Returns its URL without one, and what it got:
/// the headers of each request, and the assertion of those for a token.
async fn provider() -> (String, Seen) {
    let (listener, base) = listen().await;
    let seen = Seen::default();
    let metadata = json!({
        "issuer": format!("{base}/"),
        "token_endpoint": format!("{base}/token"),
    });
    let asked = Arc::clone(&seen);
    let metadata = move |headers: HeaderMap| async move {
        asked.lock().unwrap().push((headers, String::new()));
        Json(metadata)
    };
    let asked = Arc::clone(&seen);
    let token = move |headers: HeaderMap, Form(form): Form<Vec<(String, String)>>| async move {
        let assertion = form.into_iter().find(|(name, _)| name == "client_assertion").unwrap().1;
        asked.lock().unwrap().push((headers, assertion));
        Json(json!({ "access_token": "tea", "token_type": "Bearer", "expires_in": 60 }))
    };
    let router = Router::new()
        .route("/.well-known/openid-configuration", get(metadata))
        .route("/token", post(token));
    serve_on(listener, router);
    (base, seen)
}

async fn get_token(credentials: ClientCredentials) {
    let store = Arc::new(RetryingRegister::new(MemoryBackend::default()));
    TokenGetter::builder(credentials, store).build().unwrap().token().await.unwrap();
}

fn part(assertion: &str, index: usize) -> Value {
    let part = assertion.split('.').nth(index).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[tokio::test]
async fn an_assertion_is_for_the_issuer_of_the_metadata_unless_another_audience_is_set() {
    let (base, seen) = provider().await;
    let issuer = format!("{base}/");
    for (typed, audience, expected) in [
        (base.clone(), None, issuer.as_str()),
        (format!(" {base} "), None, &issuer),
        (issuer.clone(), None, &issuer),
        (base.clone(), Some("https://adfs.example/token"), "https://adfs.example/token"),
    ] {
        let signed = ClientAuthentication::PrivateKeyJwt(Arc::new(Certified));
        let endpoint = Endpoint::Issuer(typed.clone());
        let mut credentials = ClientCredentials::new(endpoint, "warehouse", signed);
        credentials.assertion_audience = audience.map(str::to_owned);
        get_token(credentials).await;
        let assertion = seen.lock().unwrap().pop().unwrap().1;
        assert_eq!(part(&assertion, 1)["aud"], expected, "{typed:?} {audience:?}");
        let header = json!({ "alg": "PS256", "typ": "JWT", "kid": "key-1", "x5t": "c2hhMQ",
            "x5t#S256": "c2hhMjU2" });
        assert_eq!(part(&assertion, 0), header);
    }
}

#[tokio::test]
async fn each_request_names_funcify_and_asks_for_no_compression() {
    let (base, seen) = provider().await;
    let signed = ClientAuthentication::PrivateKeyJwt(Arc::new(Certified));
    get_token(ClientCredentials::new(Endpoint::Issuer(base), "warehouse", signed)).await;
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 2, "the metadata and the token");
    for (headers, _) in seen.iter() {
        let agent = headers[header::USER_AGENT].to_str().unwrap();
        assert_eq!(agent, concat!("funcify/", env!("CARGO_PKG_VERSION")));
        assert_eq!(headers[header::ACCEPT_ENCODING], "identity");
    }
}
