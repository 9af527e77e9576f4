//! A model of the circuit with the real rules. Instances read, apply and swap reports and leases one step at
//! a time. Answers are lost and copies of writes arrive late. Instances crash or freeze. The record is
//! evicted, and an operator sets an override. The store may be away from any step to any later one. An
//! instance that finds it away goes on by itself, up to a limited epoch.
//!
//! A backward search over the graph of all states shows that from each state, the circuit can close without
//! a further fault.
//!
//! The check is complete within [`Bounds`], which are printed. The model simplifies: time passes in ticks of
//! two seconds, on one clock. A read shows the state at its beginning. An instance makes one call at a time;
//! one with several calls is like several instances. A private open duration is as long as a shared one. The
//! number of faults on each path is limited. The model leaves out the rate rule, whose reports change only a
//! closed record, the quorum, which only asks for more failures, and clocks that differ. The tables of
//! cases, the property tests and the simulator check these.

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

/// The name of the law that a circuit can always close.
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

/// What was found within the bounds, or until the first law was broken.
struct Found {
    broken: Vec<&'static str>,
    reached: BTreeSet<&'static str>,
    /// How many states must have a way to Closed.
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
