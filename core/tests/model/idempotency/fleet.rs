//! A fleet with one key, as the checker sees it: which steps it may take, and how far it goes.

use std::sync::Arc;

use stateright::{Model, Property};

use super::{
    laws,
    rules::{Flaw, LENGTH, Rules},
    state::{Mishaps, Record, Seconds, State, Step},
};
use crate::graph::{Graph, Place};

pub(super) const TICK: Seconds = 10;

#[derive(Clone, Debug)]
pub(super) struct Bounds {
    /// What is the payload of each caller.
    pub(super) payloads: Vec<u8>,
    /// Who calls: the key is scoped by that.
    pub(super) principals: Vec<u8>,
    /// By how many seconds the clock of each is ahead.
    pub(super) clocks: Vec<Seconds>,
    pub(super) until: Seconds,
    /// How often the key may be claimed again before it expires.
    pub(super) attempts: u32,
    pub(super) mishaps: Mishaps,
}

#[derive(Debug)]
pub(super) struct Fleet {
    pub(super) bounds: Bounds,
    pub(super) rules: Rules,
    pub(super) graph: Arc<Graph>,
}

/// One step. There is no step for a freeze: a frozen caller takes no step while the others go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Swaps on nothing, without a read.
    Begin(usize),
    Look(usize),
    /// A poll of the work, which ends at the second one.
    Poll(usize),
    Fail(usize),
    Land(usize),
    /// The same, and a copy of it is still on its way.
    LandAndLinger(usize),
    /// The request or the answer is lost: the same write is sent again.
    LandAndLose(usize),
    /// The time of the operation is up, the write still on its way.
    GiveUp(usize),
    Crash(usize),
    LandLate,
    Evict,
    Tick,
}

impl Model for Fleet {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let start = State::new(self.bounds.payloads.len(), self.bounds.mishaps);
        self.graph.add_state(&start, self.place(&start));
        vec![start]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let left = &state.left;
        for (place, step) in state.callers.iter().enumerate() {
            match step {
                Step::Idle => actions.push(Action::Begin(place)),
                Step::Waiting { .. } => actions.push(Action::Look(place)),
                Step::Working { .. } => {
                    actions.push(Action::Poll(place));
                    if left.failures > 0 {
                        actions.push(Action::Fail(place));
                    }
                }
                Step::Claiming(_) | Step::Completing { .. } | Step::Releasing(_) => {
                    actions.push(Action::Land(place));
                    if left.lost > 0 {
                        actions.push(Action::LandAndLose(place));
                    }
                    if left.copies > 0 && state.late.is_none() {
                        actions.extend([Action::LandAndLinger(place), Action::GiveUp(place)]);
                    }
                }
                Step::Answered(_) | Step::Unremembered | Step::Mismatched => continue,
            }
            if left.crashes > 0 && *step != Step::Idle {
                actions.push(Action::Crash(place));
            }
        }
        if state.late.is_some() {
            actions.push(Action::LandLate);
        }
        if left.evictions > 0 && state.store.iter().any(Option::is_some) {
            actions.push(Action::Evict);
        }
        if state.now < self.bounds.until {
            actions.push(Action::Tick);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut next = last.clone();
        self.takes(&mut next, action);
        let next = next.canonical(self.are_callers_alike());
        if self.within_boundary(&next) {
            self.graph.add_state(&next, self.place(&next));
            let is_lucky = matches!(
                action,
                Action::Begin(_)
                    | Action::Look(_)
                    | Action::Poll(_)
                    | Action::Land(_)
                    | Action::Tick
            );
            if is_lucky {
                self.graph.add_step(last, &next);
            }
        }
        (next != *last).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        laws::properties()
    }

    /// Callers whose clocks are far apart take over from each other without end.
    fn within_boundary(&self, state: &State) -> bool {
        let writes = state.callers.iter().filter_map(Step::write).chain(&state.late);
        let mut records = writes.map(|write| &write.record);
        records.all(|record| record.claims() <= self.bounds.attempts)
    }
}

impl Fleet {
    pub(super) fn latest_clock(&self) -> Seconds {
        self.bounds.clocks.iter().copied().max().unwrap()
    }

    fn are_callers_alike(&self) -> bool {
        fn same<T: PartialEq>(all: &[T]) -> bool {
            all.iter().all(|one| *one == all[0])
        }
        let Bounds { payloads, principals, clocks, .. } = &self.bounds;
        same(payloads) && same(principals) && same(clocks)
    }

    /// Whether they differ by no more than claims allow for.
    pub(super) fn is_nearly_in_step(&self) -> bool {
        self.latest_clock() - self.bounds.clocks.iter().copied().min().unwrap() <= 1
    }

    pub(super) fn name(&self, place: usize) -> usize {
        let unscoped = self.rules.has(Flaw::UnscopedKey);
        if unscoped { 0 } else { usize::from(self.bounds.principals[place]) }
    }

    /// Whether each caller could still make an attempt within the bounds, and one more.
    fn has_attempts(&self, state: &State) -> bool {
        let writes = state.callers.iter().filter_map(Step::write).chain(&state.late);
        let stored = state.store.iter().flatten().map(|(_, record)| record);
        let most = writes.map(|write| &write.record).chain(stored).map(Record::claims).max();
        let callers = u32::try_from(self.bounds.clocks.len()).unwrap();
        most.unwrap_or(0) + callers < self.bounds.attempts
    }

    /// Every caller can be answered, as long as there is time for a claim to end.
    fn place(&self, state: &State) -> Place {
        let is_answered =
            |step: &Step| matches!(step, Step::Answered(_) | Step::Unremembered | Step::Mismatched);
        if state.callers.iter().all(is_answered) {
            Place::Goal
        } else if state.now + LENGTH + TICK <= self.bounds.until && self.has_attempts(state) {
            Place::Owing
        } else {
            Place::Exempt
        }
    }
}
