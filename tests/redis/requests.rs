//! How many commands an operation takes. What a command costs beside the bare client's is in `benches/`.

use funcify_core::register::Register;

use super::{circuit, register, write};
use crate::support::redis::OwnRedis;

#[tokio::test]
async fn a_first_read_and_a_swap_are_one_script_each_and_another_read_is_one_command() {
    let redis = OwnRedis::start().await;
    let (register, key) = (register(&redis.url()), circuit("requests"));
    let mut version = write(&register, &key, None, 0).await;

    redis.command(&["CONFIG", "RESETSTAT"]).await.unwrap();
    for _ in 0..20 {
        register.read(&key).await.unwrap();
    }
    // The script's own commands do not travel, but they are counted.
    assert_eq!(calls(&redis).await, (1, 20));

    redis.command(&["CONFIG", "RESETSTAT"]).await.unwrap();
    for n in 1..=20 {
        version = write(&register, &key, Some(version), n).await;
    }
    assert_eq!(calls(&redis).await, (20, 20));
}

/// How often the script ran, and how often the record was read, by the script or without it.
async fn calls(redis: &OwnRedis) -> (u64, u64) {
    let stats = redis.command(&["INFO", "commandstats"]).await.unwrap();
    assert!(!stats.contains("cmdstat_eval:"), "{stats}");
    let calls = |command: &str| {
        let (_, counts) = stats.split_once(&format!("cmdstat_{command}:calls=")).unwrap();
        counts.split(',').next().unwrap().parse().unwrap()
    };
    (calls("evalsha"), calls("hmget"))
}
