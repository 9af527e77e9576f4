//! A store that is away for a while, and then answers late: what its fleet waits, and when the fleet uses it again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use funcify::circuit::CircuitEvent;
use funcify::{CircuitBreaker, CircuitPolicy, Stores};
use funcify_core::engine::Chance;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::fleet;
use crate::support::attempt::unique;
use crate::support::env;
use crate::support::proxy::{FaultProxy, Mode};
use crate::support::redis::OwnRedis;

/// How late the store answers when it is back.
const LATE: Duration = Duration::from_millis(300);

/// How long it is away.
const AWAY: Duration = Duration::from_secs(20);

/// The bar is 5 s; the rest is for a busy machine.
const SOON: Duration = Duration::from_secs(8);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f06_a_redis_300_ms_away_that_is_back_is_found_soon_and_few_calls_wait() {
    let _alone = fleet::alone().await;
    let redis = OwnRedis::start().await;
    let proxy = FaultProxy::start(redis.address()).await;
    proxy.set(Mode::Delay(LATE)).await;
    let (url, name) = (format!("redis://{}?timeout=1000", proxy.address()), unique("far"));
    let (began, size) = (Instant::now(), env::scaled(40));
    let millis = move || u64::try_from(began.elapsed().as_millis()).unwrap();
    let [down, back] = [0, 1].map(|_| Arc::new(AtomicU64::new(0)));
    let mut calls = JoinSet::new();
    let lasting = Duration::from_secs(10) + AWAY + SOON + Duration::from_secs(2);
    for _ in 0..size {
        let stores = Stores::from_url(&url).await.unwrap();
        let (seen_down, seen_back, is_down) =
            (Arc::clone(&down), Arc::clone(&back), AtomicU64::new(0));
        let breaker = CircuitBreaker::new(&*name, CircuitPolicy::default(), stores.circuits)
            .unwrap()
            .with_listener(move |_, event| match event {
                CircuitEvent::StoreDown => {
                    seen_down.fetch_add(1, Ordering::Relaxed);
                    is_down.store(1, Ordering::Relaxed);
                }
                CircuitEvent::StoreBack if is_down.load(Ordering::Relaxed) == 1 => {
                    seen_back.fetch_max(millis(), Ordering::Relaxed);
                }
                _ => {}
            });
        calls.spawn(async move {
            let (chance, mut waits) = (Chance::from_entropy(), Vec::new());
            while began.elapsed() < lasting {
                sleep(chance.up_to(Duration::from_millis(400))).await;
                let called = Instant::now();
                breaker.call(async || Ok::<_, ()>(())).await.unwrap();
                waits.push((millis(), called.elapsed()));
            }
            waits
        });
    }
    sleep(Duration::from_secs(10)).await;
    let lost = millis();
    proxy.set(Mode::Hang).await;
    sleep(AWAY).await;
    let well = millis();
    proxy.set(Mode::Delay(LATE)).await;
    let waits: Vec<_> = calls.join_all().await.into_iter().flatten().collect();
    let of_outage = || waits.iter().filter(|(at, _)| (lost..well).contains(at));
    let waiting = of_outage().filter(|(_, took)| *took > LATE / 3).count();
    let (all, longest) = (of_outage().count(), waits.iter().map(|(_, took)| *took).max().unwrap());
    let last_back = back.load(Ordering::Relaxed).saturating_sub(well);
    println!(
        "{size} instances: {waiting} of {all} calls waited in the outage, {longest:?} at most; \
         {} saw it, the last was back after {last_back} ms",
        down.load(Ordering::Relaxed)
    );
    assert!(down.load(Ordering::Relaxed) >= size as u64 / 2, "they noticed");
    assert!(waiting <= 2 * size, "{waiting} calls of {size} instances waited");
    assert!(longest < Duration::from_secs(3), "{longest:?}");
    assert!(u128::from(last_back) <= SOON.as_millis(), "{last_back} ms");
}
