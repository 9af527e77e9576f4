//! What grows in a store: the bytes of a record.

use std::time::Duration;

use funcify_backend_redis::{RedisBackend, RedisConfig};
use funcify_core::{
    idempotency::IdempotencyRecord,
    register::{Body, RecordKey, Register, Swap, WriteId},
};
use redis::aio::MultiplexedConnection;

use funcify_benches::case::Bench;

use crate::point::Point;

const HOUR: Duration = Duration::from_secs(3_600);

pub(crate) fn points(bench: &Bench, url: &str) -> Vec<Point> {
    let mut points = Vec::new();
    for bytes in [100, 1_000, 10_000, 100_000] {
        let curve = "a read in Redis, by bytes of the record";
        let key = written(bench, url, bytes);
        let (ours, theirs) = (backend(url), connection(bench, url));
        let ours = Point::new(curve, bytes as u64, bench.subject(read(ours, key)));
        let theirs = Point::new(curve, bytes as u64, bench.subject(bare_read(theirs, bytes)));
        points.extend([ours.by_median(), theirs.of("bare client").by_median()]);
    }
    points
}

fn backend(url: &str) -> RedisBackend {
    let config = RedisConfig::parse(url).expect("expected the URL of a Redis");
    RedisBackend::new(config).expect("expected a backend")
}

fn connection(bench: &Bench, url: &str) -> MultiplexedConnection {
    let client = redis::Client::open(url).expect("expected the URL of a Redis");
    bench.block_on(client.get_multiplexed_async_connection()).expect("expected a connection")
}

/// A record of the body's length, and its key.
fn written(bench: &Bench, url: &str, bytes: usize) -> RecordKey {
    let name = format!("bench-{bytes}").parse().expect("expected a name");
    let key = RecordKey::of::<IdempotencyRecord>(name);
    let body = format!("{{\"answer\":\"{}\"}}", "x".repeat(bytes));
    let body = body.parse::<Body>().expect("expected a record");
    let redis = backend(url);
    bench.block_on(async {
        let there = redis.read(&key).await.expect("expected Redis").map(|there| there.version);
        let swap = redis.swap(&key, there, WriteId::random(), &body, HOUR).await;
        assert!(matches!(swap, Ok(Swap::Applied(_))), "{swap:?}");
    });
    key
}

fn read(redis: RedisBackend, key: RecordKey) -> impl AsyncFnMut() {
    async move || {
        let read = redis.read(&key).await;
        assert!(matches!(read, Ok(Some(there)) if there.corruption.is_none()));
    }
}

fn bare_read(mut redis: MultiplexedConnection, bytes: usize) -> impl AsyncFnMut() {
    async move || {
        let mut command = redis::cmd("HGETALL");
        command.arg(format!("funcify:idempotency:bench-{bytes}"));
        let read: Vec<(String, String)> = command.query_async(&mut redis).await.expect("a hash");
        assert_eq!(read.len(), 3);
    }
}
