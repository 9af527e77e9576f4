//! What a getter tells about itself: counters and events, with a digest prefix and never a token.

use std::{
    io::Write,
    sync::{Arc, Mutex},
    time::Duration,
};

use funcify::token::{ClientSecret, TokenGetter, TokenSource};
use funcify_core::conformance::Fault;
use tokio::time::sleep;
use tracing::subscriber::{DefaultGuard, set_default};

use super::fleet::{Fleet, Mood, credentials};

/// What was told, as text.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<u8>>>);

impl Write for Told {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Told {
    /// Listens to everything that this thread tells from now on.
    fn listen() -> (Self, DefaultGuard) {
        let told = Self::default();
        let writer = told.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        (told, set_default(subscriber))
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    fn has(&self, level: &str, parts: &[&str]) -> bool {
        let told = self.text();
        told.lines()
            .any(|line| line.contains(level) && parts.iter().all(|part| line.contains(part)))
    }
}

fn with_secret(fleet: &Fleet, secret: &str) -> TokenGetter {
    fleet.builder(credentials(ClientSecret::new(secret)), Duration::ZERO).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn each_step_of_a_token_is_told_and_counted_and_the_token_never_shown() {
    let (told, _listening) = Told::listen();
    let fleet = Fleet::new();
    let (one, another) =
        (with_secret(&fleet, "canary-secret"), with_secret(&fleet, "canary-secret"));

    let token = one.token().await.unwrap();
    let fingerprint = token.fingerprint();
    assert!(told.has("DEBUG", &["lease taken", "BEARER_TOKEN"]));
    assert!(told.has("INFO", &["token minted", &fingerprint, "left=3599"]), "{}", told.text());
    another.token().await.unwrap();
    assert!(told.has("DEBUG", &["token adopted", &fingerprint, "left=3599"]));
    assert_eq!((one.metrics().grants, one.metrics().leases_won), (1, 1));
    assert_eq!((another.metrics().adopted, another.metrics().grants), (1, 0));

    fleet.provider.is_now(Mood::Unavailable);
    sleep(Duration::from_secs(3_597)).await;
    while one.token().await.unwrap().source() != TokenSource::Overdue {}
    assert!(told.has("WARN", &["no token was granted"]), "{}", told.text());
    assert!(told.has("WARN", &["could not be renewed"]));
    let counts = one.metrics();
    assert!(counts.stale_served > 0 && counts.failures == 1, "{counts:?}");

    fleet.provider.is_now(Mood::Grants);
    fleet.wire.always(Fault::Deny);
    sleep(Duration::from_secs(10)).await;
    one.token().await.unwrap();
    assert!(told.has("WARN", &["the store of the token failed"]));
    let counts = one.metrics();
    assert!(counts.store_errors > 0 && counts.alone == 1, "{counts:?}");

    let shown = format!("{}{one:?}{token:?}", told.text());
    for canary in ["token-1", "token-2", "canary"] {
        assert!(!shown.contains(canary), "{canary} in {shown}");
    }
    // The mutant: a listener that hears nothing would find nothing.
    tracing::info!("{}", token.expose());
    assert!(told.text().contains("token-1"));
}

#[tokio::test(start_paused = true)]
async fn leases_that_are_lost_or_over_are_told_and_counted() {
    let (told, _listening) = Told::listen();
    let fleet = Fleet::far_from_its_store();
    fleet.provider.is_now(Mood::Hangs);
    let holder = fleet.getter();
    let hanging = tokio::spawn(async move { holder.token().await });
    sleep(Duration::from_secs(1)).await;
    hanging.abort();
    fleet.provider.is_now(Mood::Grants);
    let next = fleet.getter();
    next.token().await.unwrap();
    assert!(told.has("DEBUG", &["lease taken", "expired=true"]), "{}", told.text());
    assert_eq!(next.metrics().leases_expired, 1);

    sleep(Duration::from_secs(4_000)).await;
    let (one, other) = (fleet.getter(), fleet.getter());
    let (first, second) = tokio::join!(one.token(), other.token());
    assert_eq!(first.unwrap().expose(), second.unwrap().expose());
    assert!(told.has("DEBUG", &["lease lost"]), "{}", told.text());
    assert_eq!(one.metrics().leases_lost + other.metrics().leases_lost, 1);
}
