//! The circuit, model-checked with the real rules: reports and leases that are read, applied and
//! swapped one step at a time, answers that are lost, copies that come late, crashes, freezes, an
//! eviction, an operator's override, a store that is away from any step on until any other: who finds
//! it so goes on by itself, up to a bound of epochs.
//!
//! A search of our own, backward over the graph of all states, shows that each has a way to Closed
//! on which nothing needs to fail.
//!
//! Complete within [`Bounds`], which are printed. Abstracted: time in ticks of two seconds, one
//! clock; a read is as old as its beginning; an instance has one call at a time (of more, each is
//! one instance); a private open duration is no longer than a shared one; what goes wrong does so a
//! bounded number of times on each path. Left to the table of cases, the property tests and the
//! simulator: the rate rule, whose reports move a closed record only; a quorum, which asks for more
//! failures and changes nothing else; clocks that differ.

mod flaw;
mod fleet;
mod laws;
mod record;
mod state;
mod steps;

use std::{collections::BTreeSet, sync::Arc, time::Instant};

use stateright::{Checker, DiscoveryClassification, HasDiscoveries, Model};

use flaw::{Flaw, Rules};
use fleet::{Bounds, Fleet};
use state::Mishaps;

use crate::graph::Graph;

/// How the way to Closed is called where a law is named.
const STUCK: &str = "Closed is reachable from every state";

const NONE: Mishaps =
    Mishaps { crashes: 0, lost: 0, copies: 0, evictions: 0, overrides: 0, outages: 0 };
const CRASH: Mishaps = Mishaps { crashes: 1, ..NONE };
const LOST: Mishaps = Mishaps { lost: 1, ..NONE };
const COPY: Mishaps = Mishaps { copies: 1, ..NONE };
const EVICTION: Mishaps = Mishaps { evictions: 1, ..NONE };
const OVERRIDE: Mishaps = Mishaps { overrides: 1, ..NONE };
const OUTAGE: Mishaps = Mishaps { outages: 1, ..NONE };

const ONE_PROBE: Bounds = Bounds {
    instances: 3,
    failures: 2,
    probes: 1,
    successes: 1,
    epochs: 3,
    local_epochs: 3,
    dawdling: false,
    mishaps: NONE,
};
const TWO_PROBES: Bounds = Bounds { instances: 2, probes: 2, successes: 2, ..ONE_PROBE };
const PAIR: Bounds = Bounds { instances: 2, ..ONE_PROBE };

#[test]
fn the_circuit_keeps_its_laws_whatever_happens_at_any_step() {
    let mut all = vec![ONE_PROBE, TWO_PROBES];
    let mishaps = [CRASH, LOST, COPY, EVICTION, OVERRIDE, OUTAGE];
    all.extend(mishaps.map(|mishaps| Bounds { mishaps, ..PAIR }));
    if crate::is_long() {
        all.extend(mishaps.map(|mishaps| Bounds { mishaps, ..TWO_PROBES }));
        all.extend(mishaps.map(|mishaps| Bounds { mishaps, ..ONE_PROBE }));
        all.push(Bounds { dawdling: true, ..TWO_PROBES });
        all.push(Bounds { dawdling: true, mishaps: CRASH, ..PAIR });
    }
    let mut seen = BTreeSet::new();
    for bounds in all {
        let found = explore(None, bounds);
        assert!(found.broken.is_empty(), "{bounds:?}: {:?}", found.broken);
        assert!(found.owing > 0, "nothing was asked of the backward search");
        seen.extend(found.reached);
    }
    let wanted = [
        "a result comes too late",
        "closes again",
        "closes again by itself",
        "opens",
        "opens by itself",
        "two probes at once",
    ];
    assert_eq!(seen, BTreeSet::from(wanted));
}

#[test]
fn each_mutant_of_the_circuit_breaks_its_law() {
    let one = Bounds { instances: 1, ..PAIR };
    let flushed = Bounds { mishaps: EVICTION, ..PAIR };
    let private = Bounds { mishaps: OUTAGE, ..PAIR };
    let crowded = Bounds { failures: 3, mishaps: LOST, ..PAIR };
    for (flaw, law, bounds) in [
        (Flaw::UnfencedEpoch, laws::FENCED, PAIR),
        (Flaw::EpochAlone, laws::FENCED, flushed),
        (Flaw::UnfencedLease, laws::FENCED, PAIR),
        (Flaw::EndlessLease, STUCK, Bounds { mishaps: CRASH, ..one }),
        (Flaw::AgelessSnapshot, laws::FRESH, PAIR),
        (Flaw::NoProbeLimit, laws::FEW_LEASES, PAIR),
        (Flaw::NeutralCloses, laws::NEUTRAL, one),
        (Flaw::RetryCountedAgain, laws::COUNTED_ONCE, crowded),
        (Flaw::BlindWrite, laws::NONE_LOST, PAIR),
        (Flaw::RefusalWrites, laws::REFUSAL, one),
        (Flaw::LocalIsWritten, laws::PRIVATE, private),
        (Flaw::LocalIsKept, laws::FRESH, private),
    ] {
        let broken = explore(Some(flaw), bounds).broken;
        assert!(!broken.is_empty(), "{flaw:?} passes for right");
        assert!(broken.contains(&law), "{flaw:?} breaks only {broken:?}");
    }
}

/// What was found within the bounds, or up to the first laws that are broken.
struct Found {
    broken: Vec<&'static str>,
    reached: BTreeSet<&'static str>,
    /// How many states were asked for a way to Closed.
    owing: usize,
}

fn explore(flaw: Option<Flaw>, bounds: Bounds) -> Found {
    let (graph, start) = (Arc::new(Graph::default()), Instant::now());
    let policy = record::policy(bounds.failures, bounds.probes, bounds.successes);
    let fleet = Fleet { bounds, rules: Rules { policy, flaw }, graph: Arc::clone(&graph) };
    let checker = fleet.checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let states = checker.unique_state_count();
    let (mut broken, mut reached) = (Vec::new(), BTreeSet::new());
    let name = flaw.map_or_else(|| "as it is".to_owned(), |flaw| format!("mutant {flaw:?}"));
    println!("circuit, {name}: {bounds:?}: {states} states");
    for (law, path) in checker.discoveries() {
        match checker.discovery_classification(law) {
            DiscoveryClassification::Example => {
                reached.insert(law);
            }
            DiscoveryClassification::Counterexample => {
                println!("  breaks `{law}` after {} steps", path.into_actions().len());
                broken.push(law);
            }
        }
    }
    let mut owing = 0;
    if broken.is_empty() {
        let stuck;
        (owing, stuck) = graph.owing_and_stuck();
        println!("  {stuck} of {owing} states that are not closed have no way to Closed");
        if stuck > 0 {
            broken.push(STUCK);
        }
    }
    println!("  in {:.1?}", start.elapsed());
    Found { broken, reached, owing }
}
