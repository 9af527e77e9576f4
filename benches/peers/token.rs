//! A token that this process holds, beside the load of a shared pointer.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use funcify::token::{ClientCredentials, ClientSecret, Endpoint, TokenGetter, TokenSource};
use funcify_backend_memory::MemoryBackend;
use funcify_core::register::RetryingRegister;
use funcify_test_support::{Counts, FakeGrant};

use funcify_benches::case::{Bench, Case, Subject, lap};

pub(crate) fn cases(bench: &Bench) -> Vec<Case> {
    let counts = Counts::new();
    let mut counted = metrics::with_local_recorder(&counts, || hits(bench));
    let counted =
        Box::new(move |operations| metrics::with_local_recorder(&counts, || counted(operations)));
    let held = Arc::new(ArcSwapOption::from_pointee("a token".to_owned()));
    let theirs = bench.subject(async move || {
        let held = held.load();
        assert!(held.is_some());
        held
    });
    vec![
        Case::new("token hit", hits(bench), "arc-swap, load", theirs).at_most(5.0).allocations(0),
        Case::new("token hit, counted in metrics", counted, "the same, not counted", hits(bench))
            .allocations(0),
    ]
}

fn hits(bench: &Bench) -> Subject {
    let getter = getter();
    bench.block_on(getter.token()).expect("expected a token");
    let bench = bench.clone();
    Box::new(move |operations| {
        Some(bench.block_on(async {
            let sample = lap(operations, async || match getter.token().await {
                Ok(token) if token.source() == TokenSource::Memory => token,
                other => panic!("expected the token from memory, got {other:?}"),
            });
            let sample = sample.await;
            assert_eq!(getter.metrics().grants, 1, "grants");
            sample
        }))
    })
}

fn getter() -> TokenGetter {
    let credentials = ClientCredentials::new(
        Endpoint::TokenUrl("https://login.example/token".to_owned()),
        "bench",
        ClientSecret::from("secret"),
    );
    let store = Arc::new(RetryingRegister::new(MemoryBackend::new()));
    // Its token outlives the run.
    let grant = FakeGrant::new().with_token("2YotnFZFEjr1zCsicMWpAA").with_lifetime(None);
    let getter = TokenGetter::builder(credentials, store).grant(grant);
    getter.build().expect("expected a token getter")
}
