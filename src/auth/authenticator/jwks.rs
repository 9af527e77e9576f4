//! The keys of one issuer: fetched once, kept, renewed beside the calls, and never asked for in vain.

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use funcify_core::{Timestamp, engine::Clock};
use reqwest::Url;
use tokio::{
    sync::{Mutex, MutexGuard},
    time::timeout,
};

use crate::auth::authenticator::Unauthenticated;
use crate::auth::authenticator::algorithm::Algorithm;
use crate::auth::authenticator::builder::shown;
use crate::auth::authenticator::fetch::{Fetch, FetchError, in_time};
use crate::auth::authenticator::jwk::{Keys, NoKeys};

/// A key set larger than this, 256 KB, is not read.
const LARGEST: usize = 256 * 1024;

/// How often the issuer is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PollPolicy {
    /// From this age on keys are renewed beside the calls.
    pub(crate) fresh: Duration,
    /// From this age on one caller waits for them: a key that was withdrawn is not trusted for ever.
    pub(crate) stale: Duration,
    /// How long that caller waits at most.
    pub(crate) patience: Duration,
    /// The least time between two fetches, however many unknown keys are named.
    pub(crate) cool_down: Duration,
    /// The least time after one that failed; doubled each time up to the cool-down.
    pub(crate) back_off: Duration,
}

impl PollPolicy {
    pub(crate) const DEFAULT: Self = Self {
        fresh: Duration::from_secs(10 * 60),
        stale: Duration::from_secs(24 * 60 * 60),
        patience: Duration::from_secs(1),
        cool_down: Duration::from_secs(30),
        back_off: Duration::from_secs(1),
    };
}

/// A fetch under way. It belongs to the key set and not to the caller that began it: when that one is
/// dropped, the next to ask drives it on.
struct Flight {
    began_at: Timestamp,
    /// Begun in place of one that died; the next failure is the issuer's.
    is_second: bool,
    reply: Pin<Box<dyn Future<Output = Result<Keys, FetchError>> + Send>>,
}

/// The cached key set of one issuer.
pub(crate) struct KeySet {
    url: Url,
    pace: PollPolicy,
    known: ArcSwap<Known>,
    /// Held while a fetch is under way, so that there is never a second one.
    flight: Mutex<Option<Flight>>,
}

#[derive(Debug, Default)]
struct Known {
    keys: Arc<Keys>,
    fetched_at: Option<Timestamp>,
    tried_at: Option<Timestamp>,
    failures: u32,
    failure: Option<Arc<FetchError>>,
}

impl KeySet {
    pub(crate) fn new(url: Url, pace: PollPolicy) -> Self {
        Self { url, pace, known: ArcSwap::default(), flight: Mutex::default() }
    }

    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// The keys, of which at least one fits.
    ///
    /// A key that is known costs no wait, unless the set could not be renewed for a day; then one
    /// caller waits a little, and goes on with the old keys if that does not help. A key that is not known is asked for
    /// once, and not again before the cool-down is over.
    pub(crate) async fn keys(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
        fetch: &Fetch,
        clock: &dyn Clock,
    ) -> Result<Arc<Keys>, Unauthenticated> {
        let fits = |known: &Known| !known.keys.fitting(kid, algorithm).is_empty();
        let known = self.known.load_full();
        if fits(&known) {
            if known.is_older_than(self.pace.stale, clock.now()) {
                let _ = in_time(self.wait_a_little(fetch, clock)).await;
            }
            return Ok(self.known.load().keys.clone());
        }
        let known = match in_time(self.refetched(fetch, clock)).await {
            Ok(known) => known,
            Err(late) => return Err(Unauthenticated::Unavailable(late)),
        };
        match &known.failure {
            _ if fits(&known) => Ok(known.keys.clone()),
            // Perhaps it is a new key: that it cannot be had is not the caller's fault.
            Some(failure) => Err(Unauthenticated::Unavailable(failure.clone())),
            None => Err(Unauthenticated::Key),
        }
    }

    /// Fetches the keys anew if there are some, they are old enough and nobody else is at it.
    pub(crate) async fn renew(&self, fetch: &Fetch, clock: &dyn Clock) {
        if self.known.load().fetched_at.is_none() {
            return;
        }
        if let Some(flight) = self.due(clock.now()) {
            self.land(flight, fetch, clock).await;
        }
    }

    /// The same, for a short time, and for none where a caller before has waited for this fetch.
    async fn wait_a_little(&self, fetch: &Fetch, clock: &dyn Clock) {
        if let Some(flight) = self.due(clock.now()) {
            let patience = if flight.is_some() { Duration::ZERO } else { self.pace.patience };
            let _ = timeout(patience, self.land(flight, fetch, clock)).await;
        }
    }

    fn due(&self, now: Timestamp) -> Option<MutexGuard<'_, Option<Flight>>> {
        let known = self.known.load();
        let due = known.is_older_than(self.pace.fresh, now) && known.may_try(self.pace, now);
        if due { self.flight.try_lock().ok() } else { None }
    }

    /// What is known after a fetch: one's own, that of someone else under way, or the last one if it
    /// was only just now.
    async fn refetched(&self, fetch: &Fetch, clock: &dyn Clock) -> Arc<Known> {
        let flight = self.flight.lock().await;
        if self.known.load().may_try(self.pace, clock.now()) {
            self.land(flight, fetch, clock).await;
        }
        self.known.load_full()
    }

    async fn land(
        &self,
        mut flight: MutexGuard<'_, Option<Flight>>,
        fetch: &Fetch,
        clock: &dyn Clock,
    ) {
        let may_have_died = flight.as_ref().is_some_and(|left_over| !left_over.is_second);
        let under_way = flight.get_or_insert_with(|| self.start(fetch, clock));
        let mut landed = (&mut under_way.reply).await;
        if may_have_died && landed.is_err() {
            // What was left over from another invocation may have died in the freeze between.
            *under_way = Flight { is_second: true, ..self.start(fetch, clock) };
            landed = (&mut under_way.reply).await;
        }
        let began_at = under_way.began_at;
        *flight = None;
        if let Err(error) = &landed {
            tracing::warn!(key_set = self.url.host_str(), error = %error, "keys not fetched");
        }
        let known = self.known.load().after(landed, began_at, clock.now());
        self.known.store(Arc::new(known));
    }

    fn start(&self, fetch: &Fetch, clock: &dyn Clock) -> Flight {
        let (fetch, url) = (fetch.clone(), self.url.clone());
        let reply = Box::pin(async move {
            let unusable = |NoKeys| FetchError::Unusable("no key set with a usable key");
            let reply = fetch.get(&url, None, LARGEST).await?.unwrap_or_default();
            Keys::parse(&reply).map_err(unusable)
        });
        Flight { began_at: clock.now(), is_second: false, reply }
    }
}

impl Known {
    fn is_older_than(&self, age: Duration, now: Timestamp) -> bool {
        self.fetched_at.is_none_or(|fetched_at| passed(fetched_at, age, now))
    }

    fn may_try(&self, pace: PollPolicy, now: Timestamp) -> bool {
        let pause = match self.failures {
            0 => pace.cool_down,
            failures => {
                pace.back_off.saturating_mul(1 << (failures - 1).min(16)).min(pace.cool_down)
            }
        };
        self.tried_at.is_none_or(|tried_at| passed(tried_at, pause, now))
    }

    /// The old keys stay where there are no new ones.
    fn after(&self, landed: Result<Keys, FetchError>, began_at: Timestamp, now: Timestamp) -> Self {
        match landed {
            Ok(keys) => Self {
                keys: Arc::new(keys),
                // A reply is as old as its question, however long it lay about.
                fetched_at: Some(began_at),
                tried_at: Some(now),
                failures: 0,
                failure: None,
            },
            Err(error) => Self {
                keys: self.keys.clone(),
                fetched_at: self.fetched_at,
                tried_at: Some(now),
                failures: self.failures.saturating_add(1),
                failure: Some(Arc::new(error)),
            },
        }
    }
}

/// Whether `pause` has passed since `then`; a clock that was set back must not make it last for ever.
fn passed(then: Timestamp, pause: Duration, now: Timestamp) -> bool {
    now < then || now.since(then) >= pause
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = self.known.load();
        f.debug_struct("KeySet")
            .field("url", &shown(&self.url))
            .field("keys", &known.keys.len())
            .field("fetched_at", &known.fetched_at)
            .finish_non_exhaustive()
    }
}
