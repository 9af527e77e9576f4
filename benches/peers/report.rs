//! What was measured, as a table or as JSON lines.

use serde::{Serialize, Serializer};

/// One case, measured.
#[derive(Serialize)]
pub(crate) struct Row {
    pub(crate) case: &'static str,
    #[serde(serialize_with = "tenths")]
    pub(crate) ours_ns: f64,
    pub(crate) peer: &'static str,
    #[serde(serialize_with = "tenths")]
    pub(crate) peer_ns: f64,
    #[serde(serialize_with = "thousandths")]
    pub(crate) ratio: f64,
    pub(crate) ours_allocs: u64,
    pub(crate) peer_allocs: u64,
    /// What is asked: the ratio and the allocations.
    #[serde(skip)]
    pub(crate) most: (Option<f64>, Option<u64>),
}

/// Data only, an object a line.
pub(crate) fn json(rows: &[Row]) {
    for row in rows {
        println!("{}", serde_json::to_string(row).expect("expected a row to be JSON"));
    }
}

/// For a reader: what is asked stands beside what was seen.
pub(crate) fn table(rows: &[Row]) {
    println!(
        "{:<42} {:>10}   {:<34} {:>10} {:>7} {:>7} {:>7} {:>5} {:>6}",
        "case", "ours, ns", "peer", "its ns", "ratio", "asked", "allocs", "asked", "peer's"
    );
    for row in rows {
        let (ratio, allocations) = row.most;
        let asked = |most: Option<String>| most.unwrap_or_else(|| "-".to_owned());
        println!(
            "{:<42} {:>10.1}   {:<34} {:>10.1} {:>7.2} {:>7} {:>7} {:>5} {:>6}  {}",
            row.case,
            row.ours_ns,
            row.peer,
            row.peer_ns,
            row.ratio,
            asked(ratio.map(|most| format!("{most:.2}"))),
            row.ours_allocs,
            asked(allocations.map(|most| most.to_string())),
            row.peer_allocs,
            row.verdict(),
        );
    }
}

impl Row {
    fn verdict(&self) -> &'static str {
        let slow = self.most.0.is_some_and(|most| self.ratio > most);
        let greedy = self.most.1.is_some_and(|most| self.ours_allocs > most);
        match (slow, greedy) {
            _ if self.most == (None, None) => "",
            (false, false) => "met",
            (true, false) => "SLOWER than asked",
            (false, true) => "MORE ALLOCATIONS than asked",
            (true, true) => "SLOWER than asked, MORE ALLOCATIONS",
        }
    }
}

fn tenths<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((value * 10.0).round() / 10.0)
}

fn thousandths<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((value * 1_000.0).round() / 1_000.0)
}
