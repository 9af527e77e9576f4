//! A token that this process holds, beside the load of a shared pointer.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use funcify::token::{
    ClientAuthentication, ClientCredentials, ClientSecret, Endpoint, Grant, GrantError, Granted,
    TokenGetter, TokenSource,
};
use funcify_backend_memory::MemoryBackend;
use funcify_core::{register::RetryingRegister, token::AccessToken};

use crate::case::{Bench, Case, lap};

pub(crate) fn cases(bench: &Bench) -> Vec<Case> {
    let getter = getter();
    bench.block_on(getter.token()).expect("expected a token");
    let this = bench.clone();
    let ours = Box::new(move |operations| {
        Some(this.block_on(async {
            let sample = lap(operations, async || match getter.token().await {
                Ok(token) if token.source() == TokenSource::Memory => token,
                other => panic!("expected the token from memory, got {other:?}"),
            });
            let sample = sample.await;
            assert_eq!(getter.metrics().grants, 1, "grants");
            sample
        }))
    });
    let held = Arc::new(ArcSwapOption::from_pointee("a token".to_owned()));
    let theirs = bench.subject(async move || {
        let held = held.load();
        assert!(held.is_some());
        held
    });
    vec![Case::new("token hit", ours, "arc-swap, load", theirs).at_most(5.0).allocations(0)]
}

fn getter() -> TokenGetter {
    let credentials = ClientCredentials::new(
        Endpoint::TokenUrl("https://login.example/token".to_owned()),
        "bench",
        ClientAuthentication::basic(ClientSecret::new("secret")),
    );
    let store = Arc::new(RetryingRegister::new(MemoryBackend::new()));
    let getter = TokenGetter::builder(credentials, store).grant(Provider);
    getter.build().expect("expected a token getter")
}

/// Grants a token that outlives the run.
#[derive(Debug)]
struct Provider;

#[async_trait]
impl Grant for Provider {
    async fn grant(
        &self,
        _: &ClientCredentials,
        _: Option<&ClientSecret>,
    ) -> Result<Granted, GrantError> {
        let token = AccessToken::new("2YotnFZFEjr1zCsicMWpAA");
        Ok(Granted { token, expires_in: None, scope: None })
    }
}
