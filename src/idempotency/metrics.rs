use std::sync::atomic::{AtomicU64, Ordering};

use funcify_core::engine::metrics::{IDEMPOTENCY_CALLS, Series};

macro_rules! metrics {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What an [`Idempotency`](super::Idempotency) and its clones have done since it was created. All
        /// fields count up from 0.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct IdempotencyMetrics {
            $($(#[$doc])* pub $name: u64,)*
        }

        #[derive(Debug)]
        pub(super) struct Counters {
            $(pub(super) $name: Counter,)*
        }

        impl Counters {
            pub(super) fn new(scope: &str) -> Self {
                Self { $($name: Counter::new(stringify!($name), scope),)* }
            }

            pub(super) fn read(&self) -> IdempotencyMetrics {
                IdempotencyMetrics { $($name: self.$name.count.load(Ordering::Relaxed),)* }
            }
        }
    };
}

metrics! {
    /// Calls that claimed the key and began the work.
    executions,
    /// Of the `executions`, those after an earlier claim that had ended without an answer.
    takeovers,
    /// Calls that got the answer of another execution.
    replayed,
    /// Calls that waited for another execution.
    waited,
    /// Calls that got [`InProgress`](super::IdempotencyError::InProgress).
    in_progress,
    /// Calls that got [`Mismatch`](super::IdempotencyError::Mismatch).
    mismatches,
    /// Claims that were released, because the work failed or ran out of time.
    released,
    /// Executions whose key another call had taken over before they ended.
    superseded,
    /// Executions whose answer could not be stored in time. The next call does the work again.
    not_remembered,
    /// Reads and writes of the store that failed.
    store_errors,
}

/// The fields that `funcify.idempotency.calls` counts too, each with its value of the label `result`.
const RESULTS: [(&str, &str); 6] = [
    ("executions", "executed"),
    ("replayed", "replayed"),
    ("waited", "waited"),
    ("in_progress", "in_progress"),
    ("mismatches", "mismatch"),
    ("superseded", "superseded"),
];

#[derive(Debug)]
pub(super) struct Counter {
    count: AtomicU64,
    /// The labels of the counter's series, result and scope, if it has a series.
    labels: Option<(&'static str, Box<str>)>,
    series: Series,
}

impl Counter {
    fn new(field: &str, scope: &str) -> Self {
        let result = RESULTS.into_iter().find(|(name, _)| *name == field);
        let labels = result.map(|(_, result)| (result, Box::from(scope)));
        Self { count: AtomicU64::new(0), labels, series: Series::default() }
    }

    pub(super) fn increment(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
        if let Some((result, scope)) = &self.labels {
            self.series.increment(&IDEMPOTENCY_CALLS, || [scope, result]);
        }
    }
}
