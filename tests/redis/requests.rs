//! How many commands an operation takes. What a command costs beside the bare client's is in `benches/`.

use funcify_core::register::Register;

use super::{circuit, register, write};
use crate::support::redis::OwnRedis;

#[tokio::test]
async fn a_read_and_a_swap_are_one_script_each() {
    let redis = OwnRedis::start().await;
    let (register, key) = (register(&redis.url()), circuit("requests"));
    let mut version = write(&register, &key, None, 0).await;

    redis.command(&["CONFIG", "RESETSTAT"]).await.unwrap();
    for _ in 0..20 {
        register.read(&key).await.unwrap();
    }
    assert_eq!(sent(&redis).await, [("evalsha".to_owned(), 20)]);

    redis.command(&["CONFIG", "RESETSTAT"]).await.unwrap();
    for n in 1..=20 {
        version = write(&register, &key, Some(version), n).await;
    }
    assert_eq!(sent(&redis).await, [("evalsha".to_owned(), 20)]);
}

/// The commands that came, but for what the test itself asks. The script's own commands do not travel.
async fn sent(redis: &OwnRedis) -> Vec<(String, u64)> {
    let stats = redis.command(&["INFO", "commandstats"]).await.unwrap();
    let lines =
        stats.lines().filter_map(|line| line.strip_prefix("cmdstat_")?.split_once(":calls="));
    let counts = lines.map(|(name, counts)| {
        (name.to_owned(), counts.split(',').next().unwrap().parse().unwrap())
    });
    let own = ["config|resetstat", "info", "hstrlen", "hmget", "hset", "pexpire"];
    counts.filter(|(name, _)| !own.contains(&name.as_str())).collect()
}
