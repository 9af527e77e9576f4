//! The log, model-checked: writers that freeze, lose answers and send again, copies, losers, a
//! foreign hand, a deletion and the trimming of the history, at any step.
//!
//! Complete within [`Bounds`]; a history of two or three versions stands for the hundred.
//! Abstracted: a read is as old as the moment at which a writer took it (it may hold it for ever);
//! the requests of one look see one moment; what has landed in a log that is deleted does not land
//! again in the next one (any store would create the record again, and here a copy could come to
//! stand at the very place of the first).

#![expect(clippy::print_stdout, reason = "how much was explored is shown beside the verdict")]

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

/// Deleted, overwritten by a foreign hand, and a write sent again.
const DISTURBED: Bounds =
    Bounds { writers: 2, writes: 3, kept: 2, sent_again: 1, copies: 0, deletions: 1, foreign: 1 };

/// So many losers that what counts is lost.
const CROWDED: Bounds =
    Bounds { writers: 2, writes: 4, kept: 3, sent_again: 0, copies: 2, deletions: 0, foreign: 0 };

/// Three at once on a history that holds them, and a late copy.
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
        "done",
        "conflict",
        "lost to the trimming",
        "taken over from what was lost",
        "made anew and written",
    ]);
    assert_eq!(seen, wanted);
}

#[test]
fn twin_comparing_the_version_that_came_back_is_caught() {
    assert_caught(Protocol::CompareTheNumber, DISTURBED);
}

#[test]
fn twin_done_on_a_deleted_parameter_is_caught() {
    assert_caught(Protocol::DoneOnDeleted, DISTURBED);
}

#[test]
fn twin_trusting_the_number_of_the_base_is_caught() {
    assert_caught(Protocol::TrustTheNumber, DISTURBED);
}

#[test]
fn twin_a_conflict_without_a_look_at_our_own_version_is_caught() {
    assert_caught(Protocol::NeverLookBack, DISTURBED);
}

#[test]
fn twin_taking_over_from_anywhere_is_caught() {
    assert_caught(Protocol::TakeOverAnywhere, CROWDED);
}

fn assert_caught(protocol: Protocol, bounds: Bounds) {
    assert!(explore(protocol, bounds).0.is_some(), "{protocol:?} passes for right");
}

/// Explores everything within `bounds`, or up to the first law that is broken: that law, and what
/// was reached at least once.
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
