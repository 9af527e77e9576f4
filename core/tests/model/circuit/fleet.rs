//! The steps of a fleet with one circuit, as the checker takes them.

use std::sync::Arc;

use funcify_core::{
    circuit::{CallOutcome, CircuitState, OverrideMode},
    engine::circuit::{Instance as Tag, close},
};
use stateright::{Model, Property};

use super::{
    flaw::{Flaw, Rules},
    laws,
    record::{LEASE, Lease, NOW, Record},
    state::{Answer, Instance, Mishaps, Permit, Purpose, State, Step, Write},
};
use crate::graph::{Graph, Place};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) instances: usize,
    pub(crate) failures: u32,
    pub(crate) probes: u32,
    pub(crate) successes: u32,
    pub(crate) epochs: u8,
    /// The last epoch of a private record, which an instance keeps while the store is away.
    pub(crate) local_epochs: u8,
    /// Whether time may pass between an answer of the store and the step that follows from it. If not, each
    /// instance acts on an answer at once, and a freeze comes before the next step.
    pub(crate) dawdling: bool,
    pub(crate) mishaps: Mishaps,
}

#[derive(Debug)]
pub(crate) struct Fleet {
    pub(crate) bounds: Bounds,
    pub(crate) rules: Rules,
    pub(crate) graph: Arc<Graph>,
}

/// One step. There is no step for a freeze: the frozen instance takes no step while the others go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Begin(usize),
    End(usize, CallOutcome),
    /// A write arrives and is applied or refused.
    Land(usize),
    /// The same, and a copy of the write is still on its way.
    LandAndLinger(usize),
    Receive(usize),
    /// The request is lost: the same write is sent again.
    Lose(usize),
    /// The write arrives, and its answer is lost: the same write is sent again.
    LandAndLose(usize),
    /// The time of the operation is up while the write is still on its way.
    GiveUp(usize),
    /// The store refuses the write or is away. Nothing was written, and the instance goes on by itself.
    StoreFails(usize),
    /// A try finds that the store answers again.
    StoreIsBack(usize),
    Crash(usize),
    LandLate,
    Tick,
    Evict,
    Override(OverrideMode),
    /// An operator closes the circuit.
    Close,
}

impl Model for Fleet {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let start = State::new(self.bounds.instances, self.bounds.mishaps);
        self.graph.add_state(&start, self.place(&start));
        vec![start]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let left = &state.left;
        for (place, instance) in state.instances.iter().enumerate() {
            if state.instances[..place].contains(instance) {
                continue;
            }
            let lingers = left.copies > 0 && state.late.is_none();
            match &instance.step {
                Step::Idle => actions.push(Action::Begin(place)),
                Step::Calling(_) => {
                    let outcomes =
                        [CallOutcome::Success, CallOutcome::Failure, CallOutcome::Neutral];
                    actions.extend(outcomes.map(|outcome| Action::End(place, outcome)));
                }
                Step::Refreshing { .. } => {
                    actions.push(Action::Receive(place));
                    if left.outages > 0 {
                        actions.push(Action::StoreFails(place));
                    }
                }
                Step::Writing { answer, ambiguous, .. } => {
                    if answer.is_some() {
                        actions.push(Action::Receive(place));
                    } else {
                        actions.push(Action::Land(place));
                        if left.outages > 0 && !ambiguous {
                            actions.push(Action::StoreFails(place));
                        }
                        if left.lost > 0 {
                            actions.extend([Action::Lose(place), Action::LandAndLose(place)]);
                        }
                        if lingers {
                            actions.extend([Action::LandAndLinger(place), Action::GiveUp(place)]);
                        }
                    }
                }
            }
            let private = instance.snapshot.as_ref().is_some_and(|snapshot| snapshot.private);
            if private && matches!(instance.step, Step::Idle | Step::Calling(_)) {
                actions.push(Action::StoreIsBack(place));
            }
            if left.crashes > 0 && *instance != Instance::fresh() {
                actions.push(Action::Crash(place));
            }
        }
        actions.push(Action::Tick);
        if state.late.is_some() {
            actions.push(Action::LandLate);
        }
        if left.evictions > 0 && state.store.is_some() {
            actions.push(Action::Evict);
        }
        if left.overrides > 0 {
            actions.push(Action::Override(OverrideMode::ForceOpen));
            actions.push(Action::Override(OverrideMode::Disabled));
            actions.push(Action::Close);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut next = last.clone();
        self.takes(&mut next, action);
        if !self.bounds.dawdling {
            self.acts_on_answers(&mut next);
        }
        let next = next.canonical();
        if self.within_boundary(&next) {
            self.graph.add_state(&next, self.place(&next));
            if is_lucky(action) {
                self.graph.add_step(last, &next);
            }
        }
        (next != *last).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        laws::properties()
    }

    fn within_boundary(&self, state: &State) -> bool {
        let private = state.instances.iter().filter_map(|instance| instance.snapshot.as_ref());
        let mut private = private.filter(|snapshot| snapshot.private);
        state.stored().epoch.number <= self.bounds.epochs
            && private.all(|snapshot| snapshot.record.epoch.number <= self.bounds.local_epochs)
    }
}

impl Fleet {
    fn takes(&self, state: &mut State, action: Action) {
        match action {
            Action::Begin(place) => self.begins(state, place),
            Action::End(place, outcome) => self.ends(state, place, outcome),
            Action::Land(place) => self.lands(state, place),
            Action::LandAndLinger(place) => {
                state.left.copies -= 1;
                state.late = state.instances[place].step.write().cloned();
                self.lands(state, place);
            }
            Action::Receive(place) => self.receives(state, place),
            Action::Lose(place) | Action::LandAndLose(place) => {
                state.left.lost -= 1;
                if matches!(action, Action::LandAndLose(_)) {
                    self.lands(state, place);
                }
                if let Step::Writing { answer, ambiguous, .. } = &mut state.instances[place].step {
                    (*answer, *ambiguous) = (None, true);
                }
            }
            Action::GiveUp(place) => {
                state.left.copies -= 1;
                state.late = state.instances[place].step.write().cloned();
                if let Step::Writing { purpose, .. } = state.instances[place].step {
                    self.is_left_in_doubt(state, place, purpose);
                }
            }
            Action::StoreFails(place) => self.goes_private(state, place),
            Action::StoreIsBack(place) => self.comes_back(state, place),
            Action::Crash(place) => {
                state.left.crashes -= 1;
                let gone = std::mem::replace(&mut state.instances[place], Instance::fresh());
                // A write that was sent may still arrive.
                if let Step::Writing { write, answer: None, .. } = gone.step
                    && state.late.is_none()
                {
                    state.late = Some(write);
                }
            }
            Action::LandLate => {
                if let Some(write) = state.late.take() {
                    self.stores(state, &write);
                }
            }
            Action::Tick => state
                .ages(!self.rules.has(Flaw::EndlessLease), !self.rules.has(Flaw::AgelessSnapshot)),
            Action::Evict => {
                state.left.evictions -= 1;
                state.store = None;
                state.seen.forgets();
            }
            Action::Override(mode) => {
                state.left.overrides -= 1;
                let record = Record { overridden: Some((mode, LEASE)), ..state.stored() };
                let version = state.unused();
                state.store = Some((version, record));
            }
            Action::Close => {
                state.left.overrides -= 1;
                let stored = state.stored().real(&self.rules.policy);
                if let Some(closed) = close(&stored, Tag::new("operator"), NOW) {
                    let version = state.unused();
                    if closed.state != stored.state {
                        state.seen.forgets();
                    }
                    state.store = Some((version, Record::of(&closed)));
                }
            }
        }
    }

    fn acts_on_answers(&self, state: &mut State) {
        for place in 0..state.instances.len() {
            loop {
                let answered = match &state.instances[place].step {
                    Step::Idle | Step::Calling(_) => false,
                    Step::Refreshing { .. } => state.left.outages == 0,
                    Step::Writing { answer, .. } => answer.is_some(),
                };
                if !answered {
                    break;
                }
                self.receives(state, place);
            }
        }
    }

    /// Lets a write arrive.
    fn lands(&self, state: &mut State, place: usize) {
        let Some(write) = state.instances[place].step.write().cloned() else { return };
        let (landed, applied) = self.stores(state, &write);
        if let Step::Writing { answer, purpose, .. } = &mut state.instances[place].step {
            *answer = Some(landed);
            if let Purpose::Report { counted, .. } = purpose
                && applied
            {
                if *counted {
                    state.seen.broken = Some(laws::COUNTED_ONCE);
                }
                *counted = true;
            }
        }
    }

    fn stores(&self, state: &mut State, write: &Write) -> (Answer, bool) {
        if state.version() == Some(write.id) {
            return (Answer::Done, false);
        }
        if state.version() != write.expected && !self.rules.has(Flaw::BlindWrite) {
            return (Answer::Conflict(state.store.clone()), false);
        }
        laws::watch(state, write);
        state.store = Some((write.id, write.record.clone()));
        (Answer::Done, true)
    }

    /// Returns whether the backward search must find a way from this state to Closed. A state is exempt if
    /// the changes on the way, including those that were already sent, exceed the bounds.
    fn place(&self, state: &State) -> Place {
        let stored = state.stored();
        if stored.state == CircuitState::Closed {
            return Place::Goal;
        }
        let needs = |record: &Record| {
            let changes = match record.state {
                CircuitState::Closed => 0,
                CircuitState::Open => 2,
                CircuitState::HalfOpen => 1,
            };
            record.epoch.number + changes
        };
        let sent = state.instances.iter().filter_map(|instance| instance.step.write());
        let mut records = sent.chain(&state.late).map(|write| &write.record).chain([&stored]);
        if records.all(|record| needs(record) <= self.bounds.epochs) {
            Place::Owing
        } else {
            Place::Exempt
        }
    }
}

impl Permit {
    /// Whether a report with this permit still counts. This repeats the law and does not use the rule.
    pub(crate) fn stands(&self, record: &Record) -> bool {
        let held = |lease: Lease| {
            let stored = record.leases.iter().find(|other| other.id == lease.id);
            lease.left > 0 && stored.is_some_and(|stored| stored.left > 0)
        };
        self.epoch == record.epoch && self.lease.is_none_or(held)
    }
}

impl Step {
    pub(crate) fn write(&self) -> Option<&Write> {
        match self {
            Self::Writing { write, .. } => Some(write),
            Self::Idle | Self::Refreshing { .. } | Self::Calling(_) => None,
        }
    }
}

fn is_lucky(action: Action) -> bool {
    match action {
        Action::Begin(_)
        | Action::End(..)
        | Action::Land(_)
        | Action::Receive(_)
        | Action::LandLate
        | Action::StoreIsBack(_)
        | Action::Tick => true,
        Action::LandAndLinger(_)
        | Action::Lose(_)
        | Action::LandAndLose(_)
        | Action::GiveUp(_)
        | Action::StoreFails(_)
        | Action::Crash(_)
        | Action::Evict
        | Action::Override(_)
        | Action::Close => false,
    }
}
