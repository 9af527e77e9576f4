//! Deliberately broken stores: what the other tests promise must fail on them.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use funcify::token::{ClientSecret, TokenGetter};
use funcify_backend_memory::MemoryBackend;
use funcify_core::{
    StoreError,
    conformance::{Fault, Faulty},
    register::{
        Body, PollPolicy, RecordKey, Register, RetryingRegister, Swap, Version, Versioned, WriteId,
    },
};

use tokio::time::sleep;

use super::fleet::{Fleet, TRAVEL, at_once, credentials};

/// Writes whatever is there.
#[derive(Debug, Default)]
struct Blind(MemoryBackend);

/// Reads nothing, ever.
#[derive(Debug, Default)]
struct Forgetful(MemoryBackend);

#[async_trait]
impl Register for Blind {
    async fn read(&self, key: &RecordKey) -> Result<Option<Versioned<Body>>, StoreError> {
        sleep(TRAVEL).await;
        self.0.read(key).await
    }

    async fn swap(
        &self,
        key: &RecordKey,
        _: Option<Version>,
        id: WriteId,
        body: &Body,
        keep_for: Duration,
    ) -> Result<Swap<Body>, StoreError> {
        sleep(TRAVEL).await;
        let current = self.0.read(key).await?.map(|current| current.version);
        self.0.swap(key, current, id, body, keep_for).await
    }

    fn poll_policy(&self) -> PollPolicy {
        self.0.poll_policy()
    }
}

#[async_trait]
impl Register for Forgetful {
    async fn read(&self, _: &RecordKey) -> Result<Option<Versioned<Body>>, StoreError> {
        sleep(TRAVEL).await;
        Ok(None)
    }

    async fn swap(
        &self,
        key: &RecordKey,
        _: Option<Version>,
        id: WriteId,
        body: &Body,
        keep_for: Duration,
    ) -> Result<Swap<Body>, StoreError> {
        sleep(TRAVEL).await;
        let current = self.0.read(key).await?.map(|current| current.version);
        self.0.swap(key, current, id, body, keep_for).await
    }

    fn poll_policy(&self) -> PollPolicy {
        self.0.poll_policy()
    }
}

async fn grants_of_a_cold_fleet(register: impl Register) -> u64 {
    let store = Arc::new(RetryingRegister::new(register));
    let fleet = Fleet::new();
    let getter = |_| {
        let credentials = credentials(ClientSecret::new("secret"));
        let builder = TokenGetter::builder(credentials, Arc::clone(&store) as _);
        builder.grant(fleet.provider.clone()).build().unwrap()
    };
    let getters: Vec<_> = (0..50).map(getter).collect();
    at_once(&getters, async |getter| getter.token().await.unwrap()).await;
    fleet.provider.grants()
}

#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_compare_cannot_keep_the_promise_of_one_grant() {
    let honest = Faulty::new(Arc::new(MemoryBackend::default()));
    honest.always(Fault::Delay(TRAVEL));
    assert_eq!(grants_of_a_cold_fleet(honest).await, 1);
    assert!(grants_of_a_cold_fleet(Blind::default()).await > 1);
    assert_eq!(grants_of_a_cold_fleet(Forgetful::default()).await, 50);
}
