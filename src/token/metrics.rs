use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counts {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What a [`TokenGetter`](super::TokenGetter) has done since it was built.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct TokenMetrics {
            $($(#[$doc])* pub $name: u64,)*
        }

        #[derive(Debug, Default)]
        pub(super) struct Counters {
            $(pub(super) $name: Counter,)*
        }

        impl Counters {
            pub(super) fn read(&self) -> TokenMetrics {
                TokenMetrics { $($name: self.$name.0.load(Ordering::Relaxed),)* }
            }
        }
    };
}

counts! {
    /// Tokens that the provider granted to this process.
    grants,
    /// Those of them that were asked for without the store, which did not answer.
    alone,
    /// Requests to the provider that failed.
    failures,
    /// Tokens that other processes had fetched and this one took from the store.
    adopted,
    /// Leases that this process took.
    leases_won,
    /// Leases that somebody else took first.
    leases_lost,
    /// Leases of others that were over before they led to a token, taken by this process.
    leases_expired,
    /// Calls that were served a token which was due and could not be renewed.
    stale_served,
    /// Operations of the store that failed.
    store_errors,
    /// Stored records that were damaged and counted as vacant.
    damaged,
}

#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn increment(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
