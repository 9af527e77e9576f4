//! What a getter tells about itself: counters and events, with a digest prefix and never a token.

use std::time::Duration;

use funcify::token::{ClientSecret, TokenGetter, TokenSource};
use funcify_core::conformance::Fault;
use funcify_test_support::{FailureMode, LogCapture};
use tokio::time::sleep;

use super::fleet::{Fleet, credentials};

fn with_secret(fleet: &Fleet, secret: &str) -> TokenGetter {
    fleet.builder(credentials(ClientSecret::new(secret)), Duration::ZERO).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn each_step_of_a_token_is_told_and_counted_and_the_token_never_shown() {
    let (log, _capturing) = LogCapture::start();
    let fleet = Fleet::new();
    let (one, another) =
        (with_secret(&fleet, "canary-secret"), with_secret(&fleet, "canary-secret"));

    let token = one.token().await.unwrap();
    let fingerprint = token.fingerprint();
    assert!(log.has_line(&["DEBUG", "lease taken", "BEARER_TOKEN"]));
    assert!(log.has_line(&["INFO", "token minted", &fingerprint, "left=3599"]), "{}", log.text());
    another.token().await.unwrap();
    assert!(log.has_line(&["DEBUG", "token adopted", &fingerprint, "left=3599"]));
    assert_eq!((one.metrics().grants, one.metrics().leases_won), (1, 1));
    assert_eq!((another.metrics().adopted, another.metrics().grants), (1, 0));

    fleet.provider.fail(FailureMode::Unavailable);
    sleep(Duration::from_secs(3_597)).await;
    while one.token().await.unwrap().source() != TokenSource::Overdue {}
    assert!(log.has_line(&["WARN", "no token was granted"]), "{}", log.text());
    assert!(log.has_line(&["WARN", "could not be renewed"]));
    let counts = one.metrics();
    assert!(counts.stale_served > 0 && counts.failures == 1, "{counts:?}");

    fleet.provider.recover();
    fleet.store.always(Fault::Deny);
    sleep(Duration::from_secs(10)).await;
    one.token().await.unwrap();
    assert!(log.has_line(&["WARN", "the store of the token failed"]));
    let counts = one.metrics();
    assert!(counts.store_errors > 0 && counts.alone == 1, "{counts:?}");

    let shown = format!("{}{one:?}{token:?}", log.text());
    for canary in ["token-1", "token-2", "canary"] {
        assert!(!shown.contains(canary), "{canary} in {shown}");
    }
    // The mutant: a listener that hears nothing would find nothing.
    tracing::info!("{}", token.expose());
    assert!(log.text().contains("token-1"));
}

#[tokio::test(start_paused = true)]
async fn leases_that_are_lost_or_over_are_told_and_counted() {
    let (log, _capturing) = LogCapture::start();
    let fleet = Fleet::far_from_its_store();
    fleet.provider.fail(FailureMode::Hangs);
    let holder = fleet.getter();
    let hanging = tokio::spawn(async move { holder.token().await });
    sleep(Duration::from_secs(1)).await;
    hanging.abort();
    fleet.provider.recover();
    let next = fleet.getter();
    next.token().await.unwrap();
    assert!(log.has_line(&["DEBUG", "lease taken", "expired=true"]), "{}", log.text());
    assert_eq!(next.metrics().leases_expired, 1);

    sleep(Duration::from_secs(4_000)).await;
    let (one, other) = (fleet.getter(), fleet.getter());
    let (first, second) = tokio::join!(one.token(), other.token());
    assert_eq!(first.unwrap().expose(), second.unwrap().expose());
    assert!(log.has_line(&["DEBUG", "lease lost"]), "{}", log.text());
    assert_eq!(one.metrics().leases_lost + other.metrics().leases_lost, 1);
}
