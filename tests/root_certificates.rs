//! A private certificate authority in front of a service, a token endpoint and a key set. Each is trusted
//! only if `root_certificates` names the authority.

use std::{fs, sync::Arc};

use axum::{Router, routing::get};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use funcify::{
    Api, Authenticator, ClientCredentials, Invocation, Pipeline, Problem, TokenGetter,
    auth::KeySet,
    error_chain,
    testing::TestEvent,
    token::{ClientSecret, Endpoint},
};
use funcify_backend_memory::MemoryBackend;
use funcify_core::register::RetryingRegister;
use serde_json::{Value, json};

use crate::support::{env, https};

const BROKEN: &[u8] = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
/// How every error about [`BROKEN`] is described.
const REFUSED: &str = "`root_certificates`: a root certificate was refused: ";

fn authority() -> Vec<u8> {
    fs::read(env::tls().join("ca.pem")).unwrap()
}

#[tokio::test]
async fn an_api_trusts_the_authority_that_is_named() {
    let url = https::serve(|_| ("200 OK", r#"{"item":"tea"}"#));
    let api = || Api::new("warehouse", &url).unwrap();
    let trusting = api().root_certificates(&authority()).unwrap();
    assert_eq!(trusting.get::<Value>("/").await.unwrap(), json!({"item": "tea"}));
    let error = api().get::<Value>("/").await.unwrap_err();
    assert!(error_chain(&error).contains("UnknownIssuer"), "{error:?}");
    let error = api().root_certificates(BROKEN).unwrap_err();
    assert!(error.to_string().starts_with(REFUSED), "{error}");
}

#[tokio::test]
async fn a_token_endpoint_is_asked_if_its_authority_is_named() {
    let url = https::serve(|_| ("200 OK", r#"{"access_token":"tea","token_type":"Bearer"}"#));
    let builder = || {
        let endpoint = Endpoint::TokenUrl(url.clone());
        let credentials =
            ClientCredentials::new(endpoint, "warehouse", ClientSecret::from("secret"));
        let store = Arc::new(RetryingRegister::new(MemoryBackend::default()));
        TokenGetter::builder(credentials, store)
    };
    let trusting = builder().root_certificates(&authority()).build().unwrap();
    assert_eq!(trusting.token().await.unwrap().expose(), "tea");
    let error = builder().build().unwrap().token().await.unwrap_err();
    assert!(error_chain(&error).contains("UnknownIssuer"), "{error:?}");
    let error = builder().root_certificates(BROKEN).build().unwrap_err();
    assert!(error.to_string().contains(REFUSED), "{error}");
}

#[tokio::test]
async fn keys_are_fetched_if_their_authority_is_named() {
    async fn whoami(invocation: Invocation) -> Result<String, Problem> {
        Ok(invocation.caller().await?.subject.clone())
    }
    // The public key of RFC 7517, appendix A.1.
    let url = https::serve(|_| {
        let keys = r#"{"keys":[{"kty":"EC","crv":"P-256","kid":"1","alg":"ES256",
            "x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
            "y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}"#;
        ("200 OK", keys)
    });
    let authenticator = || {
        let keys = KeySet::new(&url).issuer("https://login.example.com/").audience("orders");
        Authenticator::new().keys(keys)
    };
    let pipeline = |authenticator: Authenticator| {
        let router = Router::new().route("/me", get(whoami));
        Pipeline::builder(()).http(router).authenticator(authenticator).build()
    };
    // The key is needed to see that the signature is wrong.
    let parts = [
        r#"{"alg":"ES256","kid":"1"}"#,
        r#"{"iss":"https://login.example.com/","sub":"alice"}"#,
        &"s".repeat(64),
    ];
    let token = format!("Bearer {}", parts.map(|part| URL_SAFE_NO_PAD.encode(part)).join("."));
    let status = async |authenticator: Authenticator| {
        let event = TestEvent::get("/me").header("authorization", &token);
        let output = event.send(&pipeline(authenticator).unwrap()).await.unwrap();
        output.http().unwrap().status().as_u16()
    };
    assert_eq!(status(authenticator().root_certificates(&authority())).await, 401);
    assert_eq!(status(authenticator()).await, 503);
    let error = pipeline(authenticator().root_certificates(BROKEN)).unwrap_err();
    assert!(error.to_string().contains(REFUSED), "{error}");
}
