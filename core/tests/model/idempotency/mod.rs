//! A model of idempotency with the real rules. Callers claim, work, complete and release one step at a time.
//! Replies are lost and copies of writes arrive late. Callers crash, freeze, fail, and take over from each
//! other. The record is evicted, clocks differ, and answers expire.
//!
//! A backward search over the graph of all states shows that from each state, every caller can get an answer
//! without a further fault. So no key is blocked for ever.
//!
//! The check is complete within [`Bounds`](fleet::Bounds), which are printed. The model simplifies: time
//! passes in ticks of ten seconds. A claim lasts for two ticks, and an answer is kept for three. The work
//! takes two polls. A caller acts on an answer of the store at once, and a freeze comes before its next
//! step. A caller that gets an error comes back. The number of faults on each path is limited.

mod fleet;
mod laws;
mod rules;
mod state;
mod steps;

use std::{collections::BTreeSet, sync::Arc, time::Instant};

use stateright::{Checker, DiscoveryClassification, HasDiscoveries, Model};

use crate::graph::Graph;
use fleet::{Bounds, Fleet};
use rules::{Flaw, Rules};
use state::Mishaps;

const NONE: Mishaps = Mishaps { crashes: 0, failures: 0, lost: 0, copies: 0, evictions: 0 };
const CRASH: Mishaps = Mishaps { crashes: 1, ..NONE };
const FAILURE: Mishaps = Mishaps { failures: 1, ..NONE };
const LOST: Mishaps = Mishaps { lost: 1, ..NONE };
const COPY: Mishaps = Mishaps { copies: 1, ..NONE };
const EVICTION: Mishaps = Mishaps { evictions: 1, ..NONE };

/// Bounds with `count` callers that have one payload and clocks that agree.
fn callers(count: usize, mishaps: Mishaps) -> Bounds {
    let (payloads, principals, clocks) = (vec![0; count], vec![0; count], vec![0; count]);
    Bounds { payloads, principals, clocks, until: 50, attempts: 6, mishaps }
}

fn pair(mishaps: Mishaps) -> Bounds {
    callers(2, mishaps)
}

fn three(mishaps: Mishaps) -> Bounds {
    Bounds { until: 30, ..callers(3, mishaps) }
}

fn with_clocks(clocks: &[i32], mishaps: Mishaps) -> Bounds {
    Bounds { clocks: clocks.to_vec(), ..callers(clocks.len(), mishaps) }
}

#[test]
fn one_effect_whatever_happens_at_any_step() {
    let short = |bounds: Bounds| Bounds { until: 30, ..bounds };
    let mut all: Vec<Bounds> = [CRASH, FAILURE, LOST, COPY, EVICTION].map(pair).to_vec();
    all = all.into_iter().map(short).collect();
    // This runs long enough for an answer to expire.
    all.push(pair(NONE));
    all.push(short(Bounds { payloads: vec![0, 1], ..pair(CRASH) }));
    all.push(short(Bounds { principals: vec![0, 1], ..pair(NONE) }));
    // The last clock is so far ahead that the end of its claim is not believed.
    all.extend([[0, 1], [5, 0], [2_000, 0]].map(|clocks| short(with_clocks(&clocks, NONE))));
    all.extend([NONE, CRASH, FAILURE, LOST, COPY, EVICTION].map(three));
    if crate::is_long() {
        all.extend([CRASH, FAILURE, LOST, COPY, EVICTION].map(pair));
        all.extend([CRASH, FAILURE, LOST, COPY].map(|mishaps| callers(3, mishaps)));
        all.push(pair(Mishaps { crashes: 1, failures: 1, lost: 1, ..NONE }));
        all.push(pair(Mishaps { crashes: 1, copies: 1, lost: 1, ..NONE }));
        all.push(pair(Mishaps { crashes: 1, failures: 1, evictions: 1, ..NONE }));
        all.push(Bounds { principals: vec![0, 1], ..pair(CRASH) });
        all.push(Bounds { payloads: vec![0, 0, 1], ..three(CRASH) });
        all.extend([[0, 1], [5, 0]].map(|clocks| with_clocks(&clocks, CRASH)));
        all.push(pair(Mishaps { copies: 1, evictions: 1, ..NONE }));
        all.push(short(with_clocks(&[0, 1, 0], CRASH)));
        all.push(short(with_clocks(&[-5, 0, 5], FAILURE)));
    }
    let (mut seen, mut total) = (BTreeSet::new(), 0);
    for bounds in all {
        let found = explore(None, bounds.clone());
        assert!(found.broken.is_empty(), "{bounds:?}: {:?}", found.broken);
        assert!(found.owing > 0, "nothing was asked of the backward search");
        seen.extend(found.reached);
        total += found.states;
    }
    println!("idempotency: {total} states in all");
    let wanted = [
        "a claim is taken over",
        "all get the answer",
        "an answer expires and the work is done again",
        "another payload is refused",
    ];
    assert_eq!(seen, BTreeSet::from(wanted));
}

#[test]
fn each_mutant_of_idempotency_breaks_its_law() {
    for (flaw, law, bounds) in [
        (Flaw::BlindCompletion, laws::FENCED, pair(NONE)),
        (Flaw::BlindRelease, laws::FENCED, pair(FAILURE)),
        (Flaw::ReleaseOfAnothers, laws::ONCE, three(FAILURE)),
        (Flaw::FingerprintLost, laws::HONEST, pair(NONE)),
        (Flaw::EndlessClaim, laws::FREE_AGAIN, pair(CRASH)),
        (Flaw::TakeoverWithoutAVersion, laws::FENCED, pair(NONE)),
        (Flaw::SecondsForMilliseconds, laws::ONCE, pair(NONE)),
        (Flaw::EndlessWait, laws::FREE_AGAIN, pair(CRASH)),
        (Flaw::FrozenGoesOn, laws::ONCE, pair(NONE)),
        (Flaw::UnscopedKey, laws::SCOPED, Bounds { principals: vec![0, 1], ..pair(NONE) }),
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
    states: usize,
    /// How many states must have a way to an answer for every caller.
    owing: usize,
}

fn explore(flaw: Option<Flaw>, bounds: Bounds) -> Found {
    let (graph, start) = (Arc::new(Graph::default()), Instant::now());
    let name = flaw.map_or_else(|| "as it is".to_owned(), |flaw| format!("mutant {flaw:?}"));
    let shown = format!("{bounds:?}");
    let fleet = Fleet { bounds, rules: Rules { flaw }, graph: Arc::clone(&graph) };
    let checker = fleet.checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let states = checker.unique_state_count();
    let (mut broken, mut reached) = (Vec::new(), BTreeSet::new());
    println!("idempotency, {name}: {shown}: {states} states");
    for (law, path) in checker.discoveries() {
        match checker.discovery_classification(law) {
            DiscoveryClassification::Example => {
                reached.insert(law);
            }
            DiscoveryClassification::Counterexample => {
                println!("  breaks `{law}`: {:?}", path.into_actions());
                broken.push(law);
            }
        }
    }
    let mut owing = 0;
    if broken.is_empty() {
        let stuck;
        (owing, stuck) = graph.owing_and_stuck();
        println!("  {stuck} of {owing} states have no way to an answer for all");
        if stuck > 0 {
            broken.push(laws::FREE_AGAIN);
        }
    }
    println!("  in {:.1?}", start.elapsed());
    Found { broken, reached, states, owing }
}
