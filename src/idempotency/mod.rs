//! Work that is done once per key, however often it is retried: because a message is delivered twice, a
//! client repeats its request, or a function dies between the effect and the answer.
//!
//! [All pages]: https://docs.rs/funcify
//!
#![doc = include_str!("../../docs/idempotency.md")]

mod acquire;
mod claim;
mod error;
mod finish;
mod key;
mod metrics;
mod shared;
#[cfg(test)]
mod tests;
mod work;

use std::{fmt, future::Future, sync::Arc};

use funcify_core::engine::{Chance, Clock, SystemClock};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

pub use claim::Claim;
pub use error::IdempotencyError;
#[doc(inline)]
pub use funcify_core::idempotency::{IdempotencyPolicy, IdempotencyProvider, IdempotencyRecord};
pub use metrics::IdempotencyMetrics;

pub(crate) use claim::{IDEMPOTENCY_KEY, outgoing_key};
pub(crate) use error::Refusal;
pub(crate) use key::Key;

use crate::config_error::ConfigError;
use acquire::{Acquired, Call};
use finish::Completed;
use metrics::Counters;
use shared::Shared;

/// Does the work for a key once, and gives every caller the same answer.
///
/// Create one per operation and process. It is cheap to clone, and clones count into the same
/// [`metrics`](Self::metrics).
///
/// # Examples
///
/// ```
/// use funcify::{Stores, idempotency::Idempotency};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let stores = Stores::from_url("memory:").await?; // in production: Stores::from_env()
/// let payments = Idempotency::new("payments", stores.idempotency.clone())?;
///
/// let mut charged = 0;
/// for _ in 0..3 {
///     let receipt: String = payments
///         .run("order 7", &("EUR", 500), async |_| {
///             charged += 1;
///             Ok::<_, std::io::Error>(format!("receipt {charged}"))
///         })
///         .await?;
///     assert_eq!(receipt, "receipt 1");
/// }
/// assert_eq!(charged, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct Idempotency {
    shared: Arc<Shared>,
    policy: IdempotencyPolicy,
    clock: Arc<dyn Clock>,
    /// Whether to read the record before the first write. If the key was probably used before, a read costs
    /// less than a write that conflicts.
    reads_first: bool,
}

impl Idempotency {
    /// Idempotency for one operation, with the default policy. `store` is the field `idempotency` of
    /// [`Stores`](crate::Stores).
    ///
    /// `scope` names the operation: 1 to 20 of the characters `A-Z a-z 0-9 _ . -`. The same key in another
    /// scope is another key.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Invalid`] if the scope is not such a name, or if the store does not support
    /// idempotency, as SSM Parameter Store does not.
    pub fn new(scope: &str, store: Arc<dyn IdempotencyProvider>) -> Result<Self, ConfigError> {
        let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        if !(1..=key::LONGEST_SCOPE).contains(&scope.len()) || !scope.bytes().all(is_legal) {
            return Err(ConfigError::invalid(format!(
                "`Idempotency::new`: expected 1 to 20 of the characters A-Z a-z 0-9 _ . - as the scope, \
                 got {:?}",
                scope.chars().take(80).collect::<String>()
            )));
        }
        let poll = store.poll_policy();
        if let Some(why) = poll.no_idempotency {
            return Err(ConfigError::invalid(format!("`Idempotency::new`: the store: {why}")));
        }
        let (chance, counters) = (Chance::from_entropy(), Counters::new(scope));
        let scope = scope.to_owned();
        Ok(Self {
            shared: Arc::new(Shared { scope, store, poll, chance, counters }),
            policy: IdempotencyPolicy::default(),
            clock: Arc::new(SystemClock),
            reads_first: false,
        })
    }

    /// Sets how long an answer is remembered, how long a duplicate waits, and the other numbers. Default:
    /// [`IdempotencyPolicy::default`]. Use the same policy in every function that shares the scope.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Faults`] with every number that is out of its range.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use funcify::{Stores, idempotency::{Idempotency, IdempotencyPolicy}};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let stores = Stores::from_url("memory:").await?;
    /// let mut policy = IdempotencyPolicy::default();
    /// policy.retention = Duration::from_secs(7 * 86_400);
    /// let payments = Idempotency::new("payments", stores.idempotency.clone())?.policy(policy)?;
    /// # let _ = payments;
    /// # Ok::<(), funcify::ConfigError>(())
    /// # }).unwrap();
    /// ```
    pub fn policy(self, policy: IdempotencyPolicy) -> Result<Self, ConfigError> {
        let faults = policy.faults();
        if faults.is_empty() {
            return Ok(Self { policy, ..self });
        }
        Err(ConfigError::Faults { what: "`Idempotency::policy`", faults })
    }

    /// Takes the time from `clock`. For tests.
    #[doc(hidden)]
    #[must_use]
    pub fn clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// Draws the intervals between reads from `chance`, with new counters. For simulations.
    #[doc(hidden)]
    #[must_use]
    pub fn chance(self, chance: Chance) -> Self {
        let Shared { scope, store, poll, .. } = &*self.shared;
        let (scope, store, poll) = (scope.clone(), Arc::clone(store), *poll);
        let counters = Counters::new(scope.as_str());
        let shared = Arc::new(Shared { scope, store, poll, chance, counters });
        Self { shared, ..self }
    }

    /// A clone for a call that was probably made before, such as a message that is delivered again.
    #[doc(hidden)]
    #[must_use]
    pub fn redelivered(&self, reads_first: bool) -> Self {
        Self { reads_first, ..self.clone() }
    }

    /// Does `work` once for `key`, and returns its answer: the output of `work`, or the answer of an earlier
    /// call with the same key and the same payload.
    ///
    /// `key` is a text, a number, or a tuple of such parts. `payload` is everything that the work depends on.
    /// If a later call uses the key with another payload, it gets [`IdempotencyError::Mismatch`]. Both are
    /// compared as JSON, in which the order of members does not count.
    ///
    /// If another call works on the key, this one waits for its answer, for 5 s by default
    /// ([`IdempotencyPolicy::wait`]). If the work fails, the key is free again, and the next call does the
    /// work. If the future of this call is dropped or panics, the key is freed too.
    ///
    /// # Errors
    ///
    /// [`IdempotencyError::Failed`] with the error of the work, and otherwise [`IdempotencyError`].
    pub async fn run<T: Serialize + DeserializeOwned, E>(
        &self,
        key: &(impl Serialize + ?Sized),
        payload: &(impl Serialize + ?Sized),
        work: impl AsyncFnOnce(Claim) -> Result<T, E>,
    ) -> Result<T, IdempotencyError<E>> {
        let keep = |result: &Result<T, E>| match result {
            Ok(answer) => Keep::as_json(&Kept::<&T, ()>::Ok(answer)),
            Err(_) => Keep::Nothing,
        };
        let (key, fingerprint) = self.key_and_fingerprint(key, payload)?;
        match self.execute(key, &fingerprint, |claim| work(claim), keep).await? {
            Ended::Here(result) => result.map_err(IdempotencyError::Failed),
            Ended::Elsewhere(answer) => match parsed::<Kept<T, serde::de::IgnoredAny>>(answer) {
                Some(Kept::Ok(answer)) => Ok(answer),
                Some(Kept::Err(_)) | None => Err(IdempotencyError::AnswerNotKept),
            },
        }
    }

    /// Does `work` once for `key`, as [`run`](Self::run) does, and can remember failures too.
    ///
    /// A result is remembered if `is_final` returns `true` for it. A duplicate of a remembered failure gets
    /// the same failure as [`IdempotencyError::Failed`]. If `is_final` returns `false`, the key is free
    /// again.
    ///
    /// # Errors
    ///
    /// The same as [`run`](Self::run).
    ///
    /// # Examples
    ///
    /// ```
    /// use funcify::{Stores, idempotency::{Idempotency, IdempotencyError}};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let stores = Stores::from_url("memory:").await?;
    /// let payments = Idempotency::new("payments", stores.idempotency.clone())?;
    /// let is_final = |result: &Result<u64, String>| !matches!(result, Err(why) if why == "busy");
    ///
    /// for why in ["busy", "declined", "not even asked"] {
    ///     let charge = payments.run_classified("7", &500, is_final, async |_| Err(why.to_owned()));
    ///     let Err(IdempotencyError::Failed(failure)) = charge.await else { panic!("it was charged") };
    ///     assert_eq!(failure, if why == "busy" { "busy" } else { "declined" });
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub async fn run_classified<T, E>(
        &self,
        key: &(impl Serialize + ?Sized),
        payload: &(impl Serialize + ?Sized),
        is_final: impl FnOnce(&Result<T, E>) -> bool,
        work: impl AsyncFnOnce(Claim) -> Result<T, E>,
    ) -> Result<T, IdempotencyError<E>>
    where
        T: Serialize + DeserializeOwned,
        E: Serialize + DeserializeOwned,
    {
        let keep = |result: &Result<T, E>| match result {
            result if !is_final(result) => Keep::Nothing,
            Ok(answer) => Keep::as_json(&Kept::<&T, ()>::Ok(answer)),
            Err(failure) => Keep::as_json(&Kept::<(), &E>::Err(failure)),
        };
        let (key, fingerprint) = self.key_and_fingerprint(key, payload)?;
        let result = match self.execute(key, &fingerprint, |claim| work(claim), keep).await? {
            Ended::Here(result) => result,
            Ended::Elsewhere(answer) => match parsed::<Kept<T, E>>(answer) {
                Some(Kept::Ok(answer)) => Ok(answer),
                Some(Kept::Err(failure)) => Err(failure),
                None => return Err(IdempotencyError::AnswerNotKept),
            },
        };
        result.map_err(IdempotencyError::Failed)
    }

    /// What this value and its clones have done since it was created.
    #[must_use]
    pub fn metrics(&self) -> IdempotencyMetrics {
        self.shared.counters.read()
    }

    pub(crate) fn key_and_fingerprint<E>(
        &self,
        key: &(impl Serialize + ?Sized),
        payload: &(impl Serialize + ?Sized),
    ) -> Result<(Key, String), IdempotencyError<E>> {
        let both = || {
            let key = Key::new(&self.shared.scope, key)?;
            let fingerprint = key.fingerprint(payload)?;
            Ok((key, fingerprint))
        };
        both().map_err(IdempotencyError::Unclaimed)
    }

    /// The steps of one call, in order.
    pub(crate) async fn execute<R, F: Future<Output = R>>(
        &self,
        key: Key,
        fingerprint: &str,
        work: impl FnOnce(Claim) -> F,
        keep: impl FnOnce(&R) -> Keep,
    ) -> Result<Ended<R>, Refusal> {
        if claim::is_inside(&key) {
            return Err(Refusal::Nested);
        }
        let (shared, policy, clock) = (&self.shared, &self.policy, &self.clock);
        let call = Call { shared, policy, clock, key: &key, fingerprint };
        let mut held = match Box::pin(call.acquire(self.reads_first)).await? {
            Acquired::Claim(held) => held,
            Acquired::Answer(answer) => return Ok(Ended::Elsewhere(answer)),
        };
        let claim = Claim::new(key, held.fence(), held.attempt());
        let Some(output) = held.work(claim.clone().scope(work(claim))).await else {
            Box::pin(held.release()).await;
            return Err(Refusal::Deadline);
        };
        let answer = match keep(&output) {
            Keep::Nothing => {
                Box::pin(held.release()).await;
                return Ok(Ended::Here(output));
            }
            Keep::Answer(answer) => answer.filter(|answer| answer.len() <= self.policy.max_answer),
        };
        match Box::pin(held.complete(answer)).await {
            Completed::Here => Ok(Ended::Here(output)),
            Completed::Elsewhere(answer) => Ok(Ended::Elsewhere(answer)),
            Completed::Superseded => Err(Refusal::Superseded),
        }
    }
}

/// Which call did the work.
pub(crate) enum Ended<R> {
    /// This call, with this output.
    Here(R),
    /// Another call, which stored this answer. `None` if it was not kept.
    Elsewhere(Option<String>),
}

/// What to remember of an output.
pub(crate) enum Keep {
    /// Nothing: the next call does the work again.
    Nothing,
    /// That the work was done, with this answer if there is one to keep.
    Answer(Option<String>),
}

impl Keep {
    pub(crate) fn as_json(answer: &impl Serialize) -> Self {
        let text = serde_json::to_string(answer);
        if let Err(error) = &text {
            tracing::warn!(%error, "an answer cannot be written as JSON and is not kept");
        }
        Self::Answer(text.ok())
    }
}

/// An answer as it is stored.
#[derive(Serialize, Deserialize)]
enum Kept<T, E> {
    Ok(T),
    Err(E),
}

fn parsed<A: DeserializeOwned>(answer: Option<String>) -> Option<A> {
    // It fails if the type has changed since, or if this process does not have the keys of the seal.
    serde_json::from_str(&answer?).ok()
}

impl fmt::Debug for Idempotency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Idempotency")
            .field("scope", &self.shared.scope)
            .field("store", &self.shared.store)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}
