//! A store is down for a while and then answers late: how long the fleet waits for it, and when the fleet
//! uses it again.

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

/// By how much the answers of the store are late when it is back.
const LATE: Duration = Duration::from_millis(300);

/// How long the store is down.
const AWAY: Duration = Duration::from_secs(20);

/// The longest time until the fleet uses the store again: 5 s, and extra time for a busy machine.
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
    // When each instance used the store for the first time after the store was back.
    let (well, mut backs) = (Arc::new(AtomicU64::new(u64::MAX)), Vec::new());
    let mut calls = JoinSet::new();
    let lasting = Duration::from_secs(10) + AWAY + SOON + Duration::from_secs(2);
    for _ in 0..size {
        let stores = Stores::from_url(&url).await.unwrap();
        let (well, back) = (Arc::clone(&well), Arc::new(AtomicU64::new(u64::MAX)));
        backs.push(Arc::clone(&back));
        let breaker = CircuitBreaker::new(&*name, CircuitPolicy::default(), stores.circuits)
            .unwrap()
            .with_listener(move |_, event| {
                let now = millis();
                if *event == CircuitEvent::StoreBack && now >= well.load(Ordering::Relaxed) {
                    back.fetch_min(now, Ordering::Relaxed);
                }
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
    let is_well = millis();
    well.store(is_well, Ordering::Relaxed);
    proxy.set(Mode::Delay(LATE)).await;
    let waits: Vec<_> = calls.join_all().await.into_iter().flatten().collect();
    let of_outage: Vec<_> = waits.iter().filter(|(at, _)| (lost..is_well).contains(at)).collect();
    let waiting = of_outage.iter().filter(|(_, took)| *took > LATE / 3).count();
    let longest = waits.iter().map(|(_, took)| *took).max().unwrap();
    let mut backs: Vec<_> =
        backs.iter().map(|back| back.load(Ordering::Relaxed).saturating_sub(is_well)).collect();
    backs.sort_unstable();
    let (median, last) = (backs[size / 2], backs[size - 1]);
    println!(
        "{size} instances: {waiting} of {} calls waited in the outage, {longest:?} at most; back \
         after {median} ms, the last after {last} ms",
        of_outage.len(),
    );
    assert!(waiting > 0, "they noticed");
    assert!(waiting <= 2 * size, "{waiting} calls of {size} instances waited");
    assert!(longest < Duration::from_secs(3), "{longest:?}");
    assert!(u128::from(last) <= SOON.as_millis(), "{last} ms");
}
