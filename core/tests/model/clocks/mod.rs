//! A model with wrong clocks, records that somebody tampered with, and processes that read the record once
//! and end. It checks how long a correct process waits for its token or its call, and for how long a token
//! is used after its end.
//!
//! The check is complete within the bounds that are printed. One clock is ahead and one is behind, by more
//! than every constant of the rules. A process with a wrong clock writes the record of the token without
//! regard to its content. In the circuit it follows the rules by its clock. Time passes in steps of ten
//! seconds while a process waits. Otherwise it jumps to where a stored time becomes credible. Each read is
//! that of a process that reads the record for the first time.

mod circuit;
mod fleet;
mod token;

use std::{marker::PhantomData, time::Instant};

use stateright::{Checker, HasDiscoveries, Model};

use circuit::Circuit;
use fleet::{Clocks, ENDS, Fleet, Rule, Subject, WAITS};
use token::Token;

/// Explores all states, and returns the laws that are broken.
fn explore<S: Subject + Send + Sync + 'static>(
    name: &str,
    rule: Rule,
    wrong_by: i64,
) -> Vec<&'static str> {
    let start = Instant::now();
    let fleet = Fleet::<S> { clocks: Clocks { rule, wrong_by }, subject: PhantomData };
    let checker = fleet.checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    println!(
        "{name}, clocks wrong by {wrong_by} s, {rule:?}: {} states in {:.1?}",
        checker.unique_state_count(),
        start.elapsed()
    );
    checker.discoveries().into_keys().collect()
}

#[test]
fn no_wrong_clock_and_no_planted_record_keeps_an_honest_process_waiting() {
    for wrong_by in [30, 300, 3_600, 86_400] {
        assert_eq!(explore::<Token>("token", Rule::Credible, wrong_by), [""; 0], "{wrong_by} s");
        assert_eq!(
            explore::<Circuit>("circuit", Rule::Credible, wrong_by),
            [""; 0],
            "{wrong_by} s"
        );
    }
}

#[test]
fn each_mutant_of_the_rule_of_stored_times_breaks_its_law() {
    for (rule, law) in [(Rule::Lowered, WAITS), (Rule::Believed, WAITS), (Rule::OwnClock, ENDS)] {
        let broken = explore::<Token>("token", rule, 300);
        assert!(broken.contains(&law), "{rule:?} breaks only {broken:?}");
    }
    for rule in [Rule::Lowered, Rule::Believed] {
        let broken = explore::<Circuit>("circuit", rule, 300);
        assert!(broken.contains(&WAITS), "{rule:?} breaks only {broken:?}");
    }
}
