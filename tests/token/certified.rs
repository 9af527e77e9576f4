//! Each method of authentication and each format of token, with a certified provider that `tests/run` starts.

use std::{fs, sync::Arc, time::Duration};

use funcify::token::{
    ClientAuthentication, ClientCredentials, ClientSecret, Endpoint, GrantError, Token, TokenError,
    TokenGetter, TokenSource,
};
use funcify_backend_memory::MemoryBackend;
use funcify_core::{
    engine::{Clock, SystemClock},
    register::RetryingRegister,
};

use crate::support::{env, idp};

fn credentials(
    client: &str,
    authentication: impl Into<ClientAuthentication>,
    format: &str,
) -> ClientCredentials {
    let issuer = Endpoint::Issuer(env::idp());
    let mut credentials = ClientCredentials::new(issuer, client, authentication);
    credentials.resources.push(idp::resource(format, 60));
    credentials
}

fn getter(credentials: ClientCredentials) -> TokenGetter {
    TokenGetter::builder(credentials, Arc::new(RetryingRegister::new(MemoryBackend::default())))
        .build()
        .unwrap()
}

async fn minted(
    client: &str,
    authentication: impl Into<ClientAuthentication>,
    format: &str,
) -> Token {
    let before = idp::grants(client).await;
    let mut credentials = credentials(client, authentication, format);
    credentials.scope = Some("orders:read".to_owned());
    let token = getter(credentials).token().await.unwrap();
    assert_eq!(token.source(), TokenSource::Minted);
    assert_eq!(idp::grants(client).await, before + 1);
    token
}

fn secret() -> ClientSecret {
    ClientSecret::from(env::idp_secret())
}

#[tokio::test]
async fn the_provider_accepts_a_secret_in_the_header_and_in_the_body() {
    let header = minted("basic-token", secret(), "opaque").await;
    assert_eq!(header.scope(), Some("orders:read"));
    minted("post-token", ClientAuthentication::Post(Arc::new(secret())), "rs256").await;
}

#[tokio::test]
async fn each_signed_assertion_is_accepted_because_no_two_are_the_same() {
    for (client, algorithm, pem, format) in [
        ("rsa-token", "RS256", env::idp_rsa_key(), "rs256"),
        ("ec-token", "ES256", env::idp_ec_key(), "es256"),
    ] {
        let pem = fs::read(pem).unwrap();
        let key = ClientAuthentication::private_key(algorithm, None, &pem).unwrap();
        for _ in 0..2 {
            minted(client, key.clone(), format).await;
        }
    }
}

#[tokio::test]
async fn opaque_tokens_and_jwts_expire_when_the_provider_says() {
    for format in ["opaque", "rs256", "es256"] {
        let token = minted("basic-life", secret(), format).await;
        assert_eq!(token.expose().split('.').count(), if format == "opaque" { 1 } else { 3 });
        let now = SystemClock.now();
        let left = token.expires_at().since(now);
        assert!((Duration::from_secs(50)..=Duration::from_secs(60)).contains(&left), "{left:?}");
    }
}

#[tokio::test]
async fn a_wrong_secret_is_refused_and_remembered() {
    let wrong = ClientSecret::from("wrong");
    let getter = getter(credentials("basic-wrong", wrong, "opaque"));
    let TokenError::Grant(error) = getter.token().await.unwrap_err() else {
        panic!("it was not asked")
    };
    assert!(
        matches!(&*error, GrantError::Refused { status: 401, code } if code == "invalid_client")
    );
    getter.token().await.unwrap_err();
    assert_eq!(getter.metrics().failures, 1);
}

#[tokio::test]
async fn the_token_has_no_scope_that_was_not_granted() {
    let mut credentials = credentials("basic-scope", secret(), "opaque");
    credentials.scope = Some("orders:read admin".to_owned());
    match getter(credentials).token().await {
        Ok(token) => assert_eq!(token.scope(), Some("orders:read")),
        Err(TokenError::Grant(error)) => {
            assert!(matches!(*error, GrantError::Refused { .. }), "{error}");
        }
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn two_hundred_cold_processes_need_one_grant() {
    let before = idp::grants("basic-burst").await;
    let store = Arc::new(RetryingRegister::new(MemoryBackend::default()));
    let mut tasks = Vec::new();
    for _ in 0..200 {
        let credentials = credentials("basic-burst", secret(), "rs256");
        let builder = TokenGetter::builder(credentials, Arc::clone(&store) as _);
        let getter = builder.build().unwrap();
        tasks.push(tokio::spawn(async move { getter.token().await.unwrap() }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(idp::grants("basic-burst").await, before + 1);
}
