use std::sync::atomic::{AtomicU64, Ordering};

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
