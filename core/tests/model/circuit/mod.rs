//! The circuit, model-checked with the real rules: reports and leases that are read, applied and
//! swapped one step at a time, answers that are lost, copies that come late, crashes, freezes, an
//! eviction, an operator's order, a store that is away for one instance.
//!
//! Complete within [`Bounds`], which are printed. Abstracted: time in ticks of two seconds, one
//! clock; a read is as old as its beginning; an instance has one call at a time (of more, each is
//! one instance); what goes wrong does so a bounded number of times on each path.

mod flaw;
mod fleet;
mod laws;
mod record;
mod state;
mod steps;

use std::{collections::BTreeSet, sync::Arc, time::Instant};

use stateright::{Checker, Expectation, HasDiscoveries, Model};

use flaw::{Flaw, Rules};
use fleet::{Bounds, Fleet};
use state::Mishaps;

use crate::graph::Graph;

const NONE: Mishaps =
    Mishaps { crashes: 0, lost: 0, copies: 0, evictions: 0, orders: 0, outages: 0 };

const ONE_PROBE: Bounds =
    Bounds { instances: 3, failures: 2, probes: 1, successes: 1, epochs: 3, mishaps: NONE };

const TWO_PROBES: Bounds =
    Bounds { instances: 2, failures: 2, probes: 2, successes: 2, epochs: 3, mishaps: NONE };

#[test]
fn spike() {
    let n = |name: &str| std::env::var(name).ok().and_then(|v| v.parse::<u8>().ok());
    let mishaps = Mishaps {
        crashes: n("CRASHES").unwrap_or(0),
        lost: n("LOST").unwrap_or(0),
        copies: n("COPIES").unwrap_or(0),
        evictions: n("EVICTIONS").unwrap_or(0),
        orders: n("ORDERS").unwrap_or(0),
        outages: n("OUTAGES").unwrap_or(0),
    };
    let bounds = Bounds {
        instances: n("INSTANCES").unwrap_or(2).into(),
        failures: n("FAILURES").unwrap_or(2).into(),
        probes: n("PROBES").unwrap_or(1).into(),
        successes: n("SUCCESSES").unwrap_or(1).into(),
        epochs: n("EPOCHS").unwrap_or(3),
        mishaps,
    };
    println!("{:?}", explore(None, bounds));
}

/// Explores everything within `bounds`, or up to the first law that is broken: that law and the
/// length of the way there, and what was reached at least once.
fn explore(
    flaw: Option<Flaw>,
    bounds: Bounds,
) -> (Option<(&'static str, usize)>, BTreeSet<&'static str>) {
    let graph = Arc::new(Graph::default());
    let policy = record::policy(bounds.failures, bounds.probes, bounds.successes);
    let fleet = Fleet { bounds, rules: Rules { policy, flaw }, graph: Arc::clone(&graph) };
    let (properties, start) = (fleet.properties(), Instant::now());
    let checker = fleet.checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let (states, took) = (checker.unique_state_count(), start.elapsed());
    println!("{flaw:?} {bounds:?}: {states} states in {took:?}");
    let (mut broken, mut reached) = (None, BTreeSet::new());
    for (name, path) in checker.discoveries() {
        let is_law = |expectation| matches!(expectation, Expectation::Always);
        if properties.iter().any(|law| law.name == name && is_law(law.expectation.clone())) {
            let actions = path.into_actions();
            println!("  breaks `{name}` after {} steps: {actions:?}", actions.len());
            broken = Some((name, actions.len()));
        } else {
            reached.insert(name);
        }
    }
    if broken.is_none() {
        let (owing, stuck) = graph.owing_and_stuck();
        println!("  of {owing} states {stuck} have no way to Closed; {:?}", start.elapsed());
    }
    (broken, reached)
}
