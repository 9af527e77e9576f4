//! How samples are taken.

use std::time::Duration;

use funcify_core::engine::Chance;

use crate::case::{Sample, Subject};

/// How many operations a sample has at most.
const MOST: u32 = 10_000;

/// Finds how many operations take as long as `least`, and warms up by it.
///
/// # Panics
///
/// If the subject leaves the path that is to be measured nearly every time.
pub fn calibrated(subject: &mut Subject, least: Duration) -> u32 {
    let mut operations = 1;
    while operations < MOST {
        let sample = taken(subject, operations);
        if sample.elapsed >= least || sample.operations < operations {
            break;
        }
        operations *= 2;
    }
    operations
}

/// A sample of the path that is to be measured. What misses it looks fast, or slow, and is neither.
///
/// # Panics
///
/// If the subject leaves that path nearly every time.
pub fn taken(subject: &mut Subject, operations: u32) -> Sample {
    (0..1_000)
        .find_map(|_| subject(operations))
        .expect("expected the subject to take the path that is measured, once in a thousand times")
}

/// Fisher and Yates.
pub fn shuffle<T>(items: &mut [T], chance: &Chance) {
    for last in (1..items.len()).rev() {
        let other = (chance.draw() * (last + 1) as f64) as usize;
        items.swap(last, other);
    }
}

/// The sample in the middle.
///
/// # Panics
///
/// If there is none.
pub fn median(samples: &mut [f64]) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}
