use std::time::Duration;

use tokio::time::timeout;

use crate::support::proxy::{FaultProxy, Mode};
use crate::support::redis::{OwnRedis, command};

#[tokio::test]
async fn a_restarted_redis_is_empty_and_on_the_same_port() {
    let mut redis = OwnRedis::start().await;
    redis.command(&["SET", "key", "value"]).await.unwrap();
    assert_eq!(redis.command(&["GET", "key"]).await.unwrap(), "value");
    let url = redis.url();

    redis.restart().await;

    assert_eq!(redis.url(), url);
    assert_eq!(redis.command(&["GET", "key"]).await.unwrap(), "$-1");
}

#[tokio::test]
async fn a_killed_redis_refuses_connections() {
    let mut redis = OwnRedis::start_with(&["--maxmemory", "2mb"]).await;

    redis.kill();

    let error = redis.command(&["PING"]).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn a_paused_redis_answers_once_it_is_resumed() {
    let redis = OwnRedis::start().await;

    redis.pause();
    assert!(timeout(Duration::from_millis(200), redis.command(&["PING"])).await.is_err());

    redis.resume();
    assert_eq!(redis.command(&["PING"]).await.unwrap(), "+PONG");
}

#[tokio::test]
async fn a_write_whose_response_is_cut_has_been_applied() {
    let redis = OwnRedis::start().await;
    let proxy = FaultProxy::start(redis.address()).await;
    proxy.once(Mode::CutResponse).await;

    command(proxy.address(), &["SET", "key", "value"]).await.unwrap_err();

    assert_eq!(command(proxy.address(), &["GET", "key"]).await.unwrap(), "value");
    assert_eq!(proxy.faults(), 1);
}
