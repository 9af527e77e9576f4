//! Records that processes of version 0.1 have written, in `core/tests/records/v0_1`. This version reads
//! each of them. In the same situation it writes the same members and one more.

use std::sync::Arc;
use std::time::Duration;

use funcify::token::{
    ClientCredentials, ClientSecret, Endpoint, TokenError, TokenGetter, TokenSource,
};
use funcify::{CircuitBreaker, CircuitPolicy, Stores, circuit::CountRule};
use funcify_backend_memory::MemoryBackend;
use funcify_core::Timestamp;
use funcify_core::circuit::{CircuitError, CircuitRecord};
use funcify_core::engine::ManualClock;
use funcify_core::register::RecordKey;
use funcify_core::token::TokenRecord;
use funcify_test_support::{FailureMode, FakeGrant};
use serde_json::{Map, Value, json};

use super::Store;

const GRANTED: &str = include_str!("../../../core/tests/records/v0_1/token-granted.json");
const GRANTED_OVER_NEWER: &str =
    include_str!("../../../core/tests/records/v0_1/token-granted-over-newer.json");
const REFUSED: &str = include_str!("../../../core/tests/records/v0_1/token-refused.json");
const UNAVAILABLE: &str = include_str!("../../../core/tests/records/v0_1/token-unavailable.json");
const COUNTING: &str = include_str!("../../../core/tests/records/v0_1/circuit-counting.json");
const OPEN: &str = include_str!("../../../core/tests/records/v0_1/circuit-open.json");
const HALF_OPEN: &str = include_str!("../../../core/tests/records/v0_1/circuit-half-open.json");

/// One process on a store in memory, with its own clock.
struct Process {
    store: Store,
    stores: Stores,
    clock: Arc<ManualClock>,
    provider: FakeGrant,
}

impl Process {
    /// A process at this time, on an empty store.
    fn at(time: i64) -> Self {
        let register = Arc::new(MemoryBackend::default());
        Self {
            stores: Stores::new(Arc::clone(&register)),
            store: Store { url: "memory:".to_owned(), register },
            clock: Arc::new(ManualClock::at(Timestamp::from_millis(time))),
            provider: FakeGrant::new(),
        }
    }

    /// A process that finds this record a moment after the given time.
    async fn with(record: &str, key: &RecordKey, time: i64) -> Self {
        let process = Self::at(time + 50);
        process.store.put(key, serde_json::from_str(record).unwrap()).await;
        process
    }

    /// The getter that version 0.1 had when it wrote the records.
    fn getter(&self, secret: &str) -> TokenGetter {
        let endpoint = Endpoint::TokenUrl("http://127.0.0.1:18099/token".to_owned());
        let mut credentials =
            ClientCredentials::new(endpoint, "warehouse", ClientSecret::from(secret));
        credentials.scope = Some("orders:read".to_owned());
        let getter = TokenGetter::builder(credentials, Arc::clone(&self.stores.tokens));
        let clock = Arc::clone(&self.clock);
        getter.key("recorded").grant(self.provider.clone()).clock(clock).build().unwrap()
    }

    fn breaker(&self) -> CircuitBreaker {
        let policy = CircuitPolicy::new(CountRule::new(3, Duration::from_secs(60)));
        let breaker = CircuitBreaker::new("recorded", policy, Arc::clone(&self.stores.circuits));
        breaker.unwrap().with_clock(Arc::clone(&self.clock) as _)
    }
}

fn token() -> RecordKey {
    RecordKey::of::<TokenRecord>("recorded".parse().unwrap())
}

fn circuit() -> RecordKey {
    RecordKey::of::<CircuitRecord>("recorded".parse().unwrap())
}

async fn fails(breaker: &CircuitBreaker) -> bool {
    let failed = breaker.call(async || Err::<(), _>("broken")).await;
    matches!(failed, Err(CircuitError::Failed(_)))
}

async fn succeeds(breaker: &CircuitBreaker) -> bool {
    breaker.call(async || Ok::<_, &str>(())).await.is_ok()
}

fn time(record: &str, pointer: &str) -> i64 {
    let record: Value = serde_json::from_str(record).unwrap();
    record.pointer(pointer).unwrap().as_i64().unwrap()
}

/// The members and their types, without their values.
fn shape(value: &Value) -> Value {
    match value {
        Value::Null => json!("null"),
        Value::Bool(_) => json!("bool"),
        Value::Number(_) => json!("number"),
        Value::String(_) => json!("text"),
        Value::Array(items) => items.iter().map(shape).collect(),
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| (name.clone(), shape(value)));
            Value::Object(members.collect::<Map<_, _>>())
        }
    }
}

fn shape_of(record: &str) -> Value {
    shape(&serde_json::from_str(record).unwrap())
}

#[tokio::test(start_paused = true)]
async fn f25_a_token_that_version_0_1_recorded_is_used_without_a_write() {
    for record in [GRANTED, GRANTED_OVER_NEWER] {
        let process = Process::with(record, &token(), time(record, "/minted_at")).await;
        let served = process.getter("secret").token().await.unwrap();
        let record: Value = serde_json::from_str(record).unwrap();
        assert_eq!(
            (json!(served.expose()), served.source()),
            (record["token"].clone(), TokenSource::Store)
        );
        assert_eq!(process.store.body(&token()).await, record);
        assert_eq!(process.provider.requests().len(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn f25_a_failure_that_version_0_1_recorded_binds_until_its_end_and_is_replaced() {
    for (record, pause) in [(REFUSED, 60_000), (UNAVAILABLE, 1_000)] {
        let until = time(record, "/failure/until");
        let process = Process::with(record, &token(), until - pause).await;
        let error = process.getter("secret").token().await.unwrap_err();
        assert!(matches!(error, TokenError::Remembered { .. }), "{error}");
        assert_eq!(process.provider.requests().len(), 0);

        // A refusal applies only to processes with the same secret.
        if record == UNAVAILABLE {
            process.clock.set(Timestamp::from_millis(until));
        }
        let minted = process.getter("another secret").token().await.unwrap();
        assert_eq!(minted.source(), TokenSource::Minted);
        let stored = process.store.body(&token()).await;
        assert_eq!(shape(&stored), shape_of(GRANTED));
    }
}

#[tokio::test(start_paused = true)]
async fn f25_the_records_of_a_token_have_the_members_that_version_0_1_reads() {
    let granted = Process::at(1_800_000_000_000);
    granted.getter("secret").token().await.unwrap();
    let stored = granted.store.body(&token()).await;
    assert_eq!(shape(&stored), shape_of(GRANTED));

    let refused = Process::at(1_800_000_000_000);
    refused.provider.accept_only("another secret");
    refused.getter("secret").token().await.unwrap_err();
    let unavailable = Process::at(1_800_000_000_000);
    unavailable.provider.fail(FailureMode::Unavailable);
    unavailable.getter("secret").token().await.unwrap_err();
    for (process, record) in [(refused, REFUSED), (unavailable, UNAVAILABLE)] {
        let mut stored = process.store.body(&token()).await;
        let pause = stored["failure"].as_object_mut().unwrap().remove("pause");
        assert!(pause.is_some_and(|pause| pause.is_u64()), "the one member that is new");
        assert_eq!(shape(&stored), shape_of(record));
        // The digests of the token and of the secret are computed as in version 0.1.
        let recorded: Value = serde_json::from_str(record).unwrap();
        assert_eq!(stored["digest"], recorded["digest"]);
        assert_eq!(stored["failure"].get("cred"), recorded["failure"].get("cred"));
    }
}

#[tokio::test(start_paused = true)]
async fn f25_a_circuit_that_version_0_1_recorded_goes_on_where_it_was() {
    let process = Process::with(COUNTING, &circuit(), time(COUNTING, "/failures/1/0")).await;
    let breaker = process.breaker();
    assert!(fails(&breaker).await, "the third failure is admitted");
    assert!(!succeeds(&breaker).await, "and opens");
    assert_eq!(shape(&without_history(&process, 1).await), shape_of(OPEN));

    let process = Process::with(OPEN, &circuit(), time(OPEN, "/changed_at")).await;
    let breaker = process.breaker();
    assert!(!succeeds(&breaker).await, "it is open");
    process.clock.set(Timestamp::from_millis(time(OPEN, "/open_until")));
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(succeeds(&breaker).await, "a probe");
    assert_eq!(shape(&without_history(&process, 1).await), shape_of(HALF_OPEN));

    let process = Process::with(HALF_OPEN, &circuit(), time(HALF_OPEN, "/changed_at")).await;
    assert!(succeeds(&process.breaker()).await, "the second success of the round");
    let closed = process.store.body(&circuit()).await;
    assert_eq!((&closed["state"], &closed["epoch"]), (&json!("closed"), &json!(3)));
}

#[tokio::test(start_paused = true)]
async fn f25_the_records_of_a_circuit_have_the_members_that_version_0_1_reads() {
    let process = Process::at(1_800_000_000_000);
    let breaker = process.breaker();
    for _ in 0..2 {
        assert!(fails(&breaker).await);
    }
    assert_eq!(shape(&process.store.body(&circuit()).await), shape_of(COUNTING));
    assert!(fails(&breaker).await);
    assert_eq!(shape(&without_history(&process, 1).await), shape_of(OPEN));
}

/// The record of the circuit without its changes of state, after checking how many there are. They are new,
/// and version 0.1 keeps members that it does not know.
async fn without_history(process: &Process, changes: usize) -> Value {
    let mut stored = process.store.body(&circuit()).await;
    let history = stored.as_object_mut().unwrap().remove("history");
    assert_eq!(history.and_then(|history| Some(history.as_array()?.len())), Some(changes));
    stored
}
