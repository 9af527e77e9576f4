//! The lines of the embedded metric format.
//!
//! The format is in "Specification: Embedded metric format" in the CloudWatch user guide. A line has at
//! most 100 metrics, and one value for each dimension.

use std::collections::BTreeMap;

use funcify_core::Timestamp;
use metrics::Unit;
use serde_json::{Map, Value, json};

/// The most metrics in one line that CloudWatch accepts.
const MOST_METRICS: usize = 100;

/// One metric that changed.
pub(super) struct Point<'a> {
    pub(super) name: &'a str,
    pub(super) unit: Option<Unit>,
    pub(super) dimensions: &'a [(String, String)],
    pub(super) value: Value,
}

#[derive(Default)]
struct Line<'a> {
    dimensions: BTreeMap<&'a str, &'a str>,
    points: Vec<Point<'a>>,
}

/// Puts the points into as few lines as possible. Each line ends with a line break.
pub(super) fn lines<'a>(
    namespace: &str,
    now: Timestamp,
    request_id: &str,
    points: impl Iterator<Item = Point<'a>>,
) -> String {
    let mut lines: Vec<Line<'a>> = Vec::new();
    for point in points {
        match lines.iter_mut().find(|line| line.has_room_for(&point)) {
            Some(line) => line.add(point),
            None => {
                let mut line = Line::default();
                line.add(point);
                lines.push(line);
            }
        }
    }
    let lines = lines.into_iter().map(|line| line.json(namespace, now, request_id));
    lines.map(|line| format!("{line}\n")).collect()
}

impl<'a> Line<'a> {
    fn has_room_for(&self, point: &Point<'_>) -> bool {
        let agrees = |(name, value): &(String, String)| {
            self.dimensions.get(name.as_str()).is_none_or(|known| known == value)
        };
        self.points.len() < MOST_METRICS
            && point.dimensions.iter().all(agrees)
            && self.points.iter().all(|known| known.name != point.name)
    }

    fn add(&mut self, point: Point<'a>) {
        let dimensions = point.dimensions.iter();
        self.dimensions.extend(dimensions.map(|(name, value)| (name.as_str(), value.as_str())));
        self.points.push(point);
    }

    fn json(self, namespace: &str, now: Timestamp, request_id: &str) -> Value {
        let mut directives: Vec<(Vec<&str>, Vec<Value>)> = Vec::new();
        let mut members = Map::new();
        for point in self.points {
            let names: Vec<&str> = point.dimensions.iter().map(|(name, _)| name.as_str()).collect();
            let metric = json!({ "Name": point.name, "Unit": unit(point.unit) });
            match directives.iter_mut().find(|(dimensions, _)| *dimensions == names) {
                Some((_, metrics)) => metrics.push(metric),
                None => directives.push((names, vec![metric])),
            }
            members.insert(point.name.to_owned(), point.value);
        }
        let directives = directives.into_iter().map(|(dimensions, metrics)| {
            json!({ "Namespace": namespace, "Dimensions": [dimensions], "Metrics": metrics })
        });
        let about = json!({
            "Timestamp": now.as_millis(),
            "CloudWatchMetrics": directives.collect::<Vec<_>>(),
        });
        members.extend(
            self.dimensions.into_iter().map(|(name, value)| (name.to_owned(), value.into())),
        );
        members.insert("request_id".to_owned(), request_id.into());
        members.insert("_aws".to_owned(), about);
        Value::Object(members)
    }
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
