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
        /// What a [`TokenGetter`](super::TokenGetter) has done since it was built. All fields count
        /// up from 0.
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
    /// Grants among them that this process asked for without the store, because it did not answer.
    without_store,
    /// Requests to the identity provider that failed.
    failures,
    /// Tokens that another process had fetched and this process took from the store.
    accepted,
    /// Leases that this process took.
    leases_won,
    /// Leases that another process took first.
    leases_lost,
    /// Leases that this process took after another process had let them expire.
    leases_expired,
    /// Calls that got a token which was due and could not be refreshed.
    overdue_served,
    /// Store operations that failed.
    store_errors,
    /// Stored records that were corrupt and counted as empty.
    corrupt,
}

#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn increment(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// The series of the calls that got a token, by its source.
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
        series.increment(|| TOKEN_REQUESTS.counter([key.to_string().into(), source.into()]));
        if token.source() == TokenSource::Overdue {
            self.overdue_served.increment();
        }
    }

    /// The provider granted a token to this process.
    pub(super) fn granted(&self, key: &RecordName) {
        self.grants.increment();
        TOKEN_GRANTS.counter([key.to_string().into()]).increment(1);
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
        TOKEN_FAILURES.counter([key.to_string().into(), code.into()]).increment(1);
    }
}

/// How long a token that came from the store or the provider is valid.
pub(super) fn show_remaining(key: &RecordName, token: &Token, now: funcify_core::Timestamp) {
    let remaining = token.expires_at().since(now).as_secs_f64();
    TOKEN_REMAINING.gauge([key.to_string().into()]).set(remaining);
}

/// The code of a provider, if it is one of a known few: a label has a bounded number of values.
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
