//! The recorder of the facade `metrics` that writes the lines.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use funcify_core::{Timestamp, engine::metrics::METRICS};
use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Label, Metadata, Recorder, SharedString, Unit,
};

use super::{
    line::{Point, lines},
    series::{Kept, Type},
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

/// Lists instead of maps, because every function contains this code, and few functions have many series.
#[derive(Debug, Default)]
struct State {
    series: Vec<Series>,
    /// The units of the user's metrics.
    units: Vec<(KeyName, Unit)>,
}

#[derive(Debug)]
struct Series {
    key: Key,
    /// The name in the line.
    name: String,
    unit: Option<Unit>,
    kept: Kept,
    /// The value of a counter in the last line.
    said: u64,
}

impl Emf {
    pub(crate) fn new(namespace: &str) -> Self {
        Self { namespace: namespace.into(), state: Arc::default() }
    }

    /// The lines for the series that changed since the last call. Usually that is one line. It is more if two
    /// series have different values for a dimension, as with two circuits.
    pub(crate) fn take(&self, now: Timestamp, request_id: &str) -> String {
        let mut state = self.lock();
        let mut points = Vec::new();
        for Series { key, name, unit, kept, said } in &mut state.series {
            if let Some(value) = kept.take(said) {
                let dimensions = key.labels().filter(|label| !is_part_of_the_name(key, label));
                let dimensions = dimensions.map(|label| (label.key(), label.value())).collect();
                points.push(Point { name, unit: *unit, dimensions, value });
            }
        }
        lines(&self.namespace, now, request_id, points)
    }

    fn describe(&self, name: KeyName, unit: Option<Unit>) {
        let Some(unit) = unit else { return };
        let mut state = self.lock();
        for series in &mut state.series {
            if series.key.name() == name.as_str() {
                series.unit = Some(unit);
            }
        }
        match state.units.iter_mut().find(|(known, _)| known.as_str() == name.as_str()) {
            Some((_, known)) => *known = unit,
            None => state.units.push((name, unit)),
        }
    }

    /// Finds the series of `key`, or adds it.
    fn series(&self, r#type: Type, key: &Key) -> Kept {
        let mut state = self.lock();
        let is_it = |known: &&Series| known.kept.r#type() == r#type && is_same(&known.key, key);
        if let Some(known) = state.series.iter().find(is_it) {
            return known.kept.clone();
        }
        let kept = Kept::new(r#type);
        let series = Series {
            key: key.clone(),
            name: name_of(key),
            unit: state.unit(key.name()),
            kept: kept.clone(),
            said: 0,
        };
        state.series.push(series);
        kept
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The unit of a metric. The last description holds.
    fn unit(&self, name: &str) -> Option<Unit> {
        let described = self.units.iter().find(|(described, _)| described.as_str() == name);
        let own = || METRICS.iter().find(|metric| metric.name == name).map(|metric| metric.unit);
        described.map(|(_, unit)| *unit).or_else(own)
    }
}

/// Whether two keys have the same name and the same labels, in any order. `==` of [`Key`] says the same, but
/// it sorts the labels, and the code of a sort is large.
fn is_same(one: &Key, other: &Key) -> bool {
    one.get_hash() == other.get_hash()
        && one.name() == other.name()
        && one.labels().len() == other.labels().len()
        && one.labels().all(|label| other.labels().any(|known| known == label))
}

fn name_of(key: &Key) -> String {
    let mut name = key.name().to_owned();
    for label in key.labels().filter(|label| is_part_of_the_name(key, label)) {
        name.push('.');
        name.push_str(label.value());
    }
    name
}

fn is_part_of_the_name(key: &Key, label: &Label) -> bool {
    key.name().starts_with("funcify.") && PART_OF_THE_NAME.contains(&label.key())
}

impl Recorder for Emf {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, _: SharedString) {
        self.describe(name, unit);
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, _: SharedString) {
        self.describe(name, unit);
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, _: SharedString) {
        self.describe(name, unit);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        match self.series(Type::Counter, key) {
            Kept::Count(count) => Counter::from_arc(count),
            _ => Counter::noop(),
        }
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        match self.series(Type::Gauge, key) {
            Kept::Level(level) => Gauge::from_arc(level),
            _ => Gauge::noop(),
        }
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        match self.series(Type::Histogram, key) {
            Kept::Values(values) => Histogram::from_arc(values),
            _ => Histogram::noop(),
        }
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

    #[test]
    fn labels_in_another_order_are_the_same_series_and_the_last_unit_holds() {
        let emf = Emf::new("orders");
        metrics::with_local_recorder(&emf, || {
            metrics::counter!("orders.sent", "from" => "a", "by" => "b").increment(1);
            for unit in [metrics::Unit::Bytes, metrics::Unit::Count] {
                metrics::describe_counter!("orders.sent", unit, "what was sent");
            }
            metrics::counter!("orders.sent", "by" => "b", "from" => "a").increment(2);
            metrics::counter!("orders.sent", "by" => "a", "from" => "b").increment(4);
        });
        let lines = taken(&emf);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert_eq!((&lines[0]["orders.sent"], &lines[1]["orders.sent"]), (&json!(3), &json!(4)));
        for line in lines {
            assert_eq!(line["_aws"]["CloudWatchMetrics"][0]["Metrics"][0]["Unit"], "Count");
        }
    }
}
