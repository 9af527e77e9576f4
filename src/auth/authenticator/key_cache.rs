//! The keys of one issuer: fetched when they are first needed, kept, and renewed while handlers wait for
//! other things.

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use funcify_core::{Timestamp, engine::Clock};
use reqwest::Url;
use tokio::sync::{Mutex, MutexGuard};

use crate::auth::authenticator::algorithm::Algorithm;
use crate::auth::authenticator::error::Unauthenticated;
use crate::auth::authenticator::fetch::{Fetch, FetchError, in_time};
use crate::auth::authenticator::jwk::{Keys, NotAKeySet, Skipped};
use crate::auth::authenticator::public_key::{Key, Unusable};
use crate::shown_url::shown;

/// The largest key set: 256 KB, room for more than a hundred RSA keys with their certificates.
const LARGEST: usize = 256 * 1024;

/// When keys are fetched.
#[derive(Clone, Copy, Debug)]
pub(super) struct RefreshPolicy {
    /// The age at which keys are renewed, while handlers wait for other things.
    pub(super) refresh_after: Duration,
    /// The age at which keys are no longer used, even if the issuer cannot be reached: a withdrawn key must
    /// not be trusted for ever.
    pub(super) ends_after: Duration,
    /// The shortest time between two fetches, however many unknown keys the tokens name.
    pub(super) cool_down: Duration,
    /// The pause after the first failed fetch. It doubles with each failure, up to the cool-down.
    pub(super) back_off: Duration,
}

impl RefreshPolicy {
    pub(super) const DEFAULT: Self = Self {
        // A withdrawn key is trusted for ten minutes at most while the issuer answers, and an issuer
        // gets at most six requests an hour from an instance.
        refresh_after: Duration::from_secs(10 * 60),
        // Callers with a known key do not notice an outage of the issuer of less than a day.
        ends_after: Duration::from_secs(24 * 60 * 60),
        // Tokens with invented key names cause two requests a minute from an instance to the issuer.
        cool_down: Duration::from_secs(30),
        back_off: Duration::from_secs(1),
    };
}

/// A fetch in progress. The cache owns it, so that the next caller can continue it if the caller that started
/// it is dropped.
struct Pending {
    started_at: Timestamp,
    /// Whether this fetch repeats one whose connection may have died. If it fails too, the issuer is at
    /// fault.
    is_second: bool,
    reply: Pin<Box<dyn Future<Output = Result<Keys, FetchError>> + Send>>,
}

/// The cached key set of one issuer.
pub(super) struct KeyCache {
    url: Url,
    parse: fn(&[u8]) -> Result<Keys, FetchError>,
    policy: RefreshPolicy,
    cached: ArcSwap<Cached>,
    /// Locked while a caller waits for a fetch, so that there is only one.
    pending: Mutex<Option<Pending>>,
}

#[derive(Debug, Default)]
struct Cached {
    keys: Arc<Keys>,
    fetched_at: Option<Timestamp>,
    tried_at: Option<Timestamp>,
    failures: u32,
    failure: Option<Arc<FetchError>>,
}

impl KeyCache {
    pub(super) fn new(url: Url, policy: RefreshPolicy) -> Self {
        let (cached, pending) = (ArcSwap::default(), Mutex::default());
        Self { url, parse: key_set, policy, cached, pending }
    }

    /// The cache of a single key without a name, which is published in PEM.
    pub(super) fn of_one_key(url: Url, policy: RefreshPolicy) -> Self {
        Self { parse: one_key, ..Self::new(url, policy) }
    }

    /// Whether keys were ever fetched.
    pub(super) fn has_keys(&self) -> bool {
        self.cached.load().fetched_at.is_some()
    }

    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    /// The keys, if one of them is a candidate for `kid` and `algorithm`.
    ///
    /// A known key is returned at once until the keys are too old to use. Otherwise the keys are fetched, but
    /// not before the cool-down is over.
    pub(super) async fn keys(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
        fetch: &Fetch,
        clock: &dyn Clock,
    ) -> Result<Arc<Keys>, Unauthenticated> {
        let has_key = |cached: &Cached| {
            !cached.is_older_than(self.policy.ends_after, clock.now())
                && !cached.keys.candidates(kid, algorithm).is_empty()
        };
        let cached = self.cached.load_full();
        if has_key(&cached) {
            return Ok(cached.keys.clone());
        }
        let cached = match in_time(self.refetched(fetch, clock)).await {
            Ok(cached) => cached,
            Err(late) => return Err(Unauthenticated::Unavailable(late)),
        };
        match &cached.failure {
            _ if has_key(&cached) => Ok(cached.keys.clone()),
            // The key may be new. The caller is not at fault if the issuer is down.
            Some(failure) => Err(Unauthenticated::Unavailable(failure.clone())),
            None => Err(Unauthenticated::Key),
        }
    }

    /// Fetches the keys again if they were fetched before and are due, unless another caller is fetching
    /// them.
    pub(super) async fn renew(&self, fetch: &Fetch, clock: &dyn Clock) {
        if self.cached.load().fetched_at.is_none() {
            return;
        }
        if let Some(pending) = self.due(clock.now()) {
            self.finish(pending, fetch, clock).await;
        }
    }

    /// The lock of the fetch, if the keys are due and no other caller holds it.
    fn due(&self, now: Timestamp) -> Option<MutexGuard<'_, Option<Pending>>> {
        let cached = self.cached.load();
        let due = cached.is_older_than(self.policy.refresh_after, now)
            && cached.may_try(self.policy, now);
        if due { self.pending.try_lock().ok() } else { None }
    }

    /// The keys after a fetch by this caller or by another one. Within the cool-down, the result of the last
    /// fetch.
    async fn refetched(&self, fetch: &Fetch, clock: &dyn Clock) -> Arc<Cached> {
        let pending = self.pending.lock().await;
        if self.cached.load().may_try(self.policy, clock.now()) {
            self.finish(pending, fetch, clock).await;
        }
        self.cached.load_full()
    }

    /// Starts a fetch, or continues the one in progress, and keeps its result.
    async fn finish(
        &self,
        mut pending: MutexGuard<'_, Option<Pending>>,
        fetch: &Fetch,
        clock: &dyn Clock,
    ) {
        let age = self.policy.refresh_after;
        // A reply is as old as its request, and may have waited in a frozen process. This one is too old to
        // use.
        pending.take_if(|left_over| has_passed(left_over.started_at, age, clock.now()));
        let may_have_died = pending.as_ref().is_some_and(|left_over| !left_over.is_second);
        let under_way = pending.get_or_insert_with(|| self.start(fetch, clock));
        let mut result = (&mut under_way.reply).await;
        if may_have_died && result.is_err() {
            // An earlier invocation started this fetch. Its connection may have died while the process was
            // frozen.
            *under_way = Pending { is_second: true, ..self.start(fetch, clock) };
            result = (&mut under_way.reply).await;
        }
        let started_at = under_way.started_at;
        *pending = None;
        self.log(&result);
        let cached = self.cached.load().after(result, started_at, clock.now());
        self.cached.store(Arc::new(cached));
    }

    fn start(&self, fetch: &Fetch, clock: &dyn Clock) -> Pending {
        let (fetch, url, parse) = (fetch.clone(), self.url.clone(), self.parse);
        let reply = Box::pin(async move {
            let reply = fetch.get(&url, None, LARGEST).await?.unwrap_or_default();
            parse(&reply)
        });
        Pending { started_at: clock.now(), is_second: false, reply }
    }

    /// Issuers publish keys for other uses too, so skipping one is logged at debug. A weak or malformed
    /// key is a mistake of the issuer, so skipping it is a warning.
    fn log(&self, result: &Result<Keys, FetchError>) {
        let key_set = self.url.host_str();
        match result {
            Err(error) => {
                tracing::warn!(key_set, error = crate::error_chain(error), "keys not fetched");
            }
            Ok(keys) => {
                for Skipped { kid, reason } in keys.skipped() {
                    match reason {
                        Unusable::OtherUse(reason) => {
                            tracing::debug!(key_set, kid, reason, "key skipped");
                        }
                        Unusable::Malformed(reason) | Unusable::Weak(reason) => {
                            tracing::warn!(key_set, kid, reason, "key skipped");
                        }
                    }
                }
            }
        }
    }
}

impl Cached {
    fn is_older_than(&self, age: Duration, now: Timestamp) -> bool {
        self.fetched_at.is_none_or(|fetched_at| has_passed(fetched_at, age, now))
    }

    fn may_try(&self, policy: RefreshPolicy, now: Timestamp) -> bool {
        let pause = match self.failures {
            0 => policy.cool_down,
            failures => {
                policy.back_off.saturating_mul(1 << (failures - 1).min(16)).min(policy.cool_down)
            }
        };
        self.tried_at.is_none_or(|tried_at| has_passed(tried_at, pause, now))
    }

    /// What is cached after a fetch. A failed fetch leaves the old keys.
    fn after(
        &self,
        result: Result<Keys, FetchError>,
        started_at: Timestamp,
        now: Timestamp,
    ) -> Self {
        match result {
            Ok(keys) => Self {
                keys: Arc::new(keys),
                // A reply is as old as its request, and may have waited in a frozen process.
                fetched_at: Some(started_at),
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

fn key_set(reply: &[u8]) -> Result<Keys, FetchError> {
    Keys::parse(reply).map_err(|NotAKeySet| FetchError::Unusable("expected a key set"))
}

fn one_key(reply: &[u8]) -> Result<Keys, FetchError> {
    let expected = |_| FetchError::Unusable("expected a public key on P-256 in PEM");
    Key::of_pem(reply).map(Keys::from).map_err(expected)
}

/// Whether `pause` has passed since `then`. Also `true` if the clock was set back: otherwise the pause could
/// last for ever.
fn has_passed(then: Timestamp, pause: Duration, now: Timestamp) -> bool {
    now < then || now.since(then) >= pause
}

impl fmt::Debug for KeyCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cached = self.cached.load();
        f.debug_struct("KeyCache")
            .field("url", &shown(self.url.as_str()))
            .field("keys", &cached.keys.len())
            .field("fetched_at", &cached.fetched_at)
            .finish_non_exhaustive()
    }
}
