//! A cold fleet on a store with a small quota. The store answers a request beyond it with the error of the
//! real service. The fleet must not ask the provider instead.

use std::{sync::Arc, time::Duration};

use funcify::{
    Stores,
    token::{ClientSecret, TokenGetter, TokenSource},
};
use funcify_backend_dynamodb::DynamoDbBackend;
use funcify_backend_ssm::SsmBackend;
use funcify_core::{StoreError, StoreErrorKind};
use funcify_test_support::{FakeGrant, HookedTokens};
use tokio::{
    sync::{Mutex, MutexGuard},
    time::{Instant, sleep},
};

use super::fleet::{Fleet, LATENCY, credentials};
use crate::support::{attempt::unique, aws, env, throttle::Throttle};

/// How many requests Parameter Store serves in a second by default.
const SSM_QUOTA: f64 = 40.0;

/// One local server represents all of AWS, and each of these fleets keeps it busy.
async fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::const_new(());
    ONE.lock().await
}

/// A cold fleet: how many processes start, within which time, and how many clients they use.
struct Cold {
    stores: Vec<Stores>,
    size: usize,
    spread: Duration,
}

/// The result of a start.
struct Served {
    grants: u64,
    longest: Duration,
    without_store: u64,
}

impl Cold {
    async fn start(self) -> Served {
        let (provider, key) = (FakeGrant::new().with_latency(LATENCY), unique("throttled"));
        let mut callers = Vec::new();
        for number in 0..self.size {
            let tokens = Arc::clone(&self.stores[number % self.stores.len()].tokens);
            let builder = TokenGetter::builder(credentials(ClientSecret::from("secret")), tokens);
            let getter = builder.key(key.as_str()).grant(provider.clone()).build().unwrap();
            let after = self.spread.mul_f64(number as f64 / self.size as f64);
            callers.push(tokio::spawn(async move {
                sleep(after).await;
                let begun = Instant::now();
                getter.token().await.unwrap();
                (begun.elapsed(), getter.metrics().without_store)
            }));
        }
        let (mut longest, mut without_store) = (Duration::ZERO, 0);
        for caller in callers {
            let (took, alone) = caller.await.unwrap();
            longest = longest.max(took);
            without_store += alone;
        }
        Served { grants: provider.grants(), longest, without_store }
    }
}

async fn ssm(throttle: &Arc<Throttle>, clients: usize) -> Vec<Stores> {
    let url = throttle.serve().await;
    let mut stores = Vec::new();
    for _ in 0..clients {
        let aws = aws::config(Some(&url)).await;
        stores.push(Stores::new(SsmBackend::new(aws::ssm_config(), &aws).unwrap()));
    }
    stores
}

async fn dynamodb(throttle: &Arc<Throttle>, clients: usize) -> Vec<Stores> {
    aws::dynamodb().await;
    let url = throttle.serve().await;
    let mut stores = Vec::new();
    for _ in 0..clients {
        let aws = aws::config(Some(&url)).await;
        stores.push(Stores::new(DynamoDbBackend::new(aws::dynamodb_config(), &aws).unwrap()));
    }
    stores
}

/// All processes start at once, on a quota that serves a fifth of the fleet in a second.
async fn at_once(case: &str, stores: Vec<Stores>, throttle: &Throttle, size: usize) {
    let served = Cold { stores, size, spread: Duration::ZERO }.start().await;
    let Served { grants, longest, without_store } = served;
    let throttled = throttle.throttled();
    println!(
        "{case}: {size} at once, {grants} grants ({without_store} without the store), served in \
         {longest:?}, {throttled} requests throttled"
    );
    assert!(throttled as usize > size / 2, "{throttled} requests were throttled");
    assert!(grants <= 3, "{grants} grants");
    assert!(longest <= Duration::from_secs(15), "{longest:?}");
}

/// A run without `--long` starts a tenth of the fleet, or as many processes as a quota can throttle.
fn size() -> usize {
    env::scaled(200).max(50)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(own_ssm, ignore = "SSM is your own, and this test needs the local server")]
async fn f22_a_cold_fleet_on_a_throttled_ssm_needs_three_grants_at_most() {
    let _alone = alone().await;
    let size = size();
    let throttle = Throttle::ssm(SSM_QUOTA * size as f64 / 200.0);
    at_once("SSM", ssm(&throttle, size / 10).await, &throttle, size).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(own_dynamodb, ignore = "DynamoDB is your own, and this test needs the local server")]
async fn f22_a_cold_fleet_on_a_throttled_dynamodb_needs_three_grants_at_most() {
    let _alone = alone().await;
    let size = size();
    let throttle = Throttle::dynamodb(SSM_QUOTA * size as f64 / 200.0);
    at_once("DynamoDB", dynamodb(&throttle, size / 10).await, &throttle, size).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(own_ssm, ignore = "SSM is your own, and this test needs the local server")]
async fn f22_a_fleet_that_starts_over_a_minute_on_a_throttled_ssm_needs_one_grant() {
    let _alone = alone().await;
    // 17 processes start in each second, whatever the size of the fleet.
    let size = env::scaled(1_000);
    let spread = Duration::from_millis(60 * size as u64);
    let stores = ssm(&Throttle::ssm(SSM_QUOTA), size / 10).await;
    let served = Cold { stores, size, spread }.start().await;
    println!("SSM: {size} over {spread:?}, {} grants, {:?}", served.grants, served.longest);
    assert_eq!((served.grants, served.without_store), (1, 0));
    assert!(served.longest <= Duration::from_secs(15), "{:?}", served.longest);
}

/// SSM makes the write and throttles the read that would show whether the write counts. Writing again would
/// only add a version.
#[tokio::test(start_paused = true)]
async fn f05_a_token_whose_check_is_throttled_is_written_once() {
    let fleet = Fleet::new();
    let unchecked = HookedTokens::over(Arc::clone(&fleet.store)).on_write(|write| async move {
        let swap = write.send().await;
        if write.next.token.is_none() {
            return swap;
        }
        let throttled = StoreError::new("test", StoreErrorKind::Throttled, "rate exceeded");
        Err(StoreError::new("test", StoreErrorKind::Ambiguous, throttled))
    });
    let credentials = credentials(ClientSecret::from("secret"));
    let getter =
        TokenGetter::builder(credentials, Arc::new(unchecked)).grant(fleet.provider.clone());
    let getter = getter.clock(fleet.clock()).build().unwrap();
    assert_eq!(getter.token().await.unwrap().source(), TokenSource::Minted);
    assert_eq!(fleet.wire.swaps(), 2, "the lease and the token");
    assert_eq!(fleet.getter().token().await.unwrap().source(), TokenSource::Store);
}
