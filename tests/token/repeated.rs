//! A token in memory is due, and the one in the store is not and expires no later.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use funcify::token::{ClientCredentials, ClientSecret, Grant, GrantError, Granted};
use funcify_core::{Timestamp, conformance::Fault, engine::Clock, token::AccessToken};
use tokio::time::sleep;

use super::fleet::{Fleet, at_once, credentials};

/// A provider that keeps its tokens, and grants one again with the time that it has left.
#[derive(Clone, Debug)]
struct Keeps {
    clock: Arc<dyn Clock>,
    kept: Arc<Mutex<(u32, Timestamp)>>,
}

const LIFETIME: Duration = Duration::from_secs(3_600);

#[async_trait]
impl Grant for Keeps {
    async fn grant(
        &self,
        _: &ClientCredentials,
        _: Option<&ClientSecret>,
    ) -> Result<Granted, GrantError> {
        let now = self.clock.now();
        let mut kept = self.kept.lock().unwrap();
        if kept.1.since(now) < Duration::from_secs(2) {
            *kept = (kept.0 + 1, now + LIFETIME);
        }
        let mut granted = Granted::from(AccessToken::from(format!("token-{}", kept.0)));
        granted.expires_in = Some(kept.1.since(now));
        Ok(granted)
    }
}

#[tokio::test(start_paused = true)]
async fn f23_a_token_that_is_granted_again_is_not_read_for_every_call() {
    const GETTERS: u64 = 5;
    let fleet = Fleet::new();
    let keeps = Keeps { clock: fleet.clock(), kept: Arc::new(Mutex::new((0, Timestamp::EPOCH))) };
    let getter = |_| {
        let builder = fleet.builder(credentials(ClientSecret::from("secret")), Duration::ZERO);
        builder.grant(keeps.clone()).build().unwrap()
    };
    let getters: Vec<_> = (0..GETTERS).map(getter).collect();
    let clock = fleet.clock();
    at_once(&getters, move |getter| {
        let clock = Arc::clone(&clock);
        async move {
            for _ in 0..10 * LIFETIME.as_secs() {
                sleep(Duration::from_secs(1)).await;
                let token = getter.token().await.unwrap();
                assert!(token.expires_at() > clock.now(), "expired");
            }
        }
    })
    .await;
    println!("{} operations", fleet.operations());
    assert!(fleet.operations() < 10 * 20 * GETTERS, "{} operations", fleet.operations());
}

#[tokio::test(start_paused = true)]
async fn a_process_whose_own_token_lives_longer_does_not_read_the_fleets_for_every_call() {
    let fleet = Fleet::new();
    fleet.wire.always(Fault::Refuse);
    let getter = fleet.getter();
    assert_eq!(getter.token().await.unwrap().expose(), "token-1", "its own, for an hour");
    fleet.wire.heal();
    let shorter = fleet.provider.clone().with_lifetime(Some(Duration::from_secs(300)));
    let builder = fleet.builder(credentials(ClientSecret::from("secret")), Duration::ZERO);
    let other = builder.grant(shorter).build().unwrap();
    let mut reads = 0;
    for _ in 0..3_250 {
        sleep(Duration::from_secs(1)).await;
        other.token().await.unwrap();
        let before = fleet.operations();
        getter.token().await.unwrap();
        reads += fleet.operations() - before;
    }
    println!("{reads} operations");
    assert!((1..10).contains(&reads), "{reads} reads");
}
