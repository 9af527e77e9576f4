//! What a simulation comes to: figures, each beside its bar where it has one.

use serde_json::{Map, Value, json};

use super::Timeline;

/// The outcome of one scenario.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// The name of the scenario.
    pub scenario: &'static str,
    /// How many instances took part.
    pub instances: usize,
    /// What chance began from.
    pub seed: u64,
    /// The figures, the most telling first.
    pub figures: Vec<Figure>,
    /// What happened when.
    pub timeline: Timeline,
}

impl Report {
    /// The figure of this name.
    #[must_use]
    pub fn figure(&self, name: &str) -> Option<f64> {
        self.figures.iter().find(|figure| figure.name == name).map(|figure| figure.value)
    }

    /// Whether every figure keeps to its bar.
    #[must_use]
    pub fn is_within_bars(&self) -> bool {
        self.figures.iter().all(Figure::is_within_bar)
    }

    /// `{"scenario","instances","seed","figures":{…}}`; what never came about is `null`.
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
    /// What it is called wherever it is printed.
    pub name: &'static str,
    /// The figure; infinite for what never came about.
    pub value: f64,
    /// What it has to keep to.
    pub bar: Option<Bar>,
}

/// What a [`Figure`] has to keep to.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Bar {
    /// No more than this.
    AtMost(f64),
    /// This, neither more nor less.
    Exactly(f64),
}

impl Figure {
    /// Whether it keeps to its bar; without one it does.
    #[must_use]
    pub fn is_within_bar(&self) -> bool {
        match self.bar {
            None => true,
            Some(Bar::AtMost(bar)) => self.value <= bar,
            Some(Bar::Exactly(bar)) => (self.value - bar).abs() < 1e-9,
        }
    }

    /// A figure without a bar.
    pub(super) fn plain(name: &'static str, value: f64) -> Self {
        Self { name, value, bar: None }
    }

    pub(super) fn at_most(name: &'static str, value: f64, bar: f64) -> Self {
        Self { name, value, bar: Some(Bar::AtMost(bar)) }
    }

    pub(super) fn exactly(name: &'static str, value: f64, bar: f64) -> Self {
        Self { name, value, bar: Some(Bar::Exactly(bar)) }
    }
}

/// Whole numbers as such, others to six digits behind the point: more would be noise.
fn number(value: f64) -> Value {
    let rounded = (value * 1e6).round() / 1e6;
    if rounded.fract() == 0.0 && rounded.abs() < 1e15 {
        #[expect(clippy::cast_possible_truncation, reason = "whole and small enough")]
        let whole = rounded as i64;
        return Value::from(whole);
    }
    Value::from(rounded)
}
