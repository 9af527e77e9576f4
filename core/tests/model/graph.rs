//! The graph of all states, as the checker goes through it, and a search of it backward.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Mutex, PoisonError},
};

/// Which states there are, and the steps between them that need no luck: nothing fails on the way.
#[derive(Debug, Default)]
pub(crate) struct Graph(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    states: HashMap<u64, Place>,
    steps: Vec<(u64, u64)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Where every state must be able to go.
    Goal,
    /// A state that must be able to.
    Owing,
    /// So near the bounds that the way leaves them.
    Exempt,
}

impl Graph {
    pub(crate) fn add_state(&self, state: &impl Hash, place: Place) {
        self.known().states.insert(fingerprint(state), place);
    }

    pub(crate) fn add_step(&self, from: &impl Hash, to: &impl Hash) {
        self.known().steps.push((fingerprint(from), fingerprint(to)));
    }

    /// How many states owe a way to the goal, and how many of them have none.
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
