//! A read and a swap of a record in Redis, and one effect for a key, beside the bare client with the same script.

use std::{io, rc::Rc, sync::Arc, time::Duration};

use funcify::idempotency::Idempotency;
use funcify_backend_redis::{RedisBackend, RedisConfig};
use funcify_benches::case::{Bench, Case};
use funcify_core::{
    circuit::CircuitRecord,
    register::{Body, RecordKey, Register, RetryingRegister, Swap, Version, WriteId},
};
use redis::{Script, aio::MultiplexedConnection};

const RECORD: &str = r#"{"state":"closed","epoch":3,"changed_at":1700000000000,"open_until":1700000000000,"openings":1,"failures":[[1700000300000,"1b2c3d4e"],[1700000300450,"5f60718a"]]}"#;

const DAY: Duration = Duration::from_secs(86_400);

pub(crate) fn cases(bench: &Bench, url: &str) -> Vec<Case> {
    let ours = || {
        let config = RedisConfig::parse(url).expect("expected the URL of a Redis");
        RedisBackend::new(config).expect("expected a backend")
    };
    let theirs = || {
        let client = redis::Client::open(url).expect("expected the URL of a Redis");
        bench.block_on(client.get_multiplexed_async_connection()).expect("expected a connection")
    };
    vec![
        Case::new(
            "redis, read",
            bench.subject(read(bench, ours())),
            "bare client, HGETALL",
            bench.subject(bare_read(theirs())),
        )
        .at_most(1.15)
        .by_median(),
        Case::new(
            "redis, swap",
            bench.subject(swap(ours())),
            "bare client, the same script",
            bench.subject(bare_swap(theirs())),
        )
        .at_most(1.15)
        .by_median(),
        Case::new(
            "redis, first call of a key",
            bench.subject(first_call(ours())),
            "bare client, its two swaps",
            bench.subject(two_bare_swaps(theirs())),
        )
        .at_most(1.15)
        .by_median(),
    ]
}

fn key(name: &str) -> RecordKey {
    RecordKey::of::<CircuitRecord>(name.parse().expect("expected a name"))
}

fn body() -> Body {
    RECORD.parse::<Body>().expect("expected a record")
}

fn read(bench: &Bench, redis: RedisBackend) -> impl AsyncFnMut() + use<> {
    let key = key("bench-read");
    bench.block_on(async {
        let there = redis.read(&key).await.expect("expected Redis").map(|there| there.version);
        let swap = redis.swap(&key, there, WriteId::random(), &body(), DAY).await;
        assert!(matches!(swap, Ok(Swap::Applied(_))), "{swap:?}");
    });
    async move || {
        let read = redis.read(&key).await;
        assert!(matches!(read, Ok(Some(there)) if there.corruption.is_none()));
    }
}

fn bare_read(mut redis: MultiplexedConnection) -> impl AsyncFnMut() {
    async move || {
        let mut command = redis::cmd("HGETALL");
        command.arg("funcify:circuit:bench-read");
        let read: Vec<(String, String)> =
            command.query_async(&mut redis).await.expect("expected a hash");
        assert_eq!(read.len(), 3);
    }
}

fn swap(redis: RedisBackend) -> impl AsyncFnMut() {
    let (key, body) = (key("bench-swap"), body());
    let mut expected: Option<Version> = None;
    async move || {
        let swap = redis.swap(&key, expected, WriteId::random(), &body, DAY).await;
        expected = match swap.expect("expected Redis") {
            Swap::Applied(version) => Some(version),
            Swap::Conflict(there) if expected.is_none() => there.map(|there| there.version),
            Swap::Conflict(there) => panic!("expected to be alone, got {there:?}"),
        };
    }
}

/// The limit of a record's length that the script is given.
const LIMIT: usize = 1_000_000;

fn bare_swap(mut redis: MultiplexedConnection) -> impl AsyncFnMut() {
    let script = Rc::new(Script::new(include_str!("../../backend-redis/src/record.lua")));
    let mut expected = String::new();
    async move || {
        let id = WriteId::random().to_string();
        let mut swap = script.key("funcify:circuit:bench-bare-swap");
        swap.arg(LIMIT).arg(&expected).arg(&id).arg(DAY.as_millis().to_string()).arg(RECORD);
        let answer: redis::Value = swap.invoke_async(&mut redis).await.expect("expected Redis");
        expected = match answer {
            redis::Value::Int(1) => id,
            redis::Value::Array(there) if expected.is_empty() => {
                redis::from_redis_value(there.into_iter().next().expect("expected an id"))
                    .expect("expected an id")
            }
            other => panic!("expected to be alone, got {other:?}"),
        };
    }
}

/// The claim and the answer of a key that nobody has used.
fn first_call(redis: RedisBackend) -> impl AsyncFnMut() {
    let store = Arc::new(RetryingRegister::new(redis));
    let once = Idempotency::new("bench", store).expect("expected a store for idempotency");
    let (run, mut number) = (WriteId::random().to_string(), 0_u32);
    async move || {
        number += 1;
        let key = (&run, number);
        let call = once.run(&key, &"payload", async |_| Ok::<_, io::Error>(number));
        assert_eq!(call.await.expect("expected Redis"), number);
    }
}

const CLAIMED: &str = r#"{"status":"in_progress","fingerprint":"0123456789abcdef0123456789abcdef","attempt":1,"fence":1700000000000,"since":1700000000000,"until":1700000900000}"#;

const COMPLETED: &str = r#"{"status":"completed","fingerprint":"0123456789abcdef0123456789abcdef","attempt":1,"fence":1700000000000,"since":1700000000000,"until":1700086400000,"answer":"{\"Ok\":1}"}"#;

fn two_bare_swaps(mut redis: MultiplexedConnection) -> impl AsyncFnMut() {
    let script = Rc::new(Script::new(include_str!("../../backend-redis/src/record.lua")));
    let (run, mut number) = (WriteId::random().to_string(), 0_u32);
    async move || {
        number += 1;
        let key = format!("funcify:idempotency:bench-bare.{run}.{number}");
        let mut expected = String::new();
        for record in [CLAIMED, COMPLETED] {
            let id = WriteId::random().to_string();
            let mut swap = script.key(&key);
            swap.arg(LIMIT).arg(&expected).arg(&id).arg(DAY.as_millis().to_string()).arg(record);
            let answer: i64 = swap.invoke_async(&mut redis).await.expect("expected Redis");
            assert_eq!(answer, 1);
            expected = id;
        }
    }
}
