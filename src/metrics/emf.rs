//! The recorder of the facade `metrics` that writes the lines.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use funcify_core::{Timestamp, engine::metrics::METRICS};
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

use super::{
    line::{Point, lines},
    series::{Count, Kept, Level, Values},
};

/// The labels of funcify's metrics that become a part of the name, as in `funcify.circuit.calls.failure`.
/// They say what happened, and the other labels say to which circuit, token or route. A line can have only
/// one value for each dimension, so this lets one line report both successes and failures.
const PART_OF_THE_NAME: [&str; 7] =
    ["outcome", "cause", "to", "source", "code", "operation", "result"];

/// Keeps each series, and makes lines of those that changed. A clone shares its series.
#[derive(Clone, Debug)]
pub(crate) struct Emf {
    namespace: Arc<str>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// The index in `series` of each key.
    places: HashMap<(Type, Key), usize>,
    series: Vec<Series>,
    units: HashMap<String, Unit>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Type {
    Counter,
    Gauge,
    Histogram,
}

#[derive(Debug)]
struct Series {
    /// The name in the facade, by which the unit is found.
    metric: String,
    /// The name in the line.
    name: String,
    dimensions: Vec<(String, String)>,
    kept: Kept,
}

impl Emf {
    pub(crate) fn new(namespace: &str) -> Self {
        let units = METRICS.iter().map(|metric| (metric.name.to_owned(), metric.unit)).collect();
        let state = State { units, ..State::default() };
        Self { namespace: namespace.into(), state: Arc::new(Mutex::new(state)) }
    }

    /// The lines for the series that changed since the last call. Usually that is one line. It is more if two
    /// series have different values for a dimension, as with two circuits.
    pub(crate) fn take(&self, now: Timestamp, request_id: &str) -> String {
        let mut state = self.lock();
        let State { series, units, .. } = &mut *state;
        let points = series.iter_mut().filter_map(|series| {
            let value = series.kept.take()?;
            let unit = units.get(&series.metric).copied();
            Some(Point { name: &series.name, unit, dimensions: &series.dimensions, value })
        });
        lines(&self.namespace, now, request_id, points)
    }

    fn describe(&self, name: &KeyName, unit: Option<Unit>) {
        if let Some(unit) = unit {
            self.lock().units.insert(name.as_str().to_owned(), unit);
        }
    }

    /// Finds the series of `key`, or adds it.
    fn series<T>(
        &self,
        r#type: Type,
        key: &Key,
        new: impl FnOnce() -> Kept,
        known: impl FnOnce(&Kept) -> Option<T>,
    ) -> Option<T> {
        let mut state = self.lock();
        let State { places, series, .. } = &mut *state;
        let place = *places.entry((r#type, key.clone())).or_insert_with(|| {
            series.push(Series::new(key, new()));
            series.len() - 1
        });
        known(&series.get(place)?.kept)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Series {
    fn new(key: &Key, kept: Kept) -> Self {
        let (mut name, mut dimensions) = (key.name().to_owned(), Vec::new());
        let is_own = name.starts_with("funcify.");
        for label in key.labels() {
            if is_own && PART_OF_THE_NAME.contains(&label.key()) {
                name.push('.');
                name.push_str(label.value());
            } else {
                dimensions.push((label.key().to_owned(), label.value().to_owned()));
            }
        }
        Self { metric: key.name().to_owned(), name, dimensions, kept }
    }
}

impl Recorder for Emf {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, _: SharedString) {
        self.describe(&name, unit);
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, _: SharedString) {
        self.describe(&name, unit);
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, _: SharedString) {
        self.describe(&name, unit);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let new = || Kept::Count(Arc::new(Count::default()), 0);
        let found = self.series(Type::Counter, key, new, |kept| match kept {
            Kept::Count(count, _) => Some(Arc::clone(count)),
            _ => None,
        });
        found.map_or_else(Counter::noop, Counter::from_arc)
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        let found = self.series(
            Type::Gauge,
            key,
            || Kept::Level(Arc::default()),
            |kept| match kept {
                Kept::Level(level) => Some(Arc::clone(level)),
                _ => None,
            },
        );
        let found: Option<Arc<Level>> = found;
        found.map_or_else(Gauge::noop, Gauge::from_arc)
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        let new = || Kept::Values(Arc::default());
        let found: Option<Arc<Values>> =
            self.series(Type::Histogram, key, new, |kept| match kept {
                Kept::Values(values) => Some(Arc::clone(values)),
                _ => None,
            });
        found.map_or_else(Histogram::noop, Histogram::from_arc)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_777_200_000);

    fn taken(emf: &Emf) -> Vec<Value> {
        emf.take(NOW, "r-1").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_line_has_what_changed_since_the_last_one_and_nothing_is_no_line() {
        let emf = Emf::new("orders");
        metrics::with_local_recorder(&emf, || {
            metrics::counter!("funcify.circuit.calls", "circuit" => "a", "outcome" => "success")
                .increment(2);
            metrics::counter!("funcify.circuit.calls", "circuit" => "a", "outcome" => "success")
                .increment(1);
            metrics::counter!("funcify.circuit.calls", "circuit" => "a", "outcome" => "failure")
                .increment(1);
            metrics::histogram!("funcify.pipeline.duration", "kind" => "sqs", "route" => "r")
                .record(12.5);
            metrics::gauge!("funcify.circuit.state", "circuit" => "a").set(0.0);
            metrics::counter!("orders.placed").increment(0);
        });
        let line = json!({
            "_aws": {
                "Timestamp": 1_795_777_200_000_i64,
                "CloudWatchMetrics": [
                    {
                        "Namespace": "orders",
                        "Dimensions": [["circuit"]],
                        "Metrics": [
                            { "Name": "funcify.circuit.calls.success", "Unit": "Count" },
                            { "Name": "funcify.circuit.calls.failure", "Unit": "Count" },
                            { "Name": "funcify.circuit.state", "Unit": "Count" },
                        ],
                    },
                    {
                        "Namespace": "orders",
                        "Dimensions": [["kind", "route"]],
                        "Metrics": [{ "Name": "funcify.pipeline.duration", "Unit": "Milliseconds" }],
                    },
                ],
            },
            "circuit": "a", "kind": "sqs", "route": "r", "request_id": "r-1",
            "funcify.circuit.calls.success": 3, "funcify.circuit.calls.failure": 1,
            "funcify.circuit.state": 0.0, "funcify.pipeline.duration": 12.5,
        });
        assert_eq!(taken(&emf), [line]);
        assert_eq!(taken(&emf), [] as [Value; 0]);
        metrics::with_local_recorder(&emf, || {
            metrics::counter!("funcify.circuit.calls", "circuit" => "a", "outcome" => "failure")
                .increment(4);
            metrics::gauge!("funcify.circuit.state", "circuit" => "a").set(0.0);
        });
        let line = taken(&emf).remove(0);
        assert_eq!(line["funcify.circuit.calls.failure"], 4, "the difference: {line}");
        assert_eq!(line["funcify.circuit.state"], 0.0, "set again: {line}");
        assert_eq!(line.get("funcify.circuit.calls.success"), None, "{line}");
    }

    #[test]
    fn two_circuits_need_two_lines_and_no_value_takes_the_place_of_another() {
        let emf = Emf::new("orders");
        metrics::with_local_recorder(&emf, || {
            for circuit in ["a", "b"] {
                metrics::counter!("funcify.circuit.rejected", "circuit" => circuit, "cause" => "failures")
                    .increment(1);
            }
            metrics::counter!("funcify.token.grants", "key" => "k").increment(1);
        });
        let lines = taken(&emf);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert_eq!((&lines[0]["circuit"], &lines[0]["key"]), (&json!("a"), &json!("k")));
        assert_eq!((&lines[1]["circuit"], lines[1].get("key")), (&json!("b"), None));
    }

    #[test]
    fn a_line_has_a_hundred_metrics_and_a_hundred_values_at_most() {
        let emf = Emf::new("orders");
        metrics::with_local_recorder(&emf, || {
            for number in 0..250 {
                metrics::counter!(format!("of.{number}")).increment(1);
                metrics::histogram!("duration").record(f64::from(number));
            }
            metrics::histogram!("duration").record(f64::NAN);
            metrics::gauge!("level").set(f64::INFINITY);
        });
        let lines = taken(&emf);
        assert_eq!(lines.len(), 3, "{lines:?}");
        let all: usize = lines
            .iter()
            .flat_map(|line| line["_aws"]["CloudWatchMetrics"].as_array().unwrap())
            .map(|directive| directive["Metrics"].as_array().unwrap().len())
            .sum();
        assert_eq!(all, 251);
        assert_eq!(lines[0]["duration"].as_array().unwrap().len(), 100);
        assert!(lines.iter().all(|line| line.get("level").is_none()));
    }

    #[test]
    fn a_metric_of_the_user_has_the_unit_that_it_was_described_with() {
        let emf = Emf::new("orders");
        metrics::with_local_recorder(&emf, || {
            metrics::describe_counter!("orders.bytes", metrics::Unit::Bytes, "what was sent");
            metrics::counter!("orders.bytes").increment(7);
            metrics::counter!("orders.placed").increment(1);
            metrics::counter!("orders.paid", "source" => "card").increment(1);
        });
        let line = taken(&emf).remove(0);
        assert_eq!((&line["source"], &line["orders.paid"]), (&json!("card"), &json!(1)), "{line}");
        let metrics = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(metrics["Dimensions"], json!([[]]));
        assert_eq!(metrics["Metrics"][0], json!({ "Name": "orders.bytes", "Unit": "Bytes" }));
        assert_eq!(metrics["Metrics"][1], json!({ "Name": "orders.placed", "Unit": "None" }));
    }
}
