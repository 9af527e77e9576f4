//! The register in Redis, on real servers: one node, TLS with a user of few rights, a cluster.

mod cluster;
mod contract;
mod faults;
mod mutants;
mod raw;
mod refusals;
mod requests;
mod rights;
mod server;
mod storm;

use std::time::Duration;

use funcify_backend_redis::{RedisBackend, RedisConfig};
use funcify_core::StoreErrorKind;
use funcify_core::register::{Body, RecordKey, Register, Swap, Version, Versioned, WriteId};

/// How long the tests' records are kept.
const HOUR: Duration = Duration::from_secs(3_600);

fn register(url: &str) -> RedisBackend {
    RedisBackend::new(RedisConfig::parse(url).unwrap()).unwrap()
}

/// A record that no other test has.
fn circuit(name: &str) -> RecordKey {
    let mut unique = WriteId::random().to_string();
    unique.truncate(12);
    RecordKey::Circuit(format!("{name}-{unique}").parse().unwrap())
}

fn body(n: u64) -> Body {
    Body::parse(&format!(r#"{{"n":{n}}}"#)).unwrap()
}

fn n_of(found: &Versioned<Body>) -> u64 {
    found.value.members()["n"].as_u64().unwrap()
}

/// One attempt at a new write.
async fn attempt(
    register: &RedisBackend,
    key: &RecordKey,
    expected: Option<Version>,
    n: u64,
) -> Result<Swap<Body>, StoreErrorKind> {
    let body = body(n);
    let swap = register.swap(key, expected, WriteId::random(), &body, HOUR).await;
    swap.map_err(|error| error.kind())
}

/// One attempt at a new write, which must be done.
async fn write(
    register: &RedisBackend,
    key: &RecordKey,
    expected: Option<Version>,
    n: u64,
) -> Version {
    match attempt(register, key, expected, n).await {
        Ok(Swap::Applied(version)) => version,
        other => panic!("expected done, got {other:?}"),
    }
}
