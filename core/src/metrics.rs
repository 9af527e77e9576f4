//! The metrics of funcify, through the crate `metrics`. Without a recorder nothing is counted.
//!
//! Names, labels and units are part of the public API: `docs/operations.md` lists them, and a test
//! compares that list with [`METRICS`].

use std::sync::OnceLock;

use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, Unit, with_recorder};

/// A metric: its name, its unit and the names of its labels.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// The name, such as `funcify.circuit.calls`.
    pub name: &'static str,
    /// The unit of a value.
    pub unit: Unit,
    /// The names of the labels, in order.
    pub labels: &'static [&'static str],
}

macro_rules! metrics {
    ($($constant:ident = $name:literal, $unit:ident, [$($label:literal),*];)*) => {
        $(
            #[allow(missing_docs, reason = "the table says it")]
            pub const $constant: Metric =
                Metric { name: $name, unit: Unit::$unit, labels: &[$($label),*] };
        )*
        /// All metrics.
        pub const METRICS: &[Metric] = &[$($constant),*];
    };
}

metrics! {
    CIRCUIT_CALLS = "funcify.circuit.calls", Count, ["circuit", "outcome"];
    CIRCUIT_REJECTED = "funcify.circuit.rejected", Count, ["circuit", "cause"];
    CIRCUIT_STATE = "funcify.circuit.state", Count, ["circuit"];
    CIRCUIT_TRANSITIONS = "funcify.circuit.transitions", Count, ["circuit", "to", "cause"];
    TOKEN_REQUESTS = "funcify.token.requests", Count, ["key", "source"];
    TOKEN_GRANTS = "funcify.token.grants", Count, ["key"];
    TOKEN_FAILURES = "funcify.token.failures", Count, ["key", "code"];
    TOKEN_REMAINING = "funcify.token.remaining_seconds", Seconds, ["key"];
    IDEMPOTENCY_CALLS = "funcify.idempotency.calls", Count, ["scope", "result"];
    STORE_OPERATIONS = "funcify.store.operations", Count, ["backend", "operation", "result"];
    STORE_DURATION = "funcify.store.duration", Milliseconds, ["backend", "operation"];
    INVOCATIONS = "funcify.pipeline.invocations", Count, ["kind", "route", "outcome"];
    INVOCATION_DURATION = "funcify.pipeline.duration", Milliseconds, ["kind", "route"];
    RECORDS = "funcify.pipeline.records", Count, ["route", "outcome"];
    COLD_STARTS = "funcify.pipeline.cold_starts", Count, ["kind"];
}

const METADATA: Metadata<'static> = Metadata::new("funcify", Level::INFO, Some(module_path!()));

impl Metric {
    /// The key of one series. `values` has one value for each label, in the same order.
    fn key(&self, values: &[&str]) -> Key {
        let labels = self.labels.iter().zip(values);
        let labels = labels.map(|(name, value)| Label::new(*name, (*value).to_owned()));
        Key::from_parts(self.name, labels.collect::<Vec<_>>())
    }

    /// Returns the counter of one series, from the recorder that is installed now.
    #[cold]
    pub fn counter(&self, values: &[&str]) -> Counter {
        with_recorder(|recorder| recorder.register_counter(&self.key(values), &METADATA))
    }

    /// Returns the gauge of one series, from the recorder that is installed now.
    #[cold]
    pub fn gauge(&self, values: &[&str]) -> Gauge {
        with_recorder(|recorder| recorder.register_gauge(&self.key(values), &METADATA))
    }

    /// Returns the histogram of one series, from the recorder that is installed now.
    #[cold]
    pub fn histogram(&self, values: &[&str]) -> Histogram {
        with_recorder(|recorder| recorder.register_histogram(&self.key(values), &METADATA))
    }
}

/// A counter that is registered when it is first used. So a recorder may be installed after the counter
/// was created, and a counter that is never used is never sent.
#[derive(Debug, Default)]
pub struct Series(OnceLock<Counter>);

impl Series {
    /// Adds one. The first call registers the counter of `metric` with these labels.
    #[inline]
    pub fn increment<'a, const N: usize>(
        &self,
        metric: &Metric,
        labels: impl FnOnce() -> [&'a str; N],
    ) {
        match self.0.get() {
            Some(counter) => counter.increment(1),
            None => self.register(metric, &labels()).increment(1),
        }
    }

    #[cold]
    fn register(&self, metric: &Metric, labels: &[&str]) -> &Counter {
        self.0.get_or_init(|| metric.counter(labels))
    }
}
