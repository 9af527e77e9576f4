//! A record that is larger than any of ours is not parsed and is replaced. It is transferred once to a process at most.

use std::time::Duration;

use funcify_backend_redis::{RedisBackend, RedisConfig};
use funcify_core::StoreErrorKind;
use funcify_core::register::{Corruption, Register, Swap, Version, WriteId};

use super::{HOUR, body, circuit, n_of, write};
use crate::support::redis::OwnRedis;

const LARGE: usize = 10_000_000;

/// With time for a server that is busy with its megabytes.
fn register(url: &str) -> RedisBackend {
    let config = RedisConfig::parse(url).unwrap();
    RedisBackend::new(config.with_timeout(Duration::from_secs(5))).unwrap()
}

/// The bytes that the server has sent so far.
async fn sent(redis: &OwnRedis) -> usize {
    let stats = redis.command(&["INFO", "stats"]).await.unwrap();
    let line = stats.lines().find_map(|line| line.strip_prefix("total_net_output_bytes:"));
    line.unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_record_of_10_mb_is_corrupt_and_is_not_transferred_and_is_replaced() {
    let redis = OwnRedis::start().await;
    let (register, key) = (register(&redis.url()), circuit("large"));
    write(&register, &circuit("warm"), None, 1).await;
    let (name, id) = (format!("funcify:{key}"), WriteId::random());
    let large = format!(r#"{{"failures":["{}"]}}"#, "x".repeat(LARGE));
    redis.command(&["HSET", &name, "id", &id.to_string(), "rec", &large]).await.unwrap();

    let before = sent(&redis).await;
    let read = register.read(&key).await.unwrap().unwrap();
    assert_eq!((read.version, read.corruption), (Version::from(id), Some(Corruption::TooLarge)));
    assert!(read.value.as_ref().is_empty());
    let conflict = register.swap(&key, None, WriteId::random(), &body(1), HOUR).await.unwrap();
    assert_eq!(conflict, Swap::Conflict(Some(read)));
    let version = write(&register, &key, Some(Version::from(id)), 2).await;
    let transferred = sent(&redis).await - before;
    println!("a record of {LARGE} bytes: {transferred} bytes were sent for a read and two swaps");
    assert!(transferred < 50_000, "{transferred}");
    let read = register.read(&key).await.unwrap().unwrap();
    assert_eq!((n_of(&read), read.version), (2, version));

    // The mutant: a read by the name of the field.
    redis.command(&["HSET", &name, "rec", &large]).await.unwrap();
    let before = sent(&redis).await;
    redis.command(&["HGET", &name, "rec"]).await.unwrap();
    assert!(sent(&redis).await - before > LARGE, "a read of the field must be noticed");
}

#[tokio::test]
async fn a_record_that_has_become_large_is_transferred_once_at_most() {
    let redis = OwnRedis::start().await;
    let (register, key) = (register(&redis.url()), circuit("grown"));
    write(&register, &key, None, 1).await;
    assert_eq!(n_of(&register.read(&key).await.unwrap().unwrap()), 1);
    let name = format!("funcify:{key}");
    redis.command(&["HSET", &name, "rec", &"x".repeat(LARGE)]).await.unwrap();

    let before = sent(&redis).await;
    for reads in 1..=5 {
        let read = register.read(&key).await.unwrap().unwrap();
        assert_eq!(read.corruption, Some(Corruption::TooLarge));
        let transferred = sent(&redis).await - before;
        assert!(transferred < LARGE + 50_000, "{reads} reads: {transferred}");
    }
    // A foreign value is read by the script too, whatever its size.
    redis.command(&["HSET", &name, "rec", "{}", "id", &"0".repeat(32)]).await.unwrap();
    register.read(&key).await.unwrap().unwrap();
    redis.command(&["HSET", &name, "rec", &"x".repeat(LARGE), "id", "foreign"]).await.unwrap();
    let before = sent(&redis).await;
    for _ in 1..=5 {
        assert_eq!(register.read(&key).await.unwrap(), None);
    }
    let transferred = sent(&redis).await - before;
    assert!(transferred < LARGE + 50_000, "{transferred}");
}

#[tokio::test]
async fn a_write_id_of_10_mb_is_foreign_and_not_transferred() {
    let redis = OwnRedis::start().await;
    let (register, key) = (register(&redis.url()), circuit("large"));
    write(&register, &circuit("warm"), None, 1).await;
    let name = format!("funcify:{key}");
    redis.command(&["HSET", &name, "id", &"0".repeat(LARGE), "rec", "{}"]).await.unwrap();
    let before = sent(&redis).await;
    assert_eq!(register.read(&key).await.unwrap(), None);
    write(&register, &key, None, 1).await;
    assert!(sent(&redis).await - before < 50_000);
}

#[tokio::test]
async fn a_record_of_exactly_the_limit_is_written_and_read() {
    let redis = OwnRedis::start().await;
    let (register, key) = (register(&redis.url()), circuit("limit"));
    let text = |bytes: usize| format!(r#"{{"n":1,"a":"{}"}}"#, "x".repeat(bytes - 14));
    let largest = text(400 * 1024).parse::<funcify_core::register::Body>().unwrap();
    let id = WriteId::random();
    let swap = register.swap(&key, None, id, &largest, HOUR).await.unwrap();
    assert_eq!(swap, Swap::Applied(Version::from(id)));
    let read = register.read(&key).await.unwrap().unwrap();
    assert_eq!((read.corruption, &read.value), (None, &largest));

    let mut members = serde_json::Map::from(largest);
    members.insert("b".to_owned(), 1.into());
    let body = members.into();
    let error = register.swap(&key, Some(read.version), WriteId::random(), &body, HOUR);
    assert_eq!(error.await.unwrap_err().kind(), StoreErrorKind::Invalid);
}
