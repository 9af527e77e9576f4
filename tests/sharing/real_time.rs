//! The limits of the circuit in real time and on real stores. With `--long` there are 200 instances,
//! otherwise a tenth of them. The scenarios `partial-outage` and `overrides` of the simulator have the same
//! limits.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};
use std::time::{Duration, Instant};

use funcify::circuit::{CallOutcome, CircuitError, OverrideMode};
use funcify::{CircuitBreaker, CircuitPolicy, Stores};
use funcify_core::{Timestamp, engine::Chance};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::fleet;
use crate::support::attempt::unique;
use crate::support::env;

/// The size of the fleet. A run without `--long` has a tenth.
fn instances() -> usize {
    env::scaled(200)
}

const CALLS_A_SECOND: f64 = 100.0;

/// How long the fleet is healthy first: longer than the rule needs to find out how many calls there are.
const WARM_UP: Duration = Duration::from_secs(25);

/// Instances with one connection each, and the results of their calls.
struct Fleet {
    instances: Vec<CircuitBreaker>,
    is_dead: Arc<AtomicBool>,
    began: Instant,
    last_admitted: AtomicU64,
    last_refused: AtomicU64,
    first_refused: AtomicU64,
}

impl Fleet {
    async fn on(stores: &[Stores], name: &str) -> Arc<Self> {
        let breaker = |stores: &Stores| {
            let store = Arc::clone(&stores.circuits);
            CircuitBreaker::new(name, CircuitPolicy::default(), store).unwrap()
        };
        Arc::new(Self {
            instances: stores.iter().map(breaker).collect(),
            is_dead: Arc::default(),
            began: Instant::now(),
            last_admitted: AtomicU64::new(0),
            last_refused: AtomicU64::new(0),
            first_refused: AtomicU64::new(u64::MAX),
        })
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap()
    }

    /// Makes calls for this time: Poisson arrivals, each at a random instance.
    async fn calls(self: &Arc<Self>, lasting: Duration) {
        let chance = Chance::from_entropy();
        let (began, mut at) = (Instant::now(), 0.0);
        let mut calls = JoinSet::new();
        loop {
            at -= (1.0 - chance.draw()).ln() / CALLS_A_SECOND;
            if at >= lasting.as_secs_f64() {
                break;
            }
            sleep(Duration::from_secs_f64(at).saturating_sub(began.elapsed())).await;
            let place = (chance.draw() * self.instances.len() as f64) as usize;
            let fails = self.is_dead.load(Ordering::Relaxed) || chance.draw() < 0.01;
            let fleet = Arc::clone(self);
            calls.spawn(async move { fleet.call(place, fails).await });
        }
        calls.join_all().await;
    }

    async fn call(&self, place: usize, fails: bool) {
        let arrived = self.millis();
        let by_result = |result: &Result<(), ()>| CallOutcome::from(result);
        let call = async || {
            self.last_admitted.fetch_max(arrived, Ordering::Relaxed);
            sleep(Duration::from_millis(5)).await;
            if fails { Err(()) } else { Ok(()) }
        };
        if let Err(CircuitError::Open(_)) =
            self.instances[place].call_classified(by_result, call).await
        {
            self.last_refused.fetch_max(arrived, Ordering::Relaxed);
            self.first_refused.fetch_min(arrived, Ordering::Relaxed);
        }
    }
}

async fn stores(url: &str) -> Vec<Stores> {
    let mut stores = Vec::new();
    for _ in 0..instances() {
        stores.push(Stores::from_url(url).await.unwrap());
    }
    stores
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_redis_the_default_rule_opens_on_a_total_outage_within_seconds() {
    let _alone = fleet::alone().await;
    let stores = stores(&fleet::redis().await).await;
    let mut trials = JoinSet::new();
    for trial in 0..10 {
        let fleet = Fleet::on(&stores, &unique("total")).await;
        trials.spawn(async move {
            // The rule counts in whole seconds, so no outage may begin on one.
            fleet.calls(WARM_UP + Duration::from_millis(137 * trial)).await;
            assert_eq!(fleet.first_refused.load(Ordering::Relaxed), u64::MAX, "a false open");
            fleet.is_dead.store(true, Ordering::Relaxed);
            let died = fleet.millis();
            fleet.calls(Duration::from_secs(8)).await;
            fleet.first_refused.load(Ordering::Relaxed).saturating_sub(died)
        });
    }
    let mut times = trials.join_all().await;
    times.sort_unstable();
    println!("open after {times:?} ms");
    assert!(times[4] <= 2_500, "the median of {times:?} ms");
    assert!(times[9] <= 6_000, "the longest of {times:?} ms");
}

async fn follows_an_operator(url: &str) {
    let fleet = Fleet::on(&stores(url).await, &unique("override")).await;
    fleet.calls(Duration::from_secs(4)).await;

    let until = Timestamp::from(std::time::SystemTime::now() + Duration::from_secs(600));
    let operator = &fleet.instances[0];
    operator.set_override(OverrideMode::ForceOpen, until, "test").await.unwrap();
    let set = fleet.millis();
    fleet.calls(Duration::from_secs(9)).await;
    let passed_for = fleet.last_admitted.load(Ordering::Relaxed).saturating_sub(set);

    operator.close().await.unwrap();
    let closed = fleet.millis();
    fleet.calls(Duration::from_secs(9)).await;
    let refused_for = fleet.last_refused.load(Ordering::Relaxed).saturating_sub(closed);
    println!("{url}: calls passed for {passed_for} ms, and were refused for {refused_for} ms");
    // The limit is 5 s. The rest is for a busy machine, and for stale reads of DynamoDB.
    assert!(passed_for <= 6_000, "{passed_for} ms");
    assert!(refused_for <= 6_000, "{refused_for} ms");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_redis_a_fleet_follows_an_operator_within_seconds() {
    follows_an_operator(&fleet::redis().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_dynamodb_a_fleet_follows_an_operator_within_seconds() {
    follows_an_operator(&fleet::dynamodb().await).await;
}
