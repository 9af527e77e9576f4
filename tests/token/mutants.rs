//! Deliberately broken stores: what the other tests promise must fail on them.

use std::sync::Arc;

use funcify::token::{ClientSecret, TokenGetter};
use funcify_backend_memory::MemoryBackend;
use funcify_core::{
    conformance::{Fault, Faulty},
    token::TokenPersistenceProvider,
};
use funcify_test_support::HookedTokens;
use tokio::time::sleep;

use super::fleet::{Fleet, TRAVEL, at_once, credentials};

/// A correct store that takes its time, so that all instances read before one writes.
fn slow() -> Faulty<MemoryBackend> {
    let store = Faulty::new(Arc::new(MemoryBackend::default()));
    store.always(Fault::Delay(TRAVEL));
    store
}

/// The mutant: a store that takes its time too, and ignores the expected version.
fn overwrites() -> HookedTokens {
    let store = Arc::new(MemoryBackend::default());
    HookedTokens::over(Arc::clone(&store))
        .on_read(|read| async move {
            sleep(TRAVEL).await;
            read.send().await
        })
        .on_write(move |mut write| {
            let store = Arc::clone(&store);
            async move {
                sleep(TRAVEL).await;
                let current = TokenPersistenceProvider::read(&*store, &write.key).await?;
                write.expected = current.map(|current| current.version);
                write.send().await
            }
        })
}

async fn grants_of_a_cold_fleet(store: Arc<dyn TokenPersistenceProvider>) -> u64 {
    let fleet = Fleet::new();
    let getter = |_| {
        let credentials = credentials(ClientSecret::new("secret"));
        let builder = TokenGetter::builder(credentials, Arc::clone(&store));
        builder.grant(fleet.provider.clone()).build().unwrap()
    };
    let getters: Vec<_> = (0..50).map(getter).collect();
    at_once(&getters, async |getter| getter.token().await.unwrap()).await;
    fleet.provider.grants()
}

#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_compare_cannot_keep_the_promise_of_one_grant() {
    assert_eq!(grants_of_a_cold_fleet(Arc::new(slow())).await, 1);
    assert!(grants_of_a_cold_fleet(Arc::new(overwrites())).await > 1);
    let forgets = overwrites().on_read(|_| async {
        sleep(TRAVEL).await;
        Ok(None)
    });
    assert_eq!(grants_of_a_cold_fleet(Arc::new(forgets)).await, 50);
}
