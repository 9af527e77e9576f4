//! Passwords, users of few permissions, TLS.

use funcify_core::StoreErrorKind::{self, Denied, Unavailable};
use funcify_core::register::Register;

use super::{attempt, circuit, n_of, register, write};
use crate::support::env;
use crate::support::redis::OwnRedis;

const ACL: &str = include_str!("../../deploy/redis.acl");

/// Creates the user of `deploy/redis.acl` for the prefix `funcify`, without the permissions in `missing`.
async fn with_user(redis: &OwnRedis, missing: &[&str]) {
    let acl = ACL.replace("PREFIX", "funcify");
    let words = acl.split_whitespace().skip(2).filter(|word| !missing.contains(word));
    let command: Vec<_> = ["ACL", "SETUSER", "funcify", "reset"].into_iter().chain(words).collect();
    assert_eq!(redis.command(&command).await.unwrap(), "+OK");
}

#[tokio::test]
async fn the_user_in_redis_acl_can_read_and_swap_and_nothing_else() {
    let redis = OwnRedis::start().await;
    with_user(&redis, &[]).await;
    let url = |prefix| format!("redis://funcify:PASSWORD@{}?prefix={prefix}", redis.address());
    let (ours, key) = (register(&url("funcify")), circuit("shipped"));
    redis.command(&["SET", &format!("funcify:{key}"), "foreign"]).await.unwrap();

    let version = write(&ours, &key, None, 1).await;
    write(&ours, &key, Some(version), 2).await;
    assert_eq!(n_of(&ours.read(&key).await.unwrap().unwrap()), 2);

    let theirs = register(&url("another"));
    assert_eq!(attempt(&theirs, &key, None, 1).await, Err(Denied));
    assert_eq!(theirs.read(&key).await.unwrap_err().kind(), Denied);
}

#[tokio::test]
async fn without_any_one_permission_a_swap_is_denied_and_nothing_is_written() {
    let redis = OwnRedis::start().await;
    let (admin, key, fresh) = (register(&redis.url()), circuit("denied"), circuit("fresh"));
    let version = write(&admin, &key, None, 1).await;

    for permission in ["+evalsha", "+hstrlen", "+hmget", "+hset", "+pexpire", "+del"] {
        with_user(&redis, &[permission]).await;
        let register = register(&format!("redis://funcify:PASSWORD@{}", redis.address()));

        // Only what is not a record is deleted.
        if permission != "+del" {
            assert_eq!(
                attempt(&register, &key, Some(version), 2).await,
                Err(Denied),
                "{permission}"
            );
            assert_eq!(admin.read(&key).await.unwrap().unwrap().version, version, "{permission}");
        }
        assert_eq!(attempt(&register, &fresh, None, 1).await, Err(Denied), "{permission}");
        assert!(admin.read(&fresh).await.unwrap().is_none(), "{permission}");
    }
}

#[tokio::test]
async fn a_wrong_password_is_denied_and_not_shown() {
    let redis = OwnRedis::start().await;
    with_user(&redis, &[]).await;
    for (url, kind) in [
        (format!("redis://funcify:canary@{}", redis.address()), Denied),
        (format!("redis://nobody:canary@{}", redis.address()), Denied),
        (format!("redis://:canary@{}", redis.address()), Denied),
        (format!("redis://{}/99", redis.address()), StoreErrorKind::Invalid),
    ] {
        let register = register(&url);
        let error = register.read(&circuit("denied")).await.unwrap_err();
        let shown = format!("{error:?} {error} {register:?}");
        assert_eq!(error.kind(), kind, "{shown}");
        assert!(!shown.contains("canary"), "{shown}");
        assert_eq!(attempt(&register, &circuit("denied"), None, 1).await, Err(kind));
    }
}

#[tokio::test]
async fn databases_do_not_share_records() {
    let redis = OwnRedis::start().await;
    let key = circuit("database");
    let (zero, three) = (register(&redis.url()), register(&format!("{}/3", redis.url())));

    write(&three, &key, None, 1).await;

    assert!(zero.read(&key).await.unwrap().is_none());
    assert!(three.read(&key).await.unwrap().is_some());
}

#[tokio::test]
async fn a_cluster_with_one_endpoint_and_no_redirections_works() {
    // Like ElastiCache Serverless: TLS, cluster mode, one name.
    let url = env::redis_tls().replacen("rediss://", "rediss-cluster://", 1);
    let (register, key) = (register(&format!("{url}&prefix=funcify-test")), circuit("endpoint"));

    let version = write(&register, &key, None, 1).await;
    write(&register, &key, Some(version), 2).await;
}

#[tokio::test]
#[cfg_attr(own_redis_tls, ignore = "the Redis with TLS is your own, and its URL has no ca=PATH")]
async fn a_server_with_an_untrusted_certificate_gets_no_command() {
    let tls = env::redis_tls();
    let (url, _) = tls.split_once("?ca=").unwrap();
    let register = register(&format!("{url}?prefix=funcify-test"));

    assert_eq!(attempt(&register, &circuit("tls"), None, 1).await, Err(Unavailable));
    let error = register.read(&circuit("tls")).await.unwrap_err();
    assert!(format!("{error:?}").contains("Certificate"), "{error:?}");
}
