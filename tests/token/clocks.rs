//! Wrong clocks, and records that somebody has planted. Each process with a correct clock reads the record
//! once.

use std::time::Duration;

use funcify::token::{ClientSecret, TokenError, TokenPolicy, TokenSource};
use funcify_core::{
    Timestamp,
    engine::{Lease, RememberedFailure},
    register::WriteId,
    token::{TokenPersistenceProvider, TokenRecord},
};
use funcify_test_support::FailureMode;
use tokio::time::{Instant, sleep};

use super::fleet::{Fleet, credentials, key};

const AHEAD: [u64; 4] = [30, 300, 3_600, 86_400];
const LIFETIME: Duration = Duration::from_secs(3_600);

/// How long it takes until a process has a token, if a new one starts every half second. Each process asks
/// once, and has time for one read of the record.
async fn first_token(fleet: &Fleet) -> Duration {
    let begun = Instant::now();
    loop {
        let getter = fleet.getter();
        let hurried = funcify::Deadline::within(Duration::from_secs(1));
        match hurried.scope(getter.token()).await {
            Ok(_) => return begun.elapsed(),
            Err(TokenError::Remembered { retry_after, .. }) => {
                assert!(retry_after <= Duration::from_secs(61), "{retry_after:?}");
            }
            Err(TokenError::Deadline(_)) => {}
            Err(error) => panic!("{error}"),
        }
        sleep(Duration::from_millis(500)).await;
        assert!(begun.elapsed() < Duration::from_secs(200), "no token at all");
    }
}

async fn plant(fleet: &Fleet, record: TokenRecord) {
    let record = TokenRecord { digest: digest().await, ..record };
    let store = &*fleet.store;
    let current = TokenPersistenceProvider::read(store, &key().name).await.unwrap();
    let version = current.map(|current| current.version);
    let written = store.write(&key().name, version, WriteId::random(), &record).await.unwrap();
    assert!(matches!(written, funcify_core::register::Swap::Applied(_)));
}

/// The digest of the getters in a fleet.
async fn digest() -> String {
    let fleet = Fleet::new();
    fleet.getter().token().await.unwrap();
    fleet.stored().await.digest
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_a_fast_clock_remembered_keeps_nobody_waiting() {
    for ahead in AHEAD.map(Duration::from_secs) {
        let fleet = Fleet::new();
        fleet.provider.fail(FailureMode::RetryAfter(60));
        fleet.getter_ahead(ahead).token().await.unwrap_err();
        fleet.provider.recover();
        let waited = first_token(&fleet).await;
        println!("a failure of a clock {ahead:?} ahead: a token after {waited:?}");
        assert!(waited <= Duration::from_secs(61), "{ahead:?} ahead: {waited:?}");
    }
}

/// One process fails again and again, as fast as it may, while the provider serves all others.
#[tokio::test(start_paused = true)]
async fn a_process_with_a_fast_clock_that_keeps_failing_keeps_nobody_waiting() {
    for ahead in AHEAD.map(Duration::from_secs) {
        let fleet = Fleet::new();
        let broken = fleet
            .builder(credentials(ClientSecret::from("secret")), ahead)
            .grant(funcify_test_support::FakeGrant::new().failing(FailureMode::Unavailable))
            .build()
            .unwrap();
        let breaking = tokio::spawn(async move {
            loop {
                let _ = broken.token().await;
                sleep(Duration::from_millis(200)).await;
            }
        });
        sleep(Duration::from_secs(30)).await;
        let waited = first_token(&fleet).await;
        breaking.abort();
        assert!(waited <= Duration::from_secs(61), "{ahead:?} ahead: {waited:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_planted_record_keeps_anybody_waiting() {
    let fleet = Fleet::new();
    let now = fleet.clock().now();
    let far = [now + Duration::from_secs(62), now + Duration::from_secs(86_400)]
        .into_iter()
        .chain([Timestamp::from_millis(i64::MAX)]);
    for far in far {
        let lease = || Some(Lease { holder: WriteId::random(), until: far });
        let failure = |pause| {
            let code = "unavailable".to_owned();
            Some(RememberedFailure { until: far, pause, code, count: u32::MAX, cred: None })
        };
        let planted = [
            TokenRecord { lease: lease(), ..TokenRecord::default() },
            TokenRecord { failure: failure(None), ..TokenRecord::default() },
            TokenRecord { failure: failure(Some(u64::MAX)), ..TokenRecord::default() },
            TokenRecord { lease: lease(), failure: failure(None), ..TokenRecord::default() },
            TokenRecord { minted_at: far, refresh_at: far, expires_at: far, ..Default::default() },
        ];
        for record in planted {
            let fleet = Fleet::new();
            plant(&fleet, record.clone()).await;
            let waited = first_token(&fleet).await;
            println!("planted until {far}: a token after {waited:?}");
            assert!(waited <= Duration::from_secs(61), "{waited:?}: {record:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_rejection_that_a_fast_clock_remembered_holds_a_new_token_back_for_31_s_at_most() {
    for ahead in AHEAD.map(Duration::from_secs) {
        let fleet = Fleet::new();
        let getter = fleet.getter();
        let token = getter.token().await.unwrap();
        let forced_at = Some(fleet.clock().now() + ahead);
        plant(&fleet, TokenRecord { forced_at, ..fleet.stored().await }).await;
        let begun = Instant::now();
        while fleet.getter().rejected(&token).await.is_err() {
            sleep(Duration::from_millis(500)).await;
        }
        assert!(begun.elapsed() <= Duration::from_secs(31), "{ahead:?}: {:?}", begun.elapsed());
    }
}

/// For how long after its end a token is used. A process whose clock is ahead publishes the token, and
/// processes with a correct clock use it. The first of them starts `idle` after the token was published.
async fn used_late(ahead: Duration, idle: Duration, fleet: &Fleet) -> Duration {
    fleet.getter_ahead(ahead).token().await.unwrap();
    let end = Instant::now() + LIFETIME;
    sleep(idle).await;
    let mut late = Duration::ZERO;
    for _ in 0..(2 * LIFETIME.as_secs() / 10) {
        let token = fleet.getter().token().await.unwrap();
        if token.expose() != "token-1" {
            return late;
        }
        late = late.max(Instant::now().saturating_duration_since(end));
        sleep(Duration::from_secs(10)).await;
    }
    late
}

#[tokio::test(start_paused = true)]
async fn the_token_of_a_fast_clock_is_used_for_30_s_after_its_end_at_most() {
    for ahead in AHEAD {
        // The first process with a correct clock starts at once, or when the times of the record become
        // credible.
        for idle in [0, ahead.saturating_sub(30), ahead, 3_000, 3_590] {
            let fleet = Fleet::with_dated_grants();
            let (ahead, idle) = (Duration::from_secs(ahead), Duration::from_secs(idle));
            let late = used_late(ahead, idle, &fleet).await;
            println!(
                "a token of a clock {ahead:?} ahead, idle {idle:?}: used {late:?} after its end"
            );
            assert!(late <= Duration::from_secs(30), "{ahead:?} ahead, idle {idle:?}: {late:?}");
        }
    }
}

/// The documentation states this bound for a provider whose answer has no date.
#[tokio::test(start_paused = true)]
async fn without_the_date_of_the_provider_a_token_is_used_late_by_as_much_as_the_clock_was_ahead() {
    for ahead in [30, 300].map(Duration::from_secs) {
        let fleet = Fleet::new();
        assert!(used_late(ahead, Duration::ZERO, &fleet).await <= Duration::from_secs(30));
        let fleet = Fleet::new();
        let late = used_late(ahead, Duration::from_secs(3_000), &fleet).await;
        assert!(late <= ahead, "{ahead:?} ahead: {late:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_process_with_a_fast_clock_uses_its_own_token_for_its_whole_life() {
    for ahead in AHEAD.map(Duration::from_secs) {
        let fleet = Fleet::with_dated_grants();
        let fast = fleet.getter_ahead(ahead);
        fast.token().await.unwrap();
        for _ in 0..(LIFETIME.mul_f64(TokenPolicy::default().refresh_from).as_secs() / 60) {
            sleep(Duration::from_secs(59)).await;
            assert_eq!(fast.token().await.unwrap().source(), TokenSource::Memory);
        }
        assert_eq!(fleet.provider.grants(), 1);
    }
}
