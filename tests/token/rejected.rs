//! An API rejects a valid token.

use std::time::Duration;

use funcify::token::TokenError;
use tokio::time::sleep;

use super::fleet::{Fleet, at_once};

#[tokio::test(start_paused = true)]
async fn a_revoked_token_is_replaced_once_for_the_whole_fleet() {
    let fleet = Fleet::far_from_its_store();
    let getters = fleet.getters(300);
    at_once(&getters, async |getter| getter.token().await.unwrap()).await;

    let tokens = at_once(&getters, async |getter| {
        let revoked = getter.token().await.unwrap();
        getter.rejected(&revoked).await.unwrap()
    })
    .await;

    assert_eq!(fleet.provider.grants(), 2);
    assert!(tokens.iter().all(|token| token.expose() == "token-2"));
}

#[tokio::test(start_paused = true)]
async fn an_api_that_rejects_every_token_costs_one_grant_in_thirty_seconds() {
    let fleet = Fleet::new();
    let getters = fleet.getters(20);
    at_once(&getters, async |getter| getter.token().await.unwrap()).await;
    at_once(&getters, async |getter| {
        for _ in 0..60 {
            let token = getter.token().await.unwrap();
            match getter.rejected(&token).await {
                Ok(other) => assert_ne!(other.expose(), token.expose()),
                Err(error) => assert!(matches!(error, TokenError::RejectedTooOften { .. })),
            }
            sleep(Duration::from_secs(1)).await;
        }
    })
    .await;
    assert!(fleet.provider.grants() <= 4, "{} grants in a minute", fleet.provider.grants());
}

#[tokio::test(start_paused = true)]
async fn any_other_token_of_the_fleet_replaces_a_rejected_one_even_if_it_is_due() {
    let fleet = Fleet::new();
    let (getter, other) = (fleet.getter(), fleet.getter());
    let old = getter.token().await.unwrap();
    other.token().await.unwrap();
    sleep(Duration::from_secs(100)).await;
    assert_eq!(other.rejected(&old).await.unwrap().expose(), "token-2");
    sleep(Duration::from_secs(3_490)).await;
    assert_eq!(getter.rejected(&old).await.unwrap().expose(), "token-2");
    assert_eq!(fleet.provider.grants(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_late_rejection_of_an_old_token_costs_nothing() {
    let fleet = Fleet::new();
    let getter = fleet.getter();
    let old = getter.token().await.unwrap();
    let new = getter.rejected(&old).await.unwrap();
    let before = fleet.operations();
    assert_eq!(getter.rejected(&old).await.unwrap().expose(), new.expose());
    assert_eq!((fleet.operations(), fleet.provider.grants()), (before, 2));
}
