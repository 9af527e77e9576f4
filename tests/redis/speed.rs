//! The time of an operation compared with the plain client: the same commands, alternating in one
//! run.

use std::time::{Duration, Instant};

use funcify_core::register::{Register, Swap, WriteId};

use super::{HOUR, body, circuit, register, write};
use crate::support::env;

const SCRIPT: &str = include_str!("../../backend-redis/src/swap.lua");

#[tokio::test]
async fn a_read_and_a_swap_take_less_than_twice_the_time_of_the_plain_client() {
    let (register, key) = (register(&env::redis()), circuit("speed"));
    let mut version = write(&register, &key, None, 1).await;
    let client = redis::Client::open(env::redis()).unwrap();
    let mut bare = client.get_multiplexed_async_connection().await.unwrap();
    let script = redis::Script::new(SCRIPT);
    let place = format!("funcify:bare:{}", key.name);
    let mut id = WriteId::random().to_string();
    let _: () =
        redis::cmd("HSET").arg(&place).arg("id").arg(&id).query_async(&mut bare).await.unwrap();

    let mut took: [Vec<Duration>; 4] = Default::default();
    for n in 0..env::scaled(20_000) as u64 {
        let next = body(n);

        let began = Instant::now();
        register.read(&key).await.unwrap();
        took[0].push(began.elapsed());

        let began = Instant::now();
        let read = redis::cmd("HGETALL").arg(&place).query_async::<Vec<String>>(&mut bare).await;
        took[1].push(began.elapsed());
        read.unwrap();

        let write = WriteId::random();
        let began = Instant::now();
        let swap = register.swap(&key, Some(version), write, &next, HOUR).await;
        took[2].push(began.elapsed());
        let Ok(Swap::Applied(done)) = swap else { panic!("{swap:?}") };
        version = done;

        let new = WriteId::random().to_string();
        let began = Instant::now();
        let done: i64 = script
            .key(&place)
            .arg(&id)
            .arg(&new)
            .arg(3_600_000)
            .arg(next.to_string())
            .invoke_async(&mut bare)
            .await
            .unwrap();
        took[3].push(began.elapsed());
        assert_eq!(done, 1);
        id = new;
    }
    let [read, bare_read, swap, bare_swap] = took.map(|mut took| {
        took.sort_unstable();
        took[took.len() / 2].as_secs_f64() * 1e6
    });
    println!("p50 read {read:.0} µs, bare {bare_read:.0} µs, ratio {:.2}", read / bare_read);
    println!("p50 swap {swap:.0} µs, bare {bare_swap:.0} µs, ratio {:.2}", swap / bare_swap);
    // The ratio is 1.15 in an optimised build on a quiet machine. This is neither.
    assert!(read < 2.0 * bare_read && swap < 2.0 * bare_swap);
}
