//! The same promise on every store: one grant for a cold fleet, one when the token is due, and one when it
//! has expired. No process asks the provider without the store, however slow the store is.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use funcify::{
    Deadline, Stores,
    register::RecordName,
    token::{ClientSecret, TokenGetter},
};
use funcify_test_support::FakeGrant;
use tokio::{
    sync::{Mutex, MutexGuard},
    time::{Instant, sleep},
};

use super::fleet::{LATENCY, at_once, credentials};
use crate::{
    sharing::fleet as shared,
    support::{
        attempt::{stored, unique},
        env,
        redis::OwnRedis,
    },
};

/// The lifetime of a token, which is due after half of it. If the second half were only 4 s, the renewal of
/// a larger fleet would overload the local server of AWS.
fn lifetime() -> Duration {
    Duration::from_secs(if env::long() { 40 } else { 8 })
}

/// How long each function of this fleet may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The time between two calls of one function of a steady fleet.
const PAUSE: Duration = Duration::from_millis(500);

/// A fleet in one process. Each ten of its members share a client.
struct Fleet {
    url: String,
    provider: FakeGrant,
    getters: Vec<TokenGetter>,
}

impl Fleet {
    async fn of(url: &str, size: usize) -> Self {
        let provider = FakeGrant::new().with_latency(LATENCY).with_lifetime(Some(lifetime()));
        let mut getters = Vec::new();
        let key = RecordName::try_from(unique("stores")).unwrap();
        for _ in 0..size / 10 {
            let stores = Stores::from_url(url).await.unwrap();
            // Connects the stores: a function is connected after its first call.
            stored(async || stores.tokens.read(&key).await).await;
            for _ in 0..10 {
                let credentials = credentials(ClientSecret::from("secret"));
                let builder = TokenGetter::builder(credentials, Arc::clone(&stores.tokens));
                let builder = builder.key(key.clone()).grant(provider.clone());
                getters.push(builder.build().unwrap());
            }
        }
        Self { url: url.to_owned(), provider, getters }
    }

    /// Makes every member need a token at once. Returns how many were granted.
    async fn all_at_once(&self, what: &str) -> u64 {
        let (before, begun) = (self.provider.grants(), Instant::now());
        let tokens = at_once(&self.getters, async |getter| {
            let token = Deadline::within(TIMEOUT).scope(getter.token()).await.unwrap();
            token.expose().to_owned()
        })
        .await;
        let tokens: BTreeSet<_> = tokens.into_iter().collect();
        let grants = self.provider.grants() - before;
        let sum = |count: fn(&TokenGetter) -> u64| self.getters.iter().map(count).sum::<u64>();
        println!(
            "{}: {} {what}, served in {:?}, {grants} granted, {} errors of the store",
            self.url,
            self.getters.len(),
            begun.elapsed(),
            sum(|getter| getter.metrics().store_errors),
        );
        assert_eq!(
            sum(|getter| getter.metrics().without_store),
            0,
            "no process asks without the store"
        );
        assert_eq!(tokens.len() as u64, grants, "{tokens:?}");
        grants
    }

    /// Calls every member again and again, until a second after the token was due.
    async fn goes_on(&self) -> u64 {
        let before = self.provider.grants();
        at_once(&self.getters, async |getter| {
            let ends = Instant::now() + lifetime() / 2 + Duration::from_secs(1);
            while Instant::now() < ends {
                Deadline::within(TIMEOUT).scope(getter.token()).await.unwrap();
                sleep(PAUSE).await;
            }
        })
        .await;
        let sum = |count: fn(&TokenGetter) -> u64| self.getters.iter().map(count).sum::<u64>();
        println!(
            "{}: {} renewed, {} granted, {} without the store, {} errors of the store",
            self.url,
            self.getters.len(),
            self.provider.grants() - before,
            sum(|getter| getter.metrics().without_store),
            sum(|getter| getter.metrics().store_errors),
        );
        self.provider.grants() - before
    }
}

async fn one_grant_for_each_need(url: &str, size: usize, at_takeover: u64) {
    let fleet = Fleet::of(url, size).await;
    assert_eq!(fleet.all_at_once("cold").await, 1);
    // The next token is granted while this one is valid, or when it has just expired.
    let minted = fleet.provider.requests()[0];
    let steady = fleet.goes_on().await;
    // A token is due after half of its lifetime. The slower the machine, the more renewals become due.
    let (lived, due) = (minted.elapsed(), lifetime() / 2);
    let most = (lived.as_secs_f64() / due.as_secs_f64()) as u64;
    assert!(steady <= most.max(1), "{steady} grants in {lived:?}");
    sleep(lifetime()).await;
    let again = fleet.all_at_once("at the token's end").await;
    assert!((1..=at_takeover).contains(&again), "{again} grants at the token's end");
}

/// The mutant: in memory, processes share nothing. The same fleet then needs more grants.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_memory_each_process_needs_a_grant() {
    let fleet = Fleet::of("memory:", 40).await;
    assert_eq!(fleet.all_at_once("cold").await, 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f15_a_redis_that_comes_back_empty_costs_one_grant() {
    let mut redis = OwnRedis::start().await;
    let fleet = Fleet::of(&redis.url(), 50).await;
    assert_eq!(fleet.all_at_once("cold").await, 1);
    redis.restart().await;
    sleep(lifetime()).await;
    assert_eq!(fleet.all_at_once("after a restart").await, 1);
}

/// The number of processes on the local server of AWS. It is one process that answers some hundred requests
/// a second, and decrypts at each read of SSM. If 200 processes ask it at once on a busy machine, it
/// answers none of them within half a second, for longer than a caller may wait. The real services have no
/// such limit. `throttled` tests their quotas.
fn size_on_aws() -> usize {
    env::scaled(100).max(20)
}

/// One local server represents DynamoDB and SSM, and can serve one such fleet at a time.
async fn aws() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::const_new(());
    ONE.lock().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f22_a_fleet_of_200_needs_one_grant_each_time_on_redis() {
    one_grant_for_each_need(&shared::redis().await, 200, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f22_a_fleet_needs_one_grant_each_time_on_dynamodb() {
    let _alone = aws().await;
    one_grant_for_each_need(&shared::dynamodb().await, size_on_aws(), 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f22_a_fleet_needs_one_grant_each_time_on_ssm() {
    let _alone = aws().await;
    let size = size_on_aws();
    // SSM has no conditional writes, so the writes of losers may push the holder's lease out of the history.
    let at_takeover = if size > 60 { 3 } else { 1 };
    one_grant_for_each_need(&shared::ssm().await, size, at_takeover).await;
}
