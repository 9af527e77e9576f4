//! The claim that the work gets, and the claims that the current task is inside of.

use std::{future::Future, sync::Arc};

use aws_lc_rs::digest::{SHA256, digest};
use http::{HeaderName, Method};

use super::key::Key;

/// The header of the IETF draft *The Idempotency-Key HTTP Header Field*.
pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

tokio::task_local! {
    static CURRENT: Claim;
}

/// The right to do the work for one key. [`Idempotency::run`](super::Idempotency::run) passes it to the work.
///
/// # Examples
///
/// ```
/// use funcify::{Stores, idempotency::Idempotency};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let stores = Stores::from_url("memory:").await?;
/// let orders = Idempotency::new("orders", stores.idempotency.clone())?;
/// let charged = orders.run("order 7", &500, async |claim| {
///     assert_eq!(claim.attempt(), 1);
///     Ok::<_, std::io::Error>(claim.step("charge")) // for the `Idempotency-Key` of a payment
/// });
/// assert_eq!(charged.await?.len(), 36);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Claim(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    key: Key,
    fence: i64,
    attempt: u32,
    /// The claim whose work took this one, if any.
    outer: Option<Claim>,
}

impl Claim {
    pub(super) fn new(key: Key, fence: i64, attempt: u32) -> Self {
        let outer = CURRENT.try_with(Self::clone).ok();
        Self(Arc::new(Inner { key, fence, attempt, outer }))
    }

    /// A fencing token: a number that grows with every claim of the key. Let your database refuse a write
    /// with a smaller number than it has seen. Then a process that was frozen in the middle of its work
    /// cannot overwrite the result of the next one.
    ///
    /// It is the time of the claim in milliseconds since the Unix epoch, or the last number plus one if that
    /// is greater.
    #[must_use]
    pub fn fence(&self) -> i64 {
        self.0.fence
    }

    /// The number of this claim of the key, counted from 1. If it is above 1, an earlier attempt began and
    /// may have had a part of the effect.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.0.attempt
    }

    /// An idempotency key for a call that the work makes: a UUID of version 8 (RFC 9562 §5.8) that is the
    /// same in every attempt. Give each call in the work its own `name`.
    #[must_use]
    pub fn step(&self, name: &str) -> String {
        self.0.key.step(name)
    }

    /// Runs the work of this claim.
    pub(super) fn scope<F: Future>(self, work: F) -> impl Future<Output = F::Output> {
        CURRENT.scope(self, work)
    }
}

/// Whether this task is already inside the work for this key.
pub(super) fn is_inside(key: &Key) -> bool {
    let mut next = CURRENT.try_with(Claim::clone).ok();
    while let Some(claim) = next {
        if claim.0.key == *key {
            return true;
        }
        next = claim.0.outer.clone();
    }
    false
}

/// The `Idempotency-Key` of a request that the work sends. It is the same for the same request in every
/// attempt. Returns `None` outside of any work, and for a method other than POST and PATCH.
pub(crate) fn outgoing_key(method: &Method, url: &str, body: &[u8]) -> Option<String> {
    if !matches!(*method, Method::POST | Method::PATCH) {
        return None;
    }
    let body = digest(&SHA256, body);
    let claim = CURRENT.try_with(Claim::clone).ok()?;
    // With the null character, the name differs from any that a user would choose for a step.
    Some(format!("\"{}\"", claim.step(&format!("{method} {url}\0{body:?}"))))
}
