//! One record of a memory store behind a connection that fails on request.

use std::{sync::Arc, time::Duration};

use funcify_backend_memory::MemoryBackend;
use funcify_core::{
    StoreError, StoreErrorKind, Timestamp,
    conformance::Faulty,
    register::{
        Body, Record, RecordKey, RecordKind, RecordName, Register, RetryingRegister, Swap, Version,
        Versioned, WriteId,
    },
};
use serde::{Deserialize, Serialize};

pub(crate) const KEPT: Duration = Duration::from_secs(60);

/// A record that says which write made it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Mark {
    write: u64,
}

impl Record for Mark {
    const KIND: RecordKind = RecordKind::new("mark");

    fn keep_for(&self, _now: Timestamp) -> Duration {
        KEPT
    }
}

/// A connection, the store behind it, and one record.
pub(crate) struct Setup {
    pub(crate) wire: Faulty<MemoryBackend>,
    pub(crate) store: RetryingRegister,
    pub(crate) memory: MemoryBackend,
    pub(crate) name: RecordName,
    pub(crate) key: RecordKey,
}

impl Setup {
    /// A store on which no operation was started yet.
    pub(crate) fn unconnected() -> Self {
        let memory = MemoryBackend::new();
        let wire = Faulty::new(Arc::new(memory.clone()));
        let store = RetryingRegister::new(wire.clone());
        let name = RecordName::try_from("one").unwrap();
        let key = RecordKey::of::<Mark>(name.clone());
        Self { wire, store, memory, name, key }
    }

    /// A store whose first operation is over.
    pub(crate) async fn new() -> Self {
        let setup = Self::unconnected();
        setup.read().await.unwrap();
        setup
    }

    /// Through the connection, with retries.
    pub(crate) async fn read(&self) -> Result<Option<Versioned<Mark>>, StoreError> {
        self.store.read_record(&self.name).await
    }

    /// Through the connection, with retries.
    pub(crate) async fn swap(
        &self,
        expected: Option<Version>,
        write: u64,
    ) -> Result<Swap<Mark>, StoreError> {
        self.store.swap_record(&self.name, expected, id(write), &mark(write)).await
    }

    /// Past the connection: a write of another process.
    pub(crate) async fn other(&self, expected: Option<Version>, write: u64) -> Version {
        match self.memory.swap(&self.key, expected, id(write), &body(write), KEPT).await.unwrap() {
            Swap::Applied(version) => version,
            Swap::Conflict(_) => panic!("the write of the other process conflicts"),
        }
    }

    pub(crate) async fn stored(&self) -> Option<Versioned<Mark>> {
        let memory = RetryingRegister::new(self.memory.clone());
        memory.read_record(&self.name).await.unwrap()
    }

    /// How many swaps were sent.
    pub(crate) fn swaps(&self) -> u64 {
        self.wire.swaps()
    }

    /// How many reads were sent after [`new`](Self::new).
    pub(crate) fn reads(&self) -> u64 {
        self.wire.reads() - 1
    }

    /// Lets every late request arrive.
    pub(crate) async fn flush(&self) {
        self.wire.heal();
        for _ in 0..10 {
            let _ = self.wire.read(&self.key).await;
        }
    }
}

pub(crate) fn id(write: u64) -> WriteId {
    WriteId::from_bits(write.into())
}

pub(crate) fn version(write: u64) -> Version {
    Version::from(id(write))
}

pub(crate) fn mark(write: u64) -> Mark {
    Mark { write }
}

pub(crate) fn body(write: u64) -> Body {
    format!(r#"{{"write":{write}}}"#).parse::<Body>().unwrap()
}

pub(crate) fn record(write: u64) -> Option<Versioned<Mark>> {
    Some(Versioned::new(mark(write), version(write)))
}

pub(crate) fn kind<T>(answer: Result<T, StoreError>) -> Option<StoreErrorKind> {
    answer.err().map(|error| error.kind())
}
