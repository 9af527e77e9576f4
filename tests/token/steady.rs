//! Every process has a token, which becomes due.

use std::{sync::Arc, task::Poll, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use funcify::Deadline;
use funcify::token::{ClientSecret, GrantError, TokenError, TokenPolicy, TokenSource};
use funcify_core::{
    Timestamp,
    conformance::Fault,
    engine::ManualClock,
    register::{Body, Register, WriteId},
};
use funcify_test_support::FakeGrant;
use serde_json::json;
use tokio::time::sleep;

use super::fleet::{Fleet, TRAVEL, at_once, credentials, key};

#[tokio::test(start_paused = true)]
async fn a_fleet_refreshes_its_token_once_an_interval_and_no_caller_waits() {
    let fleet = Fleet::far_from_its_store();
    let getters = fleet.getters(50);
    at_once(&getters, async |getter| getter.token().await.unwrap()).await;

    // Ten lifetimes. Each instance is called every ten seconds, at different moments.
    let waits = at_once(&getters, async |getter| {
        let mut longest = Duration::ZERO;
        for _ in 0..3_600 {
            sleep(Duration::from_secs(10)).await;
            let begun = tokio::time::Instant::now();
            let token = getter.token().await.unwrap();
            if token.source() != TokenSource::Minted {
                longest = longest.max(begun.elapsed());
            }
        }
        longest
    })
    .await;

    let intervals = 36_000.0 / 3_600.0 / 0.75;
    let per_interval = (fleet.provider.grants() - 1) as f64 / intervals;
    assert!((0.75..=1.05).contains(&per_interval), "{per_interval} grants per interval");
    let longest = waits.iter().max().unwrap();
    assert!(*longest < Duration::from_millis(50), "{longest:?}");
}

#[tokio::test(start_paused = true)]
async fn no_caller_with_a_valid_token_waits_for_the_refresh() {
    let fleet = Fleet::new();
    let getter = fleet.getter();
    getter.token().await.unwrap();
    sleep(Duration::from_millis(3_598_000)).await;
    let renewing = loop {
        let getter = getter.clone();
        let mut renewing = Box::pin(async move { getter.token().await.unwrap() });
        if std::future::poll_fn(|context| Poll::Ready(renewing.as_mut().poll(context).is_pending()))
            .await
        {
            break renewing;
        }
    };

    let begun = tokio::time::Instant::now();
    let token = getter.token().await.unwrap();
    assert_eq!((token.expose(), begun.elapsed()), ("token-1", Duration::ZERO));
    assert_eq!(renewing.await.expose(), "token-2");
}

#[tokio::test(start_paused = true)]
async fn without_a_stated_lifetime_the_tokens_own_expiry_counts_and_then_the_default() {
    let minted = async |token: String| {
        let fleet = Fleet::new();
        let builder = fleet.builder(credentials(ClientSecret::from("secret")), Duration::ZERO);
        let grant = FakeGrant::new().with_token(token).with_lifetime(None);
        let mut policy = TokenPolicy::default();
        policy.default_lifetime = Duration::from_secs(600);
        let token = builder.grant(grant).policy(policy).build().unwrap().token().await;
        token.map(|token| token.expires_at().since(fleet.clock().now()).as_secs())
    };
    let jwt = |seconds: i64| {
        // These are by the provider's clock, which may differ from every other clock.
        let (iat, exp) = (1_000_000, 1_000_000 + seconds);
        let claims = format!(r#"{{"iat":{iat},"exp":{exp}}}"#);
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))
    };
    assert_eq!(minted("opaque".to_owned()).await.unwrap(), 600);
    assert_eq!(minted(jwt(900)).await.unwrap(), 900);
    for ended in [-1, 0] {
        let error = minted(jwt(ended)).await.unwrap_err();
        let TokenError::Grant(cause) = error else { panic!("{error}") };
        let GrantError::Reply(cause) = &*cause else { panic!("{cause}") };
        assert_eq!(cause.to_string(), "expected a lifetime of at least 1 second");
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_with_little_time_left_does_not_refresh_a_due_token() {
    let fleet = Fleet::new();
    let getter = fleet.getter();
    getter.token().await.unwrap();
    sleep(Duration::from_millis(3_589_000)).await;
    let hurried = async || {
        sleep(Duration::from_millis(9_100)).await;
        for _ in 0..20 {
            assert_eq!(getter.token().await.unwrap().expose(), "token-1");
        }
    };
    Deadline::within(Duration::from_secs(10)).scope(hurried()).await;
    assert_eq!(fleet.provider.requests().len(), 1);
    let renewed = async { while getter.token().await.unwrap().expose() == "token-1" {} };
    Deadline::within(Duration::from_secs(10)).scope(renewed).await;
}

#[tokio::test(start_paused = true)]
async fn f13_a_clock_that_is_five_minutes_off_costs_at_most_one_grant_per_refresh() {
    // First one clock of fifty is ahead of the others, then one of fifty is behind them.
    for (many, one) in [(0, 300), (300, 0)] {
        // One grant for the cold fleet and one when the token is due. Each time, the process whose clock is
        // ahead may find the lease expired, which costs one more.
        let grants = an_hour_with_clocks_ahead_by(Fleet::with_dated_grants(), many, one).await;
        assert!(grants <= 4, "{grants} grants in an hour");
    }
}

/// The fleet cannot find out which clock is wrong, and each side uses its own token.
#[tokio::test(start_paused = true)]
async fn f13_without_the_date_of_the_provider_it_costs_at_most_two_grants_more() {
    for (many, one) in [(0, 300), (300, 0)] {
        let grants = an_hour_with_clocks_ahead_by(Fleet::new(), many, one).await;
        assert!(grants <= 6, "{grants} grants in an hour");
    }
}

async fn an_hour_with_clocks_ahead_by(fleet: Fleet, many: u64, one: u64) -> u64 {
    fleet.wire.always(Fault::Delay(TRAVEL));
    let ahead = |seconds| fleet.getter_ahead(Duration::from_secs(seconds));
    let mut getters: Vec<_> = (0..49).map(|_| ahead(many)).collect();
    getters.push(ahead(one));
    at_once(&getters, async |getter| getter.token().await.unwrap()).await;
    at_once(&getters, async |getter| {
        for _ in 0..60 {
            sleep(Duration::from_secs(60)).await;
            getter.token().await.unwrap();
        }
    })
    .await;
    fleet.provider.grants()
}

#[tokio::test(start_paused = true)]
async fn f14_a_clock_that_steps_back_costs_one_grant_and_leaves_no_endless_lease() {
    let now = Timestamp::from_millis(1_700_000_000_000);
    for back in [Duration::from_millis(500), Duration::from_secs(300), Duration::from_secs(86_400)]
    {
        let (fleet, clock) = (Fleet::new(), Arc::new(ManualClock::at(now)));
        let process = |_| {
            let builder = fleet.builder(credentials(ClientSecret::from("secret")), Duration::ZERO);
            builder.clock(Arc::clone(&clock) as _).build().unwrap()
        };
        process(()).token().await.unwrap();
        clock.set(now - back);
        at_once(&[(); 20].map(process), async |getter| getter.token().await.unwrap()).await;
        let is_believed = back < Duration::from_secs(30);
        assert_eq!(fleet.provider.grants(), if is_believed { 1 } else { 2 }, "{back:?}");

        // The holder of this lease has ended, and the clock by which the lease ends was set back.
        let lease = json!({ "holder": "0".repeat(32), "until": (now + Duration::from_secs(4)).as_millis() });
        let leased: Body = json!({ "lease": lease }).to_string().parse().unwrap();
        let current = fleet.wire.read(&key()).await.unwrap().map(|current| current.version);
        fleet.wire.swap(&key(), current, WriteId::random(), &leased, Duration::ZERO).await.unwrap();
        let begun = tokio::time::Instant::now();
        process(()).token().await.unwrap();
        assert!(begun.elapsed() < Duration::from_secs(5), "{back:?}: {:?}", begun.elapsed());
    }
}
