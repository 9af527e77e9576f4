//! What to do about a token, given its record. The functions are pure: the time and the random draw are
//! arguments.

#[cfg(test)]
mod tests;

use std::time::Duration;

use super::{AccessToken, TokenPolicy, TokenRecord};
use crate::{Timestamp, register::WriteId};

/// How steeply the chance of a refresh rises towards the end of the refresh window.
///
/// With 8, one call in 3,000 (e⁻⁸) refreshes when the window opens, and every call when it closes. A busy
/// fleet refreshes early in the window. A fleet with few calls still refreshes in time.
const STEEPNESS: f64 = 8.0;

/// The getter that asks for the token.
#[derive(Clone, Debug)]
pub struct Asker<'a> {
    /// The random id of the getter, under which it takes leases.
    pub holder: WriteId,
    /// The digest of everything that determines the wanted token, as it was configured. See
    /// [`TokenRecord::digest`].
    pub digest: &'a str,
    /// The digest of the canonical configuration, in which the order of scopes does not matter, for
    /// example.
    pub meaning: &'a str,
    /// The keyed digest of the configured secret. See
    /// [`RememberedFailure::cred`](super::RememberedFailure::cred).
    pub cred: Option<&'a str>,
    /// How long this process has seen the same version of the record, by a monotonic clock.
    pub watched: Duration,
    /// How much longer this process can watch the record.
    pub patience: Duration,
    /// The token that an API rejected, if that is why a new token is wanted.
    pub rejected: Option<&'a AccessToken>,
}

/// What to do about a token.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Use the stored token.
    Use,
    /// Ask the provider: this getter holds the lease.
    Mint,
    /// Another getter asks the provider. Use the stored token if it is still valid, and otherwise read the
    /// record again a little later.
    Wait {
        /// When the lease of the other getter is over.
        until: Timestamp,
    },
    /// An API rejected the token, but the token was renewed for that reason less than 30 s ago.
    RejectedTooOften {
        /// When the token may be renewed again.
        until: Timestamp,
    },
    /// The provider failed a moment ago. Do not ask it now.
    BackOff {
        /// When the provider may be asked again.
        until: Timestamp,
    },
    /// Try to take the lease: replace the record that was read by this one.
    Take(Box<TokenRecord>),
    /// Ask the provider without a lease: the store cannot hold the token, so each process fetches its own.
    Unshared,
    /// Another token is in use under this key. Do not use it, and do not overwrite it.
    KeyInUse,
}

/// Decides what to do about a token.
///
/// The order of the rules matters: a usable token, a token that the store cannot hold, a lease, the limit
/// for rejected tokens, a remembered failure. If none of them decides, the lease is taken. If the limit
/// for rejected tokens came before the lease, callers would get an error although they only need to wait
/// for the process that is renewing the token.
///
/// `chance` is a uniform draw from 0 to 1. It decides whether this call renews a token that is still
/// valid. With 0 it does once the token may be renewed.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use funcify_core::{Timestamp, engine::{Asker, Decision, decide}, register::WriteId};
/// use funcify_core::token::{TokenPolicy, TokenRecord};
///
/// let (policy, now) = (TokenPolicy::default(), Timestamp::from_millis(1_700_000_000_000));
/// let me = Asker {
///     holder: WriteId::from_bits(1),
///     digest: "0123456789abcdef0123456789abcdef",
///     meaning: "0123456789abcdef0123456789abcdef",
///     cred: None,
///     watched: Duration::ZERO,
///     patience: Duration::from_secs(10),
///     rejected: None,
/// };
/// let Decision::Take(leased) = decide(&TokenRecord::default(), &me, &policy, now, 0.5) else {
///     panic!("the lease of an empty record is free");
/// };
/// assert_eq!(decide(&leased, &me, &policy, now, 0.5), Decision::Mint);
///
/// let other = Asker { holder: WriteId::from_bits(2), ..me };
/// let until = now + Duration::from_secs(4);
/// assert_eq!(decide(&leased, &other, &policy, now, 0.5), Decision::Wait { until });
/// ```
#[must_use]
pub fn decide(
    record: &TokenRecord,
    asker: &Asker<'_>,
    policy: &TokenPolicy,
    now: Timestamp,
    chance: f64,
) -> Decision {
    let stored = record;
    let record = stored.clone().credible(policy, now);
    if record.is_foreign(asker.digest, asker.meaning, now) {
        return Decision::KeyInUse;
    }
    let record = record.owned(asker.digest, asker.meaning);
    // The stored token stays in the record even if this process does not believe its times, because other
    // processes may.
    let lease = || {
        let (failure, forced_at) = (record.failure.clone(), record.forced_at);
        let stored =
            TokenRecord { failure, forced_at, ..stored.clone().owned(asker.digest, asker.meaning) };
        stored.leased(asker, policy, now)
    };
    usable(&record, asker, now, chance)
        .or_else(|| unshared(&record, now))
        .or_else(|| leased(&record, asker, policy, now))
        .or_else(|| rejected_too_often(&record, asker, now))
        .or_else(|| failed(&record, asker, now))
        .unwrap_or_else(|| Decision::Take(Box::new(lease())))
}

fn usable(
    record: &TokenRecord,
    asker: &Asker<'_>,
    now: Timestamp,
    chance: f64,
) -> Option<Decision> {
    let is_usable = record.is_valid(now)
        && !is_rejected(record, asker)
        && !refreshes_early(record.refresh_at, record.expires_at, now, chance);
    is_usable.then_some(Decision::Use)
}

fn unshared(record: &TokenRecord, now: Timestamp) -> Option<Decision> {
    record.unshared_until.filter(|until| now < *until).map(|_| Decision::Unshared)
}

/// The decision while there is a lease.
///
/// The clock of the lease's holder may be ahead, so its lease may end too late. For a process that has
/// watched the same version of the record for the length of a lease, the lease is over. If the clock of
/// the holder is so far ahead that the end is not believed, only a process that has enough time to watch
/// the lease waits for it. This leaves a working holder undisturbed. Every other process ignores the
/// lease.
fn leased(
    record: &TokenRecord,
    asker: &Asker<'_>,
    policy: &TokenPolicy,
    now: Timestamp,
) -> Option<Decision> {
    let lease = record.lease.as_ref()?;
    let left = policy.lease.saturating_sub(asker.watched);
    if now >= lease.until || left.is_zero() {
        return None;
    }
    let is_mine = lease.holder == asker.holder;
    let until = match record.has_credible_lease(policy, now) {
        true => lease.until,
        false if is_mine || asker.patience < left => return None,
        false => now + left,
    };
    Some(if is_mine { Decision::Mint } else { Decision::Wait { until } })
}

fn rejected_too_often(record: &TokenRecord, asker: &Asker<'_>, now: Timestamp) -> Option<Decision> {
    let forced_at = record.forced_at.filter(|_| is_rejected(record, asker))?;
    let until = forced_at + TokenPolicy::FORCED_INTERVAL;
    (now < until).then_some(Decision::RejectedTooOften { until })
}

/// The decision while a failure is remembered. A refused secret applies only to the getters with that
/// secret.
fn failed(record: &TokenRecord, asker: &Asker<'_>, now: Timestamp) -> Option<Decision> {
    let failure = record.failure.as_ref()?;
    let binds = failure.cred.is_none() || failure.cred.as_deref() == asker.cred;
    (binds && now < failure.until).then_some(Decision::BackOff { until: failure.until })
}

fn is_rejected(record: &TokenRecord, asker: &Asker<'_>) -> bool {
    asker.rejected.is_some() && record.token.as_ref() == asker.rejected
}

/// Whether this call renews a token that is still valid.
///
/// It never does before `refresh_at`, and always does from `expires_at` on. In between the chance rises
/// exponentially.
#[must_use]
pub fn refreshes_early(
    refresh_at: Timestamp,
    expires_at: Timestamp,
    now: Timestamp,
    chance: f64,
) -> bool {
    if now < refresh_at {
        return false;
    }
    let left = expires_at.since(now).as_secs_f64();
    let window = expires_at.since(refresh_at).as_secs_f64();
    -chance.ln() * window / STEEPNESS >= left
}
