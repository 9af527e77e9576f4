//! What the measured process and the program that measures it both know.

use std::{
    env,
    io::{self, Write},
};

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

/// Tells the program that measures that the process is ready, and then that it is answered.
pub(crate) fn reached() {
    let mut out = io::stdout();
    out.write_all(b".\n").and_then(|()| out.flush()).expect("expected a reader");
}

/// A variable of the process.
pub(crate) fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("expected {name}"))
}
