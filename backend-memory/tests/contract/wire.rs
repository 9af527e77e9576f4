//! One record of a memory store behind a wire that fails on request.

use std::{sync::Arc, time::Duration};

use funcify_backend_memory::MemoryBackend;
use funcify_core::{
    Chance, StoreError, StoreErrorKind,
    conformance::Faulty,
    register::{
        Body, OPERATION, RecordKey, Register, RetryingRegister, Swap, Version, Versioned, WriteId,
    },
    token::TokenKey,
};

pub(crate) const KEPT: Duration = Duration::from_secs(60);

/// A wire, the store behind it, and one record.
pub(crate) struct Bench {
    pub(crate) wire: Faulty<MemoryBackend>,
    pub(crate) store: MemoryBackend,
    pub(crate) key: RecordKey,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let store = MemoryBackend::new();
        let wire = Faulty::new(Arc::new(store.clone()));
        Self { wire, store, key: RecordKey::Token(TokenKey::default()) }
    }

    pub(crate) fn settle(&self) -> RetryingRegister<'_, Faulty<MemoryBackend>> {
        self.settled().unwrap()
    }

    /// The same; an error where there is no time left.
    pub(crate) fn settled(
        &self,
    ) -> Result<RetryingRegister<'_, Faulty<MemoryBackend>>, StoreError> {
        RetryingRegister::within(&self.wire, &self.key, OPERATION, Chance::seeded(7))
    }

    /// Through the wire, settled.
    pub(crate) async fn swap(
        &self,
        expected: Option<Version>,
        write: u128,
    ) -> Result<Swap<Body>, StoreError> {
        self.settle().swap(expected, id(write), &body(write), KEPT).await
    }

    /// Past the wire: somebody else's.
    pub(crate) async fn other(&self, expected: Option<Version>, write: u128) -> Version {
        match self.store.swap(&self.key, expected, id(write), &body(write), KEPT).await.unwrap() {
            Swap::Applied(version) => version,
            Swap::Conflict(_) => panic!("somebody else's write conflicts"),
        }
    }

    pub(crate) async fn stored(&self) -> Option<Versioned<Body>> {
        Register::read(&self.store, &self.key).await.unwrap()
    }

    /// Lets whatever is late arrive.
    pub(crate) async fn flush(&self) {
        self.wire.heal();
        for _ in 0..10 {
            let _ = Register::read(&self.wire, &self.key).await;
        }
    }
}

pub(crate) fn id(write: u128) -> WriteId {
    WriteId::from_bits(write)
}

pub(crate) fn version(write: u128) -> Version {
    Version::new(id(write))
}

pub(crate) fn body(write: u128) -> Body {
    Body::parse(&format!(r#"{{"write":{write}}}"#)).unwrap()
}

pub(crate) fn record(write: u128) -> Option<Versioned<Body>> {
    Some(Versioned::new(body(write), version(write)))
}

pub(crate) fn kind<T>(answer: Result<T, StoreError>) -> Option<StoreErrorKind> {
    answer.err().map(|error| error.kind())
}
