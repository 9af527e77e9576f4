//! Many writers at once: no write is lost.

use std::sync::Arc;
use std::time::Duration;

use funcify_core::engine::Chance;
use funcify_core::register::{Register, Swap};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::support::attempt::{attempt, circuit, n_of, write};
use crate::support::{aws, env};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn increments_by_8_tasks_are_exact() {
    let (register, key) = (Arc::new(aws::ssm().await), circuit("increments"));
    write(&*register, &key, None, 0).await;
    let each = env::scaled(25) as u64;
    let mut tasks = JoinSet::new();
    for task in 0..8 {
        let (register, key) = (Arc::clone(&register), key.clone());
        let chance = Chance::seeded(env::seed().wrapping_add(task));
        tasks.spawn(async move {
            for _ in 0..each {
                loop {
                    // Every lost write uses up a version of the history, so a writer waits and
                    // reads first.
                    sleep(chance.up_to(Duration::from_millis(100))).await;
                    let current = register.read(&key).await.unwrap().unwrap();
                    let next = n_of(&current) + 1;
                    let swap = attempt(&*register, &key, Some(current.version), next).await;
                    if let Swap::Applied(_) = swap.unwrap() {
                        break;
                    }
                }
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    assert_eq!(n_of(&register.read(&key).await.unwrap().unwrap()), 8 * each);
}
