//! The measuring itself: every subject in every round, in another order each time.

use std::{
    io::{IsTerminal, Write},
    time::Duration,
};

use funcify_core::engine::Chance;

use funcify_benches::{
    allocator,
    case::{Case, Figure, Subject},
    sampling::{calibrated, shuffle, taken},
};

use crate::report::Row;

/// How much is measured.
#[derive(Clone, Copy)]
pub(crate) struct Effort {
    rounds: u32,
    samples: u32,
}

/// Under a minute. Many short samples find the moments in which nothing else runs.
pub(crate) const WHOLE: Effort = Effort { rounds: 100, samples: 25 };

/// Enough to see that all of it runs.
pub(crate) const QUICK: Effort = Effort { rounds: 3, samples: 5 };

/// How long a sample takes, about.
const SAMPLE: Duration = Duration::from_micros(100);

/// One side of a case, and what it was seen to cost.
struct Side {
    operations: u32,
    nanoseconds: Vec<f64>,
    allocations: u64,
}

/// Measures `cases`.
///
/// # Panics
///
/// If a subject leaves the path that is to be measured nearly every time.
pub(crate) fn rows(cases: &mut [Case], effort: Effort) -> Vec<Row> {
    let mut sides: Vec<[Side; 2]> = cases
        .iter_mut()
        .map(|case| {
            let median = case.figure == Figure::Median;
            [&mut case.ours, &mut case.theirs].map(|subject| Side::calibrated(subject, median))
        })
        .collect();
    let mut order: Vec<(usize, usize)> =
        (0..cases.len()).flat_map(|case| [(case, 0), (case, 1)]).collect();
    let chance = Chance::from_entropy();
    for round in 0..effort.rounds {
        progress(round, effort.rounds);
        shuffle(&mut order, &chance);
        for &(case, side) in &order {
            let subject = &mut cases[case];
            let subject = if side == 0 { &mut subject.ours } else { &mut subject.theirs };
            sides[case][side].measure(subject, effort.samples);
        }
    }
    progress(effort.rounds, effort.rounds);
    cases.iter().zip(&mut sides).map(|(case, sides)| row(case, sides)).collect()
}

impl Side {
    /// Finds how many operations fill a sample, warming up by it, and counts the allocations of one.
    fn calibrated(subject: &mut Subject, single: bool) -> Self {
        let operations = if single { 1 } else { calibrated(subject, SAMPLE) };
        let mut side = Self { operations, nanoseconds: Vec::new(), allocations: u64::MAX };
        allocator::counts(true);
        for _ in 0..100 {
            let sample = taken(subject, 1);
            // A subject may do no less than a few: each of them costs the same.
            let one = sample.allocations / u64::from(sample.operations);
            side.allocations = side.allocations.min(one);
        }
        allocator::counts(false);
        side
    }

    fn measure(&mut self, subject: &mut Subject, samples: u32) {
        for _ in 0..samples {
            let sample = taken(subject, self.operations);
            let nanoseconds = sample.elapsed.as_secs_f64() * 1e9;
            self.nanoseconds.push(nanoseconds / f64::from(sample.operations));
        }
    }

    fn nanoseconds(&mut self, figure: Figure) -> f64 {
        self.nanoseconds.sort_by(f64::total_cmp);
        let place = match figure {
            Figure::Minimum => 0,
            Figure::Median => self.nanoseconds.len() / 2,
        };
        self.nanoseconds[place]
    }
}

fn row(case: &Case, [ours, theirs]: &mut [Side; 2]) -> Row {
    let (ours_ns, peer_ns) = (ours.nanoseconds(case.figure), theirs.nanoseconds(case.figure));
    Row {
        case: case.name,
        ours_ns,
        peer: case.peer,
        peer_ns,
        ratio: ours_ns / peer_ns,
        ours_allocs: ours.allocations,
        peer_allocs: theirs.allocations,
        most: (case.ratio, case.allocations),
    }
}

/// One line that is written over, or where that cannot be one line a quarter.
fn progress(round: u32, rounds: u32) {
    let mut stderr = std::io::stderr();
    // Whether it is seen does not matter to the figures.
    let _ = if stderr.is_terminal() {
        let end = if round == rounds { "\n" } else { "" };
        write!(stderr, "\rpeers: round {round} of {rounds}{end}").and_then(|()| stderr.flush())
    } else if round.is_multiple_of(rounds.div_ceil(4)) || round == rounds {
        writeln!(stderr, "peers: round {round} of {rounds}")
    } else {
        Ok(())
    };
}
