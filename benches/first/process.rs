//! The process that is measured: it opens a store, reads it once, and says when it is ready and when it is answered.

use std::{
    env,
    io::{self, Write},
};

use funcify::Stores;

use crate::{aws, redis};

/// The variable with the store and the side of the process. Without it, this program is the one that measures.
pub(crate) const PROCESS: &str = "FUNCIFY_BENCH_PROCESS";

/// Under which no store has a record.
pub(crate) const NAME: &str = "bench-first";

#[derive(Clone, Copy)]
pub(crate) enum Store {
    Redis,
    DynamoDb,
    Ssm,
}

impl Store {
    pub(crate) const ALL: [Self; 3] = [Self::Redis, Self::DynamoDb, Self::Ssm];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Redis => "Redis",
            Self::DynamoDb => "DynamoDB",
            Self::Ssm => "SSM",
        }
    }
}

#[derive(Clone, Copy)]
pub(crate) enum Side {
    Ours,
    Bare,
}

impl Side {
    pub(crate) const BOTH: [Self; 2] = [Self::Ours, Self::Bare];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ours => "funcify",
            Self::Bare => "bare client",
        }
    }
}

/// The value of [`PROCESS`] for a side of a store.
pub(crate) fn named(store: Store, side: Side) -> String {
    format!("{}, {}", store.name(), side.name())
}

/// Runs the side that [`named`] names, on the runtime of a small function.
pub(crate) fn run(measured: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("expected a runtime");
    let is = |store, side| measured == named(store, side);
    runtime.block_on(async {
        match measured {
            _ if is(Store::Redis, Side::Bare) => redis::bare().await,
            _ if is(Store::DynamoDb, Side::Bare) => aws::bare_dynamodb().await,
            _ if is(Store::Ssm, Side::Bare) => aws::bare_ssm().await,
            _ => ours().await,
        }
    });
}

/// What a function does that reads the state of a circuit.
async fn ours() {
    let stores = Stores::from_env().await.expect("expected a store");
    reached();
    let circuit = NAME.parse().expect("expected a name");
    let read = stores.circuits.circuit_state(&circuit).await;
    assert!(matches!(read, Ok(None)), "{read:?}");
    reached();
}

/// Tells the program that measures that the process is ready, and then that it is answered.
pub(crate) fn reached() {
    let mut out = io::stdout();
    out.write_all(b".\n").and_then(|()| out.flush()).expect("expected a reader");
}

/// A variable of the process.
pub(crate) fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("expected {name}"))
}
