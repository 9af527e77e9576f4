//! The certified provider that `tests/run` starts, by each method and in each format.

use std::{fs, sync::Arc, time::Duration};

use funcify::token::{
    ClientAuthentication, ClientCredentials, ClientSecret, Endpoint, GrantError, PrivateKey, Token,
    TokenError, TokenGetter, TokenSource,
};
use funcify_backend_memory::MemoryBackend;
use funcify_core::{
    engine::{Clock, SystemClock},
    register::RetryingRegister,
};

use crate::support::{env, idp};

fn credentials(client: &str, proof: ClientAuthentication, format: &str) -> ClientCredentials {
    ClientCredentials::new(Endpoint::Issuer(env::idp()), client, proof)
        .with_plain_http_on_loopback()
        .with_resource(idp::resource(format, 60))
}

fn getter(credentials: ClientCredentials) -> TokenGetter {
    TokenGetter::builder(credentials, Arc::new(RetryingRegister::new(MemoryBackend::default())))
        .build()
        .unwrap()
}

async fn minted(client: &str, proof: ClientAuthentication, format: &str) -> Token {
    let before = idp::grants(client).await;
    let getter = getter(credentials(client, proof, format).with_scope("orders:read"));
    let token = getter.token().await.unwrap();
    assert_eq!(token.source(), TokenSource::Minted);
    assert_eq!(idp::grants(client).await, before + 1);
    token
}

fn secret() -> ClientSecret {
    ClientSecret::new(env::idp_secret())
}

#[tokio::test]
async fn a_secret_is_taken_in_the_header_and_in_the_body() {
    let header = minted("basic-token", ClientAuthentication::basic(secret()), "opaque").await;
    assert_eq!(header.scope(), Some("orders:read"));
    minted("post-token", ClientAuthentication::post(secret()), "rs256").await;
}

#[tokio::test]
async fn a_signed_assertion_is_taken_and_no_two_are_the_same() {
    for (client, algorithm, pem, format) in [
        ("rsa-token", "RS256", env::idp_rsa_key(), "rs256"),
        ("ec-token", "ES256", env::idp_ec_key(), "es256"),
    ] {
        let key = PrivateKey::from_pem(algorithm, &fs::read(pem).unwrap()).unwrap();
        for _ in 0..2 {
            minted(client, ClientAuthentication::private_key_jwt(key.clone()), format).await;
        }
    }
}

#[tokio::test]
async fn an_opaque_token_and_a_jwt_live_as_long_as_the_provider_says() {
    for format in ["opaque", "rs256", "es256"] {
        let token = minted("basic-life", ClientAuthentication::basic(secret()), format).await;
        assert_eq!(token.expose().split('.').count(), if format == "opaque" { 1 } else { 3 });
        let now = SystemClock.now();
        let left = token.expires_at().since(now);
        assert!((Duration::from_secs(50)..=Duration::from_secs(60)).contains(&left), "{left:?}");
    }
}

#[tokio::test]
async fn a_wrong_secret_is_refused_and_remembered() {
    let wrong = ClientAuthentication::basic(ClientSecret::new("wrong"));
    let getter = getter(credentials("basic-wrong", wrong, "opaque"));
    let TokenError::Grant(error) = getter.token().await.unwrap_err() else { panic!("not asked") };
    assert!(
        matches!(&*error, GrantError::Refused { status: 401, code } if code == "invalid_client")
    );
    getter.token().await.unwrap_err();
    assert_eq!(getter.metrics().failures, 1);
}

#[tokio::test]
async fn a_scope_that_is_not_granted_is_missing_from_the_token() {
    let basic = ClientAuthentication::basic(secret());
    let unknown = credentials("basic-scope", basic, "opaque").with_scope("orders:read admin");
    match getter(unknown).token().await {
        Ok(token) => assert_eq!(token.scope(), Some("orders:read")),
        Err(TokenError::Grant(error)) => assert!(error.is_refusal(), "{error}"),
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn two_hundred_cold_processes_cost_the_provider_one_grant() {
    let before = idp::grants("basic-burst").await;
    let store = Arc::new(RetryingRegister::new(MemoryBackend::default()));
    let mut tasks = Vec::new();
    for _ in 0..200 {
        let basic = ClientAuthentication::basic(secret());
        let credentials = credentials("basic-burst", basic, "rs256");
        let builder = TokenGetter::builder(credentials, Arc::clone(&store) as _);
        let getter = builder.build().unwrap();
        tasks.push(tokio::spawn(async move { getter.token().await.unwrap() }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(idp::grants("basic-burst").await, before + 1);
}
