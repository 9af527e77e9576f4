//! The lines of the embedded metric format.
//!
//! The format is in "Specification: Embedded metric format" in the CloudWatch user guide. A line has at
//! most 100 metrics, and one value for each dimension.

use funcify_core::Timestamp;
use metrics::Unit;
use serde_json::{Map, Value};

/// The most metrics in one line that CloudWatch accepts.
const MOST_METRICS: usize = 100;

/// One metric that changed.
pub(super) struct Point<'a> {
    pub(super) name: &'a str,
    pub(super) unit: Option<Unit>,
    pub(super) dimensions: Vec<(&'a str, &'a str)>,
    pub(super) value: Value,
}

/// Puts the points into as few lines as possible. Each line ends with a line break.
pub(super) fn lines(
    namespace: &str,
    now: Timestamp,
    request_id: &str,
    mut points: Vec<Point<'_>>,
) -> String {
    let mut lines = String::new();
    while !points.is_empty() {
        let (mut line, mut left) = (Vec::new(), Vec::new());
        for point in points {
            let has_room = has_room(&line, &point);
            (if has_room { &mut line } else { &mut left }).push(point);
        }
        let line = Value::Object(members(namespace, now, request_id, line));
        lines.push_str(&line.to_string());
        lines.push('\n');
        points = left;
    }
    lines
}

/// Whether the line can have the point too.
fn has_room(line: &[Point<'_>], point: &Point<'_>) -> bool {
    line.len() < MOST_METRICS
        && line.iter().all(|known| {
            known.name != point.name
                && known.dimensions.iter().all(|(name, value)| {
                    point.dimensions.iter().all(|(other, new)| name != other || value == new)
                })
        })
}

fn members(
    namespace: &str,
    now: Timestamp,
    request_id: &str,
    points: Vec<Point<'_>>,
) -> Map<String, Value> {
    let mut directives: Vec<(Vec<&str>, Vec<Value>)> = Vec::new();
    let (mut members, mut dimensions) = (Map::new(), Vec::new());
    for point in points {
        let names: Vec<&str> = point.dimensions.iter().map(|(name, _)| *name).collect();
        let metric = object(vec![("Name", point.name.into()), ("Unit", unit(point.unit).into())]);
        match directives.iter_mut().find(|(dimensions, _)| *dimensions == names) {
            Some((_, metrics)) => metrics.push(metric),
            None => directives.push((names, vec![metric])),
        }
        members.insert(point.name.to_owned(), point.value);
        dimensions.extend(point.dimensions);
    }
    let directives = directives.into_iter().map(|(dimensions, metrics)| {
        object(vec![
            ("Namespace", namespace.into()),
            ("Dimensions", Value::Array(vec![dimensions.into()])),
            ("Metrics", metrics.into()),
        ])
    });
    let about = object(vec![
        ("Timestamp", now.as_millis().into()),
        ("CloudWatchMetrics", directives.collect()),
    ]);
    for (name, value) in dimensions {
        members.insert(name.to_owned(), value.into());
    }
    members.insert("request_id".to_owned(), request_id.into());
    members.insert("_aws".to_owned(), about);
    members
}

/// Inserts one member after the other: to collect them would sort them first, and the code of a sort is large.
fn object(members: Vec<(&str, Value)>) -> Value {
    let mut object = Map::new();
    for (name, value) in members {
        object.insert(name.to_owned(), value);
    }
    Value::Object(object)
}

/// CloudWatch's name of the unit.
fn unit(unit: Option<Unit>) -> &'static str {
    match unit {
        Some(Unit::Count) => "Count",
        Some(Unit::Percent) => "Percent",
        Some(Unit::Seconds) => "Seconds",
        Some(Unit::Milliseconds) => "Milliseconds",
        Some(Unit::Microseconds) => "Microseconds",
        Some(Unit::Bytes) => "Bytes",
        Some(Unit::CountPerSecond) => "Count/Second",
        _ => "None",
    }
}
