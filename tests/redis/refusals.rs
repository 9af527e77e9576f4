//! f17 and f18: a refusal is never ambiguous, and a foreign or deleted key blocks nobody.

use funcify_core::StoreErrorKind::{self, Denied, Unavailable};
use funcify_core::circuit::CircuitRecord;
use funcify_core::register::{Register, RetryingRegister, Swap, WriteId};

use super::server::Scripted;
use super::{HOUR, attempt, body, circuit, n_of, register, write};
use crate::support::proxy;
use crate::support::redis::OwnRedis;

#[tokio::test]
async fn f17_a_script_that_the_server_has_flushed_is_sent_again() {
    let redis = OwnRedis::start().await;
    let (register, key) = (register(&redis.url()), circuit("noscript"));

    let mut version = None;
    for n in 0..50 {
        redis.command(&["SCRIPT", "FLUSH"]).await.unwrap();
        version = Some(write(&register, &key, version, n).await);
    }

    assert_eq!(n_of(&register.read(&key).await.unwrap().unwrap()), 49);
}

#[tokio::test]
async fn f17_a_refusal_is_never_ambiguous() {
    let refusals: [(&str, StoreErrorKind); 12] = [
        ("READONLY You can't write against a read only replica.", Unavailable),
        ("LOADING Redis is loading the dataset in memory", Unavailable),
        ("MOVED 1 127.0.0.1:1", Unavailable),
        ("ASK 1 127.0.0.1:1", Unavailable),
        ("TRYAGAIN Multiple keys request during rehashing of slot", Unavailable),
        ("CLUSTERDOWN Hash slot not served", Unavailable),
        ("MASTERDOWN Link with MASTER is down", Unavailable),
        ("OOM command not allowed when used memory > 'maxmemory'.", Unavailable),
        ("BUSY Redis is busy running a script.", Unavailable),
        ("NOSCRIPT No matching script.", Unavailable),
        ("NOAUTH Authentication required.", Denied),
        ("NOPERM this user has no permissions to run the 'evalsha' command", Denied),
    ];
    for (refusal, kind) in refusals {
        let server = Scripted::start(move |_, _| format!("-{refusal}")).await;
        let register = register(&format!("redis://{}", server.address));
        let key = circuit("refused");

        assert_eq!(attempt(&register, &key, None, 1).await, Err(kind), "{refusal}");
        assert_eq!(register.read(&key).await.unwrap_err().kind(), kind, "{refusal}");
    }
}

#[tokio::test]
async fn f17_a_replica_refuses_a_write_and_accepts_it_once_it_is_promoted() {
    let master = OwnRedis::start().await;
    let port = master.address().port().to_string();
    let replica = OwnRedis::start_with(&["--replicaof", "127.0.0.1", &port]).await;
    let (register, key) = (register(&replica.url()), circuit("promoted"));
    assert_eq!(attempt(&register, &key, None, 1).await, Err(Unavailable));

    let store = RetryingRegister::new(register);
    let (next, promoted) = (CircuitRecord::default(), async {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        replica.command(&["REPLICAOF", "NO", "ONE"]).await.unwrap()
    });
    let swap = store.swap_record(&key.name, None, WriteId::random(), &next);
    let (swap, promoted) = tokio::join!(swap, promoted);

    assert_eq!(promoted, "+OK");
    assert!(matches!(swap, Ok(Swap::Applied(_))), "{swap:?}");
}

#[tokio::test]
async fn f17_without_memory_nothing_is_written_and_the_record_stays() {
    let redis = OwnRedis::start().await;
    let (register, key, absent) = (register(&redis.url()), circuit("full"), circuit("absent"));
    let version = write(&register, &key, None, 1).await;
    redis.command(&["CONFIG", "SET", "maxmemory", "1"]).await.unwrap();

    assert_eq!(attempt(&register, &key, Some(version), 2).await, Err(Unavailable));
    assert_eq!(attempt(&register, &absent, None, 1).await, Err(Unavailable));

    assert_eq!(register.read(&key).await.unwrap().unwrap().version, version);
    assert!(register.read(&absent).await.unwrap().is_none());
    redis.command(&["CONFIG", "SET", "maxmemory", "0"]).await.unwrap();
    write(&register, &key, Some(version), 2).await;
}

#[tokio::test]
async fn f18_after_an_eviction_a_flush_or_a_deletion_no_old_version_is_valid() {
    let redis = OwnRedis::start().await;
    let (register, key) = (register(&redis.url()), circuit("gone"));
    let place = format!("funcify:{key}");

    for command in [vec!["FLUSHALL"], vec!["DEL", &place], vec!["PEXPIRE", &place, "0"]] {
        let version = write(&register, &key, None, 1).await;
        redis.command(&command).await.unwrap();

        assert_eq!(attempt(&register, &key, Some(version), 2).await, Ok(Swap::Conflict(None)));
        let next = write(&register, &key, None, 3).await;
        assert_ne!(next, version);
        redis.command(&["FLUSHALL"]).await.unwrap();
    }
}

#[tokio::test]
async fn f18_a_key_of_another_type_reads_as_absent_and_is_replaced() {
    let redis = OwnRedis::start().await;
    let (register, key) = (register(&redis.url()), circuit("foreign"));
    let place = format!("funcify:{key}");
    let kinds = [
        vec!["SET", &place, "text"],
        vec!["RPUSH", &place, "a"],
        vec!["SADD", &place, "a"],
        vec!["ZADD", &place, "1", "a"],
        vec!["XADD", &place, "*", "id", "a"],
        vec!["HSET", &place, "other", "field"],
        vec!["HSET", &place, "id", "not-a-write-id", "rec", "{}", "extra", "1"],
    ];
    for kind in kinds {
        redis.command(&["FLUSHALL"]).await.unwrap();
        redis.command(&kind).await.unwrap();
        assert!(register.read(&key).await.unwrap().is_none(), "{kind:?}");
        let stale = Some(funcify_core::register::Version::from(WriteId::random()));
        assert_eq!(attempt(&register, &key, stale, 1).await, Ok(Swap::Conflict(None)), "{kind:?}");

        let version = write(&register, &key, None, 2).await;

        assert_eq!(register.read(&key).await.unwrap().unwrap().version, version);
        assert_eq!(redis.command(&["HLEN", &place]).await.unwrap(), ":3", "{kind:?}");
    }
}

#[tokio::test]
async fn each_write_sets_the_expiry_of_its_record() {
    let redis = OwnRedis::start().await;
    let (register, key) = (register(&redis.url()), circuit("kept"));
    let left = async || {
        let left = redis.command(&["PTTL", &format!("funcify:{key}")]).await.unwrap();
        left.trim_start_matches(':').parse::<u64>().unwrap()
    };
    let swap = async |expected, keep| match register
        .swap(&key, expected, WriteId::random(), &body(1), keep)
        .await
        .unwrap()
    {
        Swap::Applied(version) => version,
        Swap::Conflict(found) => panic!("{found:?}"),
    };

    let version = swap(None, HOUR).await;
    assert!((3_590_000..=3_600_000).contains(&left().await));
    let version = swap(Some(version), HOUR * 2).await;
    assert!((7_190_000..=7_200_000).contains(&left().await));
    swap(Some(version), std::time::Duration::ZERO).await;
    assert!((1..=1_000).contains(&left().await), "not deleted at once");
}

#[tokio::test]
async fn a_swap_a_conflict_and_a_read_are_one_round_trip_each_on_one_connection() {
    let redis = OwnRedis::start().await;
    let proxy = proxy::FaultProxy::start(redis.address()).await;
    let (register, key) = (register(&format!("redis://{}", proxy.address())), circuit("one"));
    let version = write(&register, &key, None, 1).await;
    redis.command(&["CONFIG", "RESETSTAT"]).await.unwrap();

    write(&register, &key, Some(version), 2).await;
    attempt(&register, &key, Some(version), 3).await.unwrap();
    register.read(&key).await.unwrap();

    let stats = redis.command(&["INFO", "commandstats"]).await.unwrap();
    assert!(stats.contains("cmdstat_evalsha:calls=3,"), "one round trip each: {stats}");
    assert!(!stats.contains("cmdstat_eval:"), "{stats}");
    assert_eq!(proxy.connections(), 1);
}
