//! Records that no other test uses, and single attempts on any register.

use std::time::Duration;

use funcify_core::circuit::CircuitRecord;
use funcify_core::register::{Body, RecordKey, Register, Swap, Version, Versioned, WriteId};
use funcify_core::token::TokenRecord;
use funcify_core::{StoreError, StoreErrorKind};
use tokio::time::sleep;

/// How long the tests' records are kept.
pub(crate) const HOUR: Duration = Duration::from_secs(3_600);

/// A name that no other test has.
pub(crate) fn unique(name: &str) -> String {
    let mut unique = WriteId::random().to_string();
    unique.truncate(12);
    format!("{name}-{unique}")
}

pub(crate) fn circuit(name: &str) -> RecordKey {
    RecordKey::of::<CircuitRecord>(unique(name).parse().unwrap())
}

pub(crate) fn token(name: &str) -> RecordKey {
    RecordKey::of::<TokenRecord>(unique(name).parse().unwrap())
}

pub(crate) fn body(n: u64) -> Body {
    format!(r#"{{"n":{n}}}"#).parse::<Body>().unwrap()
}

pub(crate) fn n_of(found: &Versioned<Body>) -> u64 {
    found.value.as_ref()["n"].as_u64().unwrap()
}

/// Reads a record that a test looks at afterwards. One local server represents all of AWS, and a busy machine may take
/// longer than the product gives an operation.
pub(crate) async fn stored<T>(read: impl AsyncFn() -> Result<T, StoreError>) -> T {
    for _ in 0..20 {
        match read().await {
            Err(error) if error.kind() == StoreErrorKind::Timeout => sleep(PAUSE).await,
            read => return read.unwrap(),
        }
    }
    read().await.unwrap()
}

/// Longer than an operation without an answer keeps a process from the next one.
const PAUSE: Duration = Duration::from_millis(1_100);

/// One attempt at a new write.
pub(crate) async fn attempt(
    register: &dyn Register,
    key: &RecordKey,
    expected: Option<Version>,
    n: u64,
) -> Result<Swap<Body>, StoreErrorKind> {
    let swap = register.swap(key, expected, WriteId::random(), &body(n), HOUR).await;
    swap.map_err(|error| error.kind())
}

/// One attempt at a new write, which must be applied.
pub(crate) async fn write(
    register: &dyn Register,
    key: &RecordKey,
    expected: Option<Version>,
    n: u64,
) -> Version {
    match attempt(register, key, expected, n).await {
        Ok(Swap::Applied(version)) => version,
        other => panic!("expected an applied write, got {other:?}"),
    }
}
