//! A cluster: the backend follows its redirections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use funcify_core::StoreErrorKind::{Denied, Unavailable};
use funcify_core::register::Register;

use super::server::Scripted;
use super::{attempt, circuit, n_of, register, write};
use crate::support::proxy::FaultProxy;
use crate::support::{env, redis};

/// The nodes of the cluster of the tests; none if it is the user's own, with names or a password.
fn nodes() -> Vec<SocketAddr> {
    let url = env::redis_cluster();
    let nodes = url.split_once("://").unwrap().1;
    nodes.split(',').map_while(|node| node.parse().ok()).collect()
}

#[tokio::test]
async fn a_record_of_any_slot_is_found_from_any_node() {
    let register = register(&env::redis_cluster());
    for n in 0..30 {
        let key = circuit("slot");
        let version = write(&register, &key, None, n).await;
        write(&register, &key, Some(version), n + 100).await;
        for node in nodes() {
            let other = super::register(&format!("redis-cluster://{node}"));
            assert_eq!(n_of(&other.read(&key).await.unwrap().unwrap()), n + 100);
        }
    }
}

#[tokio::test]
#[cfg_attr(own_redis_cluster, ignore = "the Redis Cluster is your own")]
async fn a_node_that_redirects_is_used_once_a_key_over_one_connection() {
    let node = nodes()[0];
    let proxy = FaultProxy::start(node).await;
    let register = register(&format!("redis-cluster://{}", proxy.address()));
    let keys: Vec<_> = (0..20).map(|_| circuit("redirected")).collect();
    for key in &keys {
        register.read(key).await.unwrap();
    }
    let asked = proxy.request_bytes();

    let mut redirected = 0;
    for key in &keys {
        let before = proxy.request_bytes();
        register.read(key).await.unwrap();
        redirected += usize::from(proxy.request_bytes() == before);
    }

    assert_eq!(proxy.connections(), 1);
    assert!(asked > 0 && redirected > 5, "{redirected} of 20 go straight to their owners");
}

#[tokio::test]
#[cfg_attr(own_redis_cluster, ignore = "the Redis Cluster is your own")]
async fn without_cluster_in_the_url_a_redirection_is_a_refusal() {
    for node in nodes() {
        let register = register(&format!("redis://{node}"));
        let mut refused = 0;
        for _ in 0..20 {
            match attempt(&register, &circuit("single"), None, 1).await {
                Ok(_) => {}
                Err(Unavailable) => refused += 1,
                Err(kind) => panic!("{kind:?}"),
            }
        }
        assert!(refused > 0);
    }
}

#[tokio::test]
#[cfg_attr(own_redis_cluster, ignore = "the Redis Cluster is your own, and this test moves a slot")]
async fn a_record_is_found_while_its_slot_is_moved() {
    let (from, to) = (nodes()[0], nodes()[1]);
    let ask = async |node, words: &[&str]| redis::command(node, words).await.unwrap();
    let (from_id, to_id) =
        (ask(from, &["CLUSTER", "MYID"]).await, ask(to, &["CLUSTER", "MYID"]).await);
    let (key, slot) = loop {
        let key = circuit("moving");
        let slot = ask(from, &["CLUSTER", "KEYSLOT", &format!("funcify:{key}")]).await;
        if ask(from, &["EXISTS", &format!("funcify:{key}")]).await == ":0" {
            break (key, slot.trim_start_matches(':').to_owned());
        }
    };
    ask(to, &["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from_id]).await;
    ask(from, &["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to_id]).await;

    let register = register(&env::redis_cluster());
    let version = write(&register, &key, None, 1).await;
    let version = write(&register, &key, Some(version), 2).await;
    assert_eq!(n_of(&register.read(&key).await.unwrap().unwrap()), 2);
    for node in nodes() {
        ask(node, &["CLUSTER", "SETSLOT", &slot, "NODE", &to_id]).await;
    }
    write(&register, &key, Some(version), 3).await;
    assert_eq!(n_of(&register.read(&key).await.unwrap().unwrap()), 3);
}

#[tokio::test]
async fn redirections_in_a_circle_stop_after_five() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let server = Scripted::start(move |words, address| {
        // The name of the connection goes nowhere else.
        count.fetch_add(usize::from(words[0] != "CLIENT"), Ordering::SeqCst);
        format!("-MOVED 1 :{}", address.port())
    })
    .await;
    let register = register(&format!("redis-cluster://{}", server.address));

    assert_eq!(attempt(&register, &circuit("circle"), None, 1).await, Err(Unavailable));
    assert_eq!(asked.load(Ordering::SeqCst), 6, "the first node and five redirections");
}

#[tokio::test]
async fn a_redirection_does_not_send_the_password_to_another_machine_without_tls() {
    let server = Scripted::start(|words, _| match words[0].as_str() {
        "AUTH" => "+OK".to_owned(),
        _ => "-MOVED 1 192.0.2.1:6379".to_owned(),
    })
    .await;
    let register = register(&format!("redis-cluster://:canary@{}", server.address));

    let error = register.read(&circuit("exposed")).await.unwrap_err();

    assert_eq!(error.kind(), Denied);
    assert!(format!("{error:?}").contains("192.0.2.1"), "{error:?}");
}

#[tokio::test]
#[cfg_attr(own_redis_cluster, ignore = "the Redis Cluster is your own")]
async fn if_the_first_node_is_down_the_next_one_is_used() {
    let node = nodes()[0];
    let down = redis::OwnRedis::start().await;
    let register = register(&format!("redis-cluster://{},{node}", down.address()));
    drop(down);
    let key = circuit("down");

    assert_eq!(attempt(&register, &key, None, 1).await, Err(Unavailable));
    write(&register, &key, None, 1).await;
}

#[tokio::test]
async fn a_first_node_that_never_responds_is_skipped_after_a_caller_gave_up() {
    // Its port is open, so the TLS handshake never ends.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let first = format!("@{},", silent.local_addr().unwrap());
    let url =
        env::redis_tls().replacen("rediss://", "rediss-cluster://", 1).replacen('@', &first, 1);
    let (register, key) = (register(&format!("{url}&prefix=funcify-test")), circuit("silent"));

    let given_up = tokio::time::timeout(Duration::from_millis(100), register.read(&key)).await;
    assert!(given_up.is_err());

    write(&register, &key, None, 1).await;
    write(&register, &circuit("silent"), None, 1).await;
}
