//! When the processes of a fleet ask the provider without the store, if a real store hangs. The scenario
//! `hanging-store` of the simulator has the same figures for many seeds.

use std::time::Duration;

use funcify::token::{ClientSecret, TokenGetter};
use funcify::{Deadline, Stores};
use funcify_test_support::FakeGrant;
use tokio::time::{Instant, sleep};

use super::fleet::{LATENCY, at_once, credentials};
use crate::support::attempt::unique;
use crate::support::env;
use crate::support::redis::OwnRedis;

/// A fleet of processes on one Redis, each with its own connection. While Redis is stopped, the kernel
/// accepts some connections for it, and then no more.
async fn getters(redis: &OwnRedis, count: usize, provider: &FakeGrant) -> Vec<TokenGetter> {
    let (url, key) = (redis.url(), unique("hanging"));
    let mut getters = Vec::new();
    for _ in 0..count {
        let tokens = Stores::from_url(&url).await.unwrap().tokens;
        let builder = TokenGetter::builder(credentials(ClientSecret::from("secret")), tokens);
        getters.push(builder.key(key.as_str()).grant(provider.clone()).build().unwrap());
    }
    getters
}

/// The most requests to the provider within one second.
fn peak(provider: &FakeGrant, since: Instant) -> usize {
    let requests: Vec<_> = provider.requests().into_iter().filter(|at| *at >= since).collect();
    let within = |from: &Instant| {
        requests.iter().filter(|at| (*from..*from + Duration::from_secs(1)).contains(*at)).count()
    };
    requests.iter().map(within).max().unwrap_or_default()
}

/// The time of the callers, and the most requests of a fleet of 200 within one second.
const COLD: [(u64, usize); 4] = [(7, 120), (20, 35), (30, 26), (90, 15)];

/// No process has a token. In the end each process asks the provider without the store. The moments at
/// which they do so are spread out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f06_a_cold_fleet_on_a_redis_that_hangs_asks_spread_out() {
    let (redis, size) = (&OwnRedis::start().await, env::scaled(200));
    redis.pause();
    let of = async |time: u64, most: usize| {
        let provider = FakeGrant::new().with_latency(LATENCY);
        let getters = getters(redis, size, &provider).await;
        let began = Instant::now();
        at_once(&getters, move |getter| async move {
            Deadline::within(Duration::from_secs(time)).scope(getter.token()).await.unwrap();
        })
        .await;
        let (peak, took) = (peak(&provider, began), began.elapsed());
        println!("{size} with {time} s: {peak} requests a second at most, served in {took:?}");
        // A few processes are not spread as evenly as many.
        let most = if env::long() { most } else { most / 10 + 5 };
        assert!(peak <= most, "{peak} requests within a second, with {time} s");
    };
    // A run without `--long` tests only the callers with 20 s.
    if env::long() {
        let [one, two, three, four] = COLD.map(|(time, most)| of(time, most));
        tokio::join!(four, async {
            one.await;
            two.await;
            three.await;
        });
    } else {
        tokio::join!(of(COLD[0].0, COLD[0].1), of(COLD[1].0, COLD[1].1));
    }
}

/// The store hangs before the token is due. Every process always has a token, and the renewals are spread
/// out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f06_a_fleet_that_loses_its_redis_renews_spread_out() {
    // The token is due after half of its lifetime, so that 200 processes have 47 s for their requests. With
    // a shorter lifetime, 20 processes would have less time for their last try than there is between two
    // calls.
    let (size, lifetime, most) = match env::long() {
        true => (200, Duration::from_secs(110), 15),
        false => (20, Duration::from_secs(40), 8),
    };
    let redis = &OwnRedis::start().await;
    let provider = FakeGrant::new().with_latency(LATENCY).with_lifetime(Some(lifetime));
    let getters = getters(redis, size, &provider).await;
    at_once(&getters, async |getter| getter.token().await.unwrap()).await;
    assert_eq!(provider.grants(), 1);
    redis.pause();
    let lost = Instant::now();
    let waits = at_once(&getters, move |getter| async move {
        let mut longest = Duration::ZERO;
        while lost.elapsed() < lifetime {
            let began = Instant::now();
            getter.token().await.unwrap();
            longest = longest.max(began.elapsed());
            sleep(Duration::from_millis(500)).await;
        }
        longest
    })
    .await;
    let (peak, longest) = (peak(&provider, lost), waits.iter().max().unwrap());
    println!(
        "{size} with a token of {lifetime:?}: {} grants, {peak} within a second at most, longest wait {longest:?}",
        provider.grants(),
    );
    assert!(peak <= most, "{peak} requests within a second");
    assert!(*longest < Duration::from_secs(3), "{longest:?}");
}
