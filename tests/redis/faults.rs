//! f01, f02, f06, f07, f08, f10, f15, f16: a connection that breaks; a server that dies, loses data or
//! fails over.

use std::time::Duration;

use funcify_backend_redis::RedisBackend;
use funcify_core::StoreErrorKind::{Ambiguous, Timeout, Unavailable};
use funcify_core::circuit::CircuitRecord;
use funcify_core::register::{RecordKey, Register, RetryingRegister, Swap, WriteId};
use funcify_test_support::on_virtual_time;
use tokio::time::sleep;

use super::{HOUR, attempt, body, circuit, n_of, register, write};
use crate::support::proxy::{FaultProxy, Mode};
use crate::support::redis::OwnRedis;

/// A server, a proxy in front of it, and a backend that connects through the proxy.
async fn behind_a_proxy() -> (OwnRedis, FaultProxy, RedisBackend) {
    let redis = OwnRedis::start().await;
    let proxy = FaultProxy::start(redis.address()).await;
    let register = register(&format!("redis://{}", proxy.address()));
    (redis, proxy, register)
}

/// A write as the circuit breaker does it: with retries until the deadline.
async fn update(
    store: &RetryingRegister,
    key: &RecordKey,
) -> Result<bool, funcify_core::StoreError> {
    let found = store.read_record::<CircuitRecord>(&key.name).await?;
    let expected = found.map(|found| found.version);
    let mut next = CircuitRecord::default();
    next.epoch = 1;
    let swap = store.swap_record(&key.name, expected, WriteId::random(), &next).await?;
    Ok(matches!(swap, Swap::Applied(_)))
}

#[tokio::test]
async fn f01_a_swap_whose_response_was_lost_is_ambiguous_and_applied_when_it_is_sent_again() {
    let (_redis, proxy, register) = behind_a_proxy().await;
    let key = circuit("answer");
    let version = write(&register, &key, None, 1).await;
    let (id, next) = (WriteId::random(), body(2));
    let send = || register.swap(&key, Some(version), id, &next, HOUR);

    proxy.once(Mode::CutResponse).await;
    assert_eq!(send().await.unwrap_err().kind(), Ambiguous);

    assert!(matches!(send().await, Ok(Swap::Applied(done)) if WriteId::from(done) == id));
    let found = register.read(&key).await.unwrap().unwrap();
    assert_eq!(WriteId::from(found.version), id);
    assert_eq!(proxy.faults(), 1);
}

#[tokio::test]
async fn f01_f02_a_write_with_retries_survives_a_lost_response_and_a_lost_request() {
    let (_redis, proxy, register) = behind_a_proxy().await;
    let (store, key) = (RetryingRegister::new(register), circuit("engine"));
    assert!(update(&store, &key).await.unwrap());
    for mode in [Mode::CutResponse, Mode::CutRequest, Mode::ResetAfter(3), Mode::HalfClose] {
        proxy.once(mode).await;
        assert!(update(&store, &key).await.unwrap(), "{mode:?}");
    }
    assert_eq!(proxy.faults(), 4);
}

#[tokio::test]
async fn f06_a_server_that_is_down_is_unavailable_at_once_and_never_ambiguous() {
    let (mut redis, key) = (OwnRedis::start().await, circuit("down"));
    let register = register(&redis.url());
    write(&register, &key, None, 1).await;
    redis.kill();
    // The first command may still fail on the dead connection.
    let _ = attempt(&register, &key, None, 1).await;

    let ((), took) = on_virtual_time(async {
        assert_eq!(attempt(&register, &key, None, 1).await, Err(Unavailable));
        assert_eq!(register.read(&key).await.unwrap_err().kind(), Unavailable);
    })
    .await;
    assert_eq!(took, Duration::ZERO, "no timer is waited for");
}

#[tokio::test]
async fn f07_f08_a_server_that_hangs_or_trickles_runs_into_the_time_limit() {
    for mode in [Mode::Hang, Mode::Trickle(1), Mode::Delay(Duration::from_secs(30))] {
        let (_redis, proxy, register) = behind_a_proxy().await;
        let (store, key) = (RetryingRegister::new(register.clone()), circuit("slow"));
        let version = write(&register, &key, None, 1).await;
        proxy.set(mode).await;

        let (read, took) = on_virtual_time(register.read(&key)).await;
        assert_eq!(read.unwrap_err().kind(), Timeout, "{mode:?}");
        assert!(took < Duration::from_millis(300), "{mode:?} {took:?}");
        let (swap, _) = on_virtual_time(attempt(&register, &key, Some(version), 2)).await;
        assert!(matches!(swap, Err(Ambiguous)), "{mode:?} {swap:?}");

        let (first, _) = on_virtual_time(update(&store, &key)).await;
        let (second, took) = on_virtual_time(update(&store, &key)).await;
        assert!(first.is_err() && second.is_err(), "{mode:?}");
        assert!(took < Duration::from_millis(600), "{mode:?} {took:?}");
    }
}

#[tokio::test]
async fn f10_a_connection_closed_during_a_freeze_costs_one_reconnection_and_no_error() {
    for mode in [Mode::Refuse, Mode::HalfClose] {
        let (_redis, proxy, register) = behind_a_proxy().await;
        let key = circuit("thaw");
        let version = write(&register, &key, None, 1).await;
        assert_eq!(proxy.connections(), 1);

        // A frozen process does nothing: its runtime polls no socket.
        let before_the_thaw = async {
            proxy.set(mode).await;
            proxy.set(Mode::Pass).await;
        };
        before_the_thaw.await;
        std::thread::sleep(Duration::from_millis(1_200));

        write(&register, &key, Some(version), 2).await;
        assert_eq!(proxy.connections(), 2, "{mode:?}");
    }
}

#[tokio::test]
async fn f10_a_connection_that_vanished_silently_is_replaced_within_the_operation() {
    let (redis, proxy, register) = behind_a_proxy().await;
    let (store, key) = (RetryingRegister::new(register), circuit("vanished"));
    assert!(update(&store, &key).await.unwrap());
    // The server is paused until the first request has timed out; then a new connection works.
    redis.pause();
    let (updated, ()) = tokio::join!(update(&store, &key), async {
        sleep(Duration::from_millis(230)).await;
        redis.resume();
    });

    assert!(updated.unwrap());
    assert!(proxy.connections() >= 2);
}

#[tokio::test]
async fn f15_after_a_restart_without_data_old_versions_conflict_and_new_writes_are_applied() {
    let mut redis = OwnRedis::start().await;
    let (register, key) = (register(&redis.url()), circuit("empty"));
    let mut old = vec![write(&register, &key, None, 1).await];
    old.push(write(&register, &key, Some(old[0]), 2).await);

    redis.restart().await;
    sleep(Duration::from_millis(20)).await;

    for version in &old {
        assert_eq!(attempt(&register, &key, Some(*version), 3).await, Ok(Swap::Conflict(None)));
    }
    let new = write(&register, &key, None, 4).await;
    for version in &old {
        let swap = attempt(&register, &key, Some(*version), 5).await;
        assert!(matches!(swap, Ok(Swap::Conflict(Some(current))) if current.version == new));
    }
}

#[tokio::test]
async fn f16_after_a_failover_that_loses_a_write_a_swap_on_the_lost_version_conflicts() {
    let mut master = OwnRedis::start().await;
    let port = master.address().port().to_string();
    let replica = OwnRedis::start_with(&["--replicaof", "127.0.0.1", &port]).await;
    let (before, after) = (register(&master.url()), register(&replica.url()));
    let key = circuit("failover");
    let kept = write(&before, &key, None, 1).await;
    until_seen(&after, &key, kept).await;

    // The replica is promoted before the last write of the master arrives, and the master dies.
    replica.command(&["REPLICAOF", "NO", "ONE"]).await.unwrap();
    let lost = write(&before, &key, Some(kept), 2).await;
    master.kill();

    let swap = attempt(&after, &key, Some(lost), 3).await;
    assert!(matches!(swap, Ok(Swap::Conflict(Some(current))) if current.version == kept));
    write(&after, &key, Some(kept), 4).await;
    assert_eq!(n_of(&after.read(&key).await.unwrap().unwrap()), 4);
    let swap = attempt(&after, &key, Some(lost), 5).await;
    assert!(matches!(swap, Ok(Swap::Conflict(Some(_)))), "still a conflict later: {swap:?}");
}

async fn until_seen(
    register: &RedisBackend,
    key: &RecordKey,
    version: funcify_core::register::Version,
) {
    for _ in 0..500 {
        let found = register.read(key).await.ok().flatten();
        if found.is_some_and(|found| found.version == version) {
            return;
        }
        sleep(Duration::from_millis(20)).await;
    }
    panic!("the replica did not get the record within 10 s");
}
