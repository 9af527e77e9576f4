//! The graph of all states that the checker visits, and a backward search in this graph.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Mutex, PoisonError},
};

/// The states, and the steps between them that are not faults.
#[derive(Debug, Default)]
pub(crate) struct Graph(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    states: HashMap<u64, Place>,
    steps: Vec<(u64, u64)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A state that every other state must be able to reach.
    Goal,
    /// A state that must be able to reach a goal.
    Owing,
    /// A state so near to the bounds that its path to a goal leaves them.
    Exempt,
}

impl Graph {
    pub(crate) fn add_state(&self, state: &impl Hash, place: Place) {
        self.known().states.insert(fingerprint(state), place);
    }

    pub(crate) fn add_step(&self, from: &impl Hash, to: &impl Hash) {
        self.known().steps.push((fingerprint(from), fingerprint(to)));
    }

    /// Returns how many states must be able to reach a goal, and how many of them cannot.
    pub(crate) fn owing_and_stuck(&self) -> (usize, usize) {
        let known = self.known();
        let mut back: HashMap<u64, Vec<u64>> = HashMap::new();
        for (from, to) in &known.steps {
            back.entry(*to).or_default().push(*from);
        }
        let at = |wanted| known.states.iter().filter(move |(_, place)| **place == wanted);
        let mut reached: HashSet<u64> = at(Place::Goal).map(|(state, _)| *state).collect();
        let mut next: VecDeque<u64> = reached.iter().copied().collect();
        while let Some(state) = next.pop_front() {
            for from in back.get(&state).into_iter().flatten() {
                if reached.insert(*from) {
                    next.push_back(*from);
                }
            }
        }
        let stuck = at(Place::Owing).filter(|(state, _)| !reached.contains(state)).count();
        (at(Place::Owing).count(), stuck)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn fingerprint(state: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    hasher.finish()
}
