use std::sync::atomic::{AtomicU64, Ordering};

use funcify_core::{
    engine::metrics::{Series, TOKEN_FAILURES, TOKEN_GRANTS, TOKEN_REMAINING, TOKEN_REQUESTS},
    register::RecordName,
};

use super::{
    bearer::{Token, TokenSource},
    error::TokenError,
};

macro_rules! metrics {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What a [`TokenGetter`](super::TokenGetter) and its clones have done since it was built. All
        /// fields count up from 0.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct TokenMetrics {
            $($(#[$doc])* pub $name: u64,)*
        }

        #[derive(Debug, Default)]
        pub(super) struct Counters {
            $(pub(super) $name: Counter,)*
            requests: Requests,
        }

        impl Counters {
            pub(super) fn read(&self) -> TokenMetrics {
                TokenMetrics { $($name: self.$name.0.load(Ordering::Relaxed),)* }
            }
        }
    };
}

metrics! {
    /// Tokens that the identity provider granted to this process.
    grants,
    /// Of the `grants`, those that this process requested without a lease, because the store failed or
    /// could not hold the token.
    without_store,
    /// Attempts to get a token from the identity provider that failed. An attempt that an open circuit
    /// refuses counts too.
    failures,
    /// Tokens that another process had fetched and this process read from the store.
    accepted,
    /// Leases that this process took.
    leases_won,
    /// Leases that this process tried to take and another process took first.
    leases_lost,
    /// Of the `leases_won`, those that another process had held and let expire.
    leases_expired,
    /// Calls that got a valid token past its refresh time, because the refresh had failed.
    overdue_served,
    /// Reads of the store, and writes of a lease or a token, that failed.
    store_errors,
    /// Stored records whose token could not be used: corrupt, sealed with a key that this process does
    /// not have, or not visible ASCII. Such a record counts as empty.
    corrupt,
}

#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn increment(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// The series of the calls that got a token, one for each source.
#[derive(Debug, Default)]
struct Requests {
    memory: Series,
    store: Series,
    minted: Series,
    overdue: Series,
}

impl Counters {
    /// A call got this token.
    #[inline]
    pub(super) fn served(&self, key: &RecordName, token: &Token) {
        let requests = &self.requests;
        let (series, source) = match token.source() {
            TokenSource::Memory => (&requests.memory, "memory"),
            TokenSource::Store => (&requests.store, "store"),
            TokenSource::Minted => (&requests.minted, "minted"),
            TokenSource::Overdue => (&requests.overdue, "overdue"),
        };
        series.increment(&TOKEN_REQUESTS, || [key.as_ref(), source]);
        if token.source() == TokenSource::Overdue {
            self.overdue_served.increment();
        }
    }

    /// The provider granted a token to this process.
    pub(super) fn granted(&self, key: &RecordName) {
        self.grants.increment();
        TOKEN_GRANTS.counter(&[key.as_ref()]).increment(1);
    }

    /// The provider granted no token.
    pub(super) fn failed(&self, key: &RecordName, error: &TokenError) {
        self.failures.increment();
        let code = match error {
            TokenError::Grant(error) => known(error.code()),
            TokenError::Open(_) => "circuit_open",
            TokenError::Deadline(_) => "out_of_time",
            _ => "other",
        };
        TOKEN_FAILURES.counter(&[key.as_ref(), code]).increment(1);
    }
}

/// Records in a gauge for how many more seconds the token is valid.
pub(super) fn show_remaining(key: &RecordName, token: &Token, now: funcify_core::Timestamp) {
    let remaining = token.expires_at().since(now).as_secs_f64();
    TOKEN_REMAINING.gauge(&[key.as_ref()]).set(remaining);
}

/// A provider's error code if it is a known one, otherwise `other`: a label must have a bounded number of
/// values.
fn known(code: &str) -> &'static str {
    const CODES: [&str; 10] = [
        "access_denied",
        "invalid_client",
        "invalid_grant",
        "invalid_request",
        "invalid_scope",
        "not_signed",
        "unauthorized_client",
        "unavailable",
        "unsupported_grant_type",
        "unusable_answer",
    ];
    CODES.into_iter().find(|known| *known == code).unwrap_or("other")
}
