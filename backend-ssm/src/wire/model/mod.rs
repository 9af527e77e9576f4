//! Checks the log exhaustively. At any step, writers may freeze, lose responses, send a write again, or lose
//! to another writer. Copies of writes may arrive late. The parameter may be overwritten by another
//! program or deleted, and its history is trimmed.
//!
//! The check is complete within [`Bounds`]. A history of two or three versions represents the hundred that
//! Parameter Store keeps. The model makes these simplifications: a read shows the state at the moment at
//! which a writer made it, and the writer may use it at any later time. All requests of one read of the
//! log see the same moment. A write that has arrived in a deleted log does not arrive again in the next
//! one. (In any store it would create the record again, and here a copy could get the position of the
//! first write.)

#![expect(clippy::print_stdout, reason = "the number of explored states is shown with the result")]

mod fleet;
mod state;

use std::{collections::BTreeSet, time::Instant};

use stateright::{Checker, Expectation, HasDiscoveries, Model};

use fleet::{Fleet, Protocol};

#[derive(Clone, Copy, Debug)]
struct Bounds {
    writers: usize,
    writes: u8,
    kept: u64,
    sent_again: u8,
    copies: u8,
    deletions: u8,
    foreign: u8,
}

/// Bounds with a deletion, an overwrite by another program, and a write that is sent again.
const DISTURBED: Bounds =
    Bounds { writers: 2, writes: 3, kept: 2, sent_again: 1, copies: 0, deletions: 1, foreign: 1 };

/// Bounds with so many writes that lose that the valid version is lost.
const CROWDED: Bounds =
    Bounds { writers: 2, writes: 4, kept: 3, sent_again: 0, copies: 2, deletions: 0, foreign: 0 };

/// Bounds with three writers, a history that holds all of their writes, and a late copy.
const CONTENDED: Bounds =
    Bounds { writers: 3, writes: 3, kept: 3, sent_again: 0, copies: 1, deletions: 1, foreign: 0 };

#[test]
fn the_log_keeps_the_laws_of_a_register() {
    let mut all = vec![DISTURBED, CROWDED, CONTENDED];
    if std::env::var("FUNCIFY_TEST_LONG").is_ok_and(|long| long == "1") {
        all.extend([
            Bounds { writes: 4, ..DISTURBED },
            Bounds { writes: 4, ..CONTENDED },
            Bounds { writers: 3, ..CROWDED },
        ]);
    }
    let mut seen = BTreeSet::new();
    for bounds in all {
        let (broken, reached) = explore(Protocol::Ours, bounds);
        assert_eq!(broken, None, "{bounds:?}");
        seen.extend(reached);
    }
    let wanted = BTreeSet::from([
        "applied",
        "conflict",
        "lost to trimming",
        "taken over after a loss",
        "deleted and created again",
    ]);
    assert_eq!(seen, wanted);
}

#[test]
fn mutant_that_compares_the_returned_version_number_is_caught() {
    assert_caught(Protocol::CompareTheNumber, DISTURBED);
}

#[test]
fn mutant_that_reports_a_write_to_a_deleted_parameter_as_applied_is_caught() {
    assert_caught(Protocol::AppliedOnDeleted, DISTURBED);
}

#[test]
fn mutant_that_trusts_the_number_of_the_base_is_caught() {
    assert_caught(Protocol::TrustTheNumber, DISTURBED);
}

#[test]
fn mutant_that_reports_a_conflict_without_checking_its_own_version_is_caught() {
    assert_caught(Protocol::NeverLookBack, DISTURBED);
}

#[test]
fn mutant_that_takes_over_from_any_position_is_caught() {
    assert_caught(Protocol::TakeOverAnywhere, CROWDED);
}

fn assert_caught(protocol: Protocol, bounds: Bounds) {
    assert!(explore(protocol, bounds).0.is_some(), "{protocol:?} is not caught");
}

/// Explores all states within `bounds`, or until a law is broken. Returns that law, and the situations that
/// were reached at least once.
fn explore(protocol: Protocol, bounds: Bounds) -> (Option<&'static str>, BTreeSet<&'static str>) {
    let (fleet, start) = (Fleet { bounds, protocol }, Instant::now());
    let properties = fleet.properties();
    let checker =
        fleet.checker().threads(2).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let (states, took) = (checker.unique_state_count(), start.elapsed());
    println!("{protocol:?} {bounds:?}: {states} states in {took:?}");
    let (mut broken, mut reached) = (None, BTreeSet::new());
    for (name, path) in checker.discoveries() {
        let is_law = |expectation| matches!(expectation, Expectation::Always);
        if properties.iter().any(|law| law.name == name && is_law(law.expectation.clone())) {
            println!("  breaks `{name}`: {:?}", path.into_actions());
            broken = Some(name);
        } else {
            reached.insert(name);
        }
    }
    (broken, reached)
}
