//! The result of a simulation: figures, some of them with a limit.

use serde_json::{Map, Value, json};

use super::Timeline;

/// The result of one scenario.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// The name of the scenario.
    pub scenario: &'static str,
    /// The number of instances.
    pub instances: usize,
    /// The seed of the run.
    pub seed: u64,
    /// The figures, the most important first.
    pub figures: Vec<Figure>,
    /// What happened at which time.
    pub timeline: Timeline,
}

impl Report {
    /// The value of the figure with this name, or `None` if the scenario has no such figure.
    #[must_use]
    pub fn figure(&self, name: &str) -> Option<f64> {
        self.figures.iter().find(|figure| figure.name == name).map(|figure| figure.value)
    }

    /// Whether every figure is within its limit.
    #[must_use]
    pub fn is_within_limits(&self) -> bool {
        self.figures.iter().all(Figure::is_within_limit)
    }

    /// The report as JSON, without the timeline: an object with `scenario`, `instances`, `seed` and
    /// `figures`.
    ///
    /// `figures` has one member per figure. Its value is `null` if the event of the figure never happened.
    #[must_use]
    pub fn json(&self) -> Value {
        let figures: Map<_, _> = self
            .figures
            .iter()
            .map(|figure| (figure.name.to_owned(), number(figure.value)))
            .collect();
        json!({
            "scenario": self.scenario,
            "instances": self.instances,
            "seed": self.seed,
            "figures": figures,
        })
    }
}

/// One figure of a [`Report`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Figure {
    /// The name in tables and in JSON.
    pub name: &'static str,
    /// The value. It is infinite if the event of the figure never happened.
    pub value: f64,
    /// The limit, if there is one.
    pub limit: Option<Limit>,
}

/// The values that a [`Figure`] may have.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Limit {
    /// At most this.
    AtMost(f64),
    /// Exactly this.
    Exactly(f64),
}

impl Figure {
    /// Whether the value is within the limit. Always true without a limit.
    #[must_use]
    pub fn is_within_limit(&self) -> bool {
        match self.limit {
            None => true,
            Some(Limit::AtMost(limit)) => self.value <= limit,
            Some(Limit::Exactly(limit)) => (self.value - limit).abs() < 1e-9,
        }
    }

    /// A figure without a limit.
    pub(super) fn plain(name: &'static str, value: f64) -> Self {
        Self { name, value, limit: None }
    }

    pub(super) fn at_most(name: &'static str, value: f64, limit: f64) -> Self {
        Self { name, value, limit: Some(Limit::AtMost(limit)) }
    }

    pub(super) fn exactly(name: &'static str, value: f64, limit: f64) -> Self {
        Self { name, value, limit: Some(Limit::Exactly(limit)) }
    }
}

/// The value in JSON. A whole number is written without a decimal point, any other with six decimal places.
fn number(value: f64) -> Value {
    let rounded = (value * 1e6).round() / 1e6;
    if rounded.fract() == 0.0 && rounded.abs() < 1e15 {
        #[expect(clippy::cast_possible_truncation, reason = "whole and small enough")]
        let whole = rounded as i64;
        return Value::from(whole);
    }
    Value::from(rounded)
}
