//! Everybody has a token, and it grows old.

use std::{task::Poll, time::Duration};

use funcify::token::TokenSource;
use tokio::time::sleep;

use super::fleet::{Fleet, at_once};

#[tokio::test(start_paused = true)]
async fn a_fleet_renews_its_token_once_an_interval_and_nobody_waits() {
    let fleet = Fleet::far_from_its_store();
    let getters = fleet.getters(50);
    at_once(&getters, async |getter| getter.warm_up().await.unwrap()).await;

    // Ten lifetimes, each instance called every ten seconds at a moment of its own.
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
async fn nobody_waits_for_the_one_who_renews() {
    let fleet = Fleet::new();
    let getter = fleet.getter();
    getter.warm_up().await.unwrap();
    sleep(Duration::from_millis(3_598_000)).await;
    // One in a hundred draws does not try even now.
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
async fn f13_one_clock_that_is_five_minutes_off_costs_at_most_one_grant_a_renewal() {
    // One of fifty is ahead of the others; then one of fifty is behind them.
    for (many, one) in [(0, 300), (300, 0)] {
        an_hour_with_clocks_ahead_by(many, one).await;
    }
}

async fn an_hour_with_clocks_ahead_by(many: u64, one: u64) {
    let fleet = Fleet::far_from_its_store();
    let ahead = |seconds| fleet.getter_ahead(Duration::from_secs(seconds));
    let mut getters: Vec<_> = (0..49).map(|_| ahead(many)).collect();
    getters.push(ahead(one));
    at_once(&getters, async |getter| getter.warm_up().await.unwrap()).await;
    at_once(&getters, async |getter| {
        for _ in 0..60 {
            sleep(Duration::from_secs(60)).await;
            getter.token().await.unwrap();
        }
    })
    .await;
    // Once cold, once due; each time the clock that is ahead may find the lease over at once.
    assert!(fleet.provider.grants() <= 4, "{} grants in an hour", fleet.provider.grants());
}
