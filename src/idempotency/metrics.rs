use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! metrics {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What an [`Idempotency`](super::Idempotency) and its clones have done. All fields count up
        /// from 0.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct IdempotencyMetrics {
            $($(#[$doc])* pub $name: u64,)*
        }

        #[derive(Debug, Default)]
        pub(super) struct Counters {
            $(pub(super) $name: Counter,)*
        }

        impl Counters {
            pub(super) fn read(&self) -> IdempotencyMetrics {
                IdempotencyMetrics { $($name: self.$name.0.load(Ordering::Relaxed),)* }
            }
        }
    };
}

metrics! {
    /// Calls that took the key and began the work.
    executions,
    /// Executions among them after an earlier claim that had ended without an answer.
    takeovers,
    /// Calls that got the answer of another execution.
    replayed,
    /// Calls that waited for another execution.
    waited,
    /// Calls that were told that the work is in progress.
    in_progress,
    /// Calls that used the key with another payload.
    mismatches,
    /// Claims that were released, because the work failed or was ended.
    released,
    /// Executions that another one had taken over before they ended.
    superseded,
    /// Answers that could not be stored.
    not_remembered,
    /// Store operations that failed.
    store_errors,
}

#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn increment(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
