//! The metrics and the log events of a getter. They show a fingerprint, and never a token.

use std::time::Duration;

use funcify::token::{ClientSecret, TokenGetter, TokenSource};
use funcify_core::conformance::Fault;
use funcify_test_support::{FailureMode, LogCapture};
use tokio::time::sleep;

use super::fleet::{Fleet, credentials};

fn with_secret(fleet: &Fleet, secret: &str) -> TokenGetter {
    fleet.builder(credentials(ClientSecret::from(secret)), Duration::ZERO).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn each_step_of_a_token_is_logged_and_counted_and_the_token_is_never_shown() {
    let (log, _capturing) = LogCapture::start();
    let fleet = Fleet::new();
    let (one, another) =
        (with_secret(&fleet, "canary-secret"), with_secret(&fleet, "canary-secret"));

    let token = one.token().await.unwrap();
    let shown = format!("{token:?}");
    let fingerprint = shown.split('"').nth(1).unwrap();
    assert_eq!(fingerprint.len(), 8, "{shown}");
    assert!(log.has_line(&["DEBUG", "lease taken", "BEARER_TOKEN"]));
    assert!(
        log.has_line(&["INFO", "token minted", fingerprint, "seconds_left=3599"]),
        "{}",
        log.text()
    );
    another.token().await.unwrap();
    assert!(log.has_line(&["DEBUG", "token accepted", fingerprint, "seconds_left=3599"]));
    assert_eq!((one.metrics().grants, one.metrics().leases_won), (1, 1));
    assert_eq!((another.metrics().accepted, another.metrics().grants), (1, 0));

    fleet.provider.fail(FailureMode::Unavailable);
    sleep(Duration::from_secs(3_597)).await;
    while one.token().await.unwrap().source() != TokenSource::Overdue {}
    assert!(log.has_line(&["WARN", "no token was granted"]), "{}", log.text());
    assert!(log.has_line(&["WARN", "could not be refreshed"]));
    let metrics = one.metrics();
    assert!(metrics.overdue_served > 0 && metrics.failures == 1, "{metrics:?}");

    fleet.provider.recover();
    fleet.wire.always(Fault::Deny);
    sleep(Duration::from_secs(10)).await;
    one.token().await.unwrap();
    assert!(log.has_line(&["WARN", "the token store failed"]));
    let metrics = one.metrics();
    assert!(metrics.store_errors > 0 && metrics.without_store == 1, "{metrics:?}");

    let shown = format!("{}{one:?}{token:?}", log.text());
    for canary in ["token-1", "token-2", "canary"] {
        assert!(!shown.contains(canary), "{canary} in {shown}");
    }
    // The mutant: a log that captures nothing would contain no token either.
    tracing::info!("{}", token.expose());
    assert!(log.text().contains("token-1"));
}

#[tokio::test(start_paused = true)]
async fn lost_and_expired_leases_are_logged_and_counted() {
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
