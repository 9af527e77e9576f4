//! Mutants: deliberately broken stores. The tests of the other files must fail on them.

use std::sync::Arc;

use funcify::token::{ClientSecret, TokenGetter, TokenPersistenceProvider};
use funcify_backend_memory::MemoryBackend;
use funcify_core::{
    conformance::{Fault, Faulty},
    register::RetryingRegister,
};
use funcify_test_support::HookedTokens;
use tokio::time::sleep;

use super::fleet::{Fleet, TRAVEL, at_once, credentials};

/// A correct store that is slow, so that all processes read before one of them writes.
fn slow() -> RetryingRegister {
    let wire = Faulty::new(Arc::new(MemoryBackend::default()));
    wire.always(Fault::Delay(TRAVEL));
    RetryingRegister::new(wire)
}

/// The mutant: a store that is as slow and ignores the expected version.
fn overwrites() -> HookedTokens {
    let store = Arc::new(RetryingRegister::new(MemoryBackend::default()));
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

async fn grants_of_a_cold_fleet(store: impl TokenPersistenceProvider) -> u64 {
    let store: Arc<dyn TokenPersistenceProvider> = Arc::new(store);
    let fleet = Fleet::new();
    let getter = |_| {
        let credentials = credentials(ClientSecret::from("secret"));
        let builder = TokenGetter::builder(credentials, Arc::clone(&store) as _);
        builder.grant(fleet.provider.clone()).build().unwrap()
    };
    let getters: Vec<_> = (0..50).map(getter).collect();
    at_once(&getters, async |getter| getter.token().await.unwrap()).await;
    fleet.provider.grants()
}

#[tokio::test(start_paused = true)]
async fn without_compare_and_set_there_is_more_than_one_grant() {
    assert_eq!(grants_of_a_cold_fleet(slow()).await, 1);
    assert!(grants_of_a_cold_fleet(overwrites()).await > 1);
    let forgets = overwrites().on_read(|_| async {
        sleep(TRAVEL).await;
        Ok(None)
    });
    assert_eq!(grants_of_a_cold_fleet(forgets).await, 50);
}
