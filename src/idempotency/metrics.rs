use std::sync::atomic::{AtomicU64, Ordering};

use funcify_core::engine::metrics::{IDEMPOTENCY_CALLS, Series};

macro_rules! metrics {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What an [`Idempotency`](super::Idempotency) and its clones have done. All fields count up
        /// from 0.
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
    /// Calls that took the key and began the work.
    executions,
    /// Executions among them after an earlier claim that had ended without an answer.
    takeovers,
    /// Calls that got the answer of another execution.
    replayed,
    /// Calls that waited for another execution.
    waited,
    /// Calls that got `InProgress`.
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

/// The fields that the metric of all calls counts, and their names there.
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
    /// The result and the scope of its series, if it has one.
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
            let scope = || String::from(scope.clone());
            self.series.increment(|| IDEMPOTENCY_CALLS.counter([scope().into(), (*result).into()]));
        }
    }
}
