//! One event costs no more instructions than it did. The program `instructions` has the events; callgrind counts.
//!
//! The figures are those of a build without optimisation, which is what the tests have anyway. They change with the
//! compiler and the libraries too: if a new version of these costs more, write down what the test prints.

use std::collections::BTreeMap;

use crate::support::callgrind::count;

/// The instructions of each event when this was last written.
const WRITTEN: [(&str, u64); 5] = [
    ("REST v1", 1_156_927),
    ("HTTP v2", 655_751),
    ("HTTP v2, POST", 1_879_534),
    ("S3", 322_921),
    ("S3, ten records", 2_784_594),
];

/// How much more is let through.
const MORE: f64 = 0.03;

#[test]
fn one_event_costs_no_more_instructions_than_written() {
    let counts: BTreeMap<String, u64> = count("instructions").into_iter().collect();
    let mut too_many = Vec::new();
    for (name, written) in WRITTEN {
        let most = written as f64 * (1.0 + MORE);
        let (count, mutant) = (counts[name], counts[&format!("mutant: read twice, {name}")]);
        println!("{name}: {count} instructions, {written} are written; read twice {mutant}");
        if count as f64 > most {
            too_many.push(name);
        }
        assert!(mutant as f64 > most, "{name}: a second read must be found");
    }
    assert!(too_many.is_empty(), "they cost more instructions than written: {too_many:?}");
}
