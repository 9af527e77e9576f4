//! The steps of a fleet with one key, as the checker takes them.

use std::sync::Arc;

use funcify_core::engine::{KeyStatus, LostClaim};
use stateright::{Model, Property};

use super::{
    laws,
    rules::{Decided, Flaw, LENGTH, Rules},
    state::{Answer, Claim, Id, Mishaps, Record, Seconds, State, Step, Write},
};
use crate::graph::{Graph, Place};

const TICK: Seconds = 10;

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

/// One step. A freeze is none: it is a step that is not taken while the others go on.
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
    fn is_nearly_in_step(&self) -> bool {
        self.latest_clock() - self.bounds.clocks.iter().copied().min().unwrap() <= 1
    }

    fn name(&self, place: usize) -> usize {
        let unscoped = self.rules.has(Flaw::UnscopedKey);
        if unscoped { 0 } else { usize::from(self.bounds.principals[place]) }
    }

    fn takes(&self, state: &mut State, action: Action) {
        match action {
            Action::Begin(place) => self.asks(state, place, None, 0),
            Action::Look(place) => self.looks(state, place),
            Action::Poll(place) => self.polls(state, place, true),
            Action::Fail(place) => {
                state.left.failures -= 1;
                self.polls(state, place, false);
            }
            Action::Land(place) => self.lands(state, place),
            Action::LandAndLinger(place) => {
                state.left.copies -= 1;
                state.late = state.callers[place].write().cloned();
                self.lands(state, place);
            }
            Action::LandAndLose(place) => {
                state.left.lost -= 1;
                let write = state.callers[place].write().cloned().unwrap();
                let is_blind = self.is_blind(&state.callers[place]);
                self.stores(state, &write, Some(place), is_blind);
                if let Step::Completing { ambiguous, .. } = &mut state.callers[place] {
                    *ambiguous = true;
                }
            }
            Action::GiveUp(place) => {
                state.left.copies -= 1;
                state.late = state.callers[place].write().cloned();
                let gave_up = match &state.callers[place] {
                    Step::Completing { .. } => Step::Unremembered,
                    _ => Step::Idle,
                };
                if gave_up == Step::Unremembered {
                    laws::ended(state, place);
                }
                state.callers[place] = gave_up;
            }
            Action::Crash(place) => {
                state.left.crashes -= 1;
                let gone = std::mem::replace(&mut state.callers[place], Step::Idle);
                laws::ended(state, place);
                if state.late.is_none() {
                    state.late = gone.write().cloned();
                }
            }
            Action::LandLate => {
                if let Some(write) = state.late.take() {
                    self.stores(state, &write, None, false);
                }
            }
            Action::Evict => {
                state.left.evictions -= 1;
                for (stored, seen) in state.store.iter_mut().zip(&mut state.seen) {
                    seen.losses += u8::from(stored.take().is_some());
                    seen.answer = None;
                }
            }
            Action::Tick => state.now += TICK,
        }
    }

    /// What a caller does about what is stored.
    fn asks(
        &self,
        state: &mut State,
        place: usize,
        stored: Option<(u8, Record)>,
        watched: Seconds,
    ) {
        let (payload, principal) = (self.bounds.payloads[place], self.bounds.principals[place]);
        let (name, now) = (self.name(place), state.now + self.bounds.clocks[place]);
        let record = stored.as_ref().map(|(_, record)| record);
        let wait = |version: u8| {
            let since = state.now - watched;
            Step::Waiting { version, since }
        };
        let decided = match self.rules.decide(record, payload, watched, now) {
            Decided::Claim(_) if self.rules.is_held(record) => Decided::Wait,
            decided => decided,
        };
        state.callers[place] = match decided {
            Decided::Wait => wait(stored.unwrap().0),
            Decided::Mismatch => {
                let others = self.bounds.payloads.iter().any(|other| *other != payload);
                if !others {
                    state.breaks(laws::HONEST);
                }
                Step::Mismatched
            }
            Decided::Replay(answer) => {
                let answer = answer.unwrap();
                laws::answered(state, name, answer, payload, principal);
                Step::Answered(answer)
            }
            Decided::Claim(claimed) => match stored {
                Some((version, _)) if self.rules.has(Flaw::TakeoverWithoutAVersion) => {
                    let claim = Claim { version, record: claimed };
                    Step::Working { claim, begun: false }
                }
                stored => {
                    let id = state.unused();
                    let expected = stored.map(|(version, _)| version);
                    Step::Claiming(Write { name, id, expected, record: claimed })
                }
            },
        };
    }

    fn looks(&self, state: &mut State, place: usize) {
        let Step::Waiting { version, since } = state.callers[place] else { return };
        let stored = state.store[self.name(place)].clone();
        let is_done = stored.as_ref().is_none_or(|(_, record)| record.answer.is_some());
        if self.rules.has(Flaw::EndlessWait) && !is_done {
            return;
        }
        let is_same = stored.as_ref().is_some_and(|(stored, _)| *stored == version);
        let watched = if is_same { state.now - since } else { 0 };
        self.asks(state, place, stored, watched);
    }

    /// Both clocks are looked at before each poll.
    fn polls(&self, state: &mut State, place: usize, succeeds: bool) {
        let Step::Working { claim, begun } = state.callers[place].clone() else { return };
        let (name, now) = (self.name(place), state.now + self.bounds.clocks[place]);
        if !self.rules.stands(&claim, now) {
            laws::ended(state, place);
            state.callers[place] = Step::Idle;
            return;
        }
        if !begun {
            let ends = claim.record.since - self.bounds.clocks[place] + LENGTH;
            laws::begins(state, name, place, ends, self.is_nearly_in_step());
        }
        if !succeeds {
            laws::ended(state, place);
            state.callers[place] = Self::release(state, name, (claim.version, &claim.record), now);
            return;
        }
        let (payload, caller) = (self.bounds.payloads[place], self.bounds.principals[place]);
        state.callers[place] = if begun {
            let answer = Answer { fence: claim.record.fence, payload, caller };
            let record = self.rules.completed(&claim, answer, now);
            let (id, expected) = (state.unused(), Some(claim.version));
            let write = Write { name, id, expected, record };
            Step::Completing { claim, answer, write, ambiguous: false }
        } else {
            Step::Working { claim, begun: true }
        };
    }

    fn release(state: &State, name: usize, stored: (Id, &Record), now: Seconds) -> Step {
        let (version, record) = stored;
        let (id, expected) = (state.unused(), Some(version));
        Step::Releasing(Write { name, id, expected, record: Rules::released(record, now) })
    }

    fn is_blind(&self, step: &Step) -> bool {
        match step {
            Step::Completing { .. } => self.rules.has(Flaw::BlindCompletion),
            Step::Releasing(_) => self.rules.has(Flaw::BlindRelease),
            _ => false,
        }
    }

    /// A write arrives, and its sender goes on with the answer.
    fn lands(&self, state: &mut State, place: usize) {
        let step = state.callers[place].clone();
        let Some(write) = step.write() else { return };
        let applied = self.stores(state, write, Some(place), self.is_blind(&step));
        match step {
            Step::Claiming(write) if applied => {
                let claim = Claim { version: write.id, record: write.record };
                state.callers[place] = Step::Working { claim, begun: false };
            }
            Step::Claiming(_) => {
                let stored = state.store[self.name(place)].clone();
                self.asks(state, place, stored, 0);
            }
            Step::Completing { claim, answer, ambiguous, .. } => {
                self.completes(state, place, &claim, answer, applied, ambiguous);
            }
            Step::Releasing(write) => {
                let now = state.now + self.bounds.clocks[place];
                let again = state.store[write.name].clone().filter(|(_, stored)| {
                    let is_claim = stored.status == KeyStatus::InProgress;
                    !applied && is_claim && self.rules.has(Flaw::ReleaseOfAnothers)
                });
                state.callers[place] = match again {
                    Some((version, record)) => {
                        Self::release(state, write.name, (version, &record), now)
                    }
                    None => Step::Idle,
                };
            }
            _ => {}
        }
    }

    fn completes(
        &self,
        state: &mut State,
        place: usize,
        claim: &Claim,
        answer: Answer,
        applied: bool,
        ambiguous: bool,
    ) {
        let (payload, principal) = (self.bounds.payloads[place], self.bounds.principals[place]);
        let (name, now) = (self.name(place), state.now + self.bounds.clocks[place]);
        if applied {
            laws::answered(state, name, answer, payload, principal);
            state.callers[place] = Step::Answered(answer);
            return;
        }
        let stored = state.store[name].clone().map(|(_, record)| record);
        let stands = self.rules.stands(claim, now);
        state.callers[place] = match Rules::lost(stored.as_ref(), claim, stands, now) {
            LostClaim::Answered => {
                let answer = stored.and_then(|stored| stored.answer).unwrap();
                laws::answered(state, name, answer, payload, principal);
                Step::Answered(answer)
            }
            LostClaim::WriteAnew => {
                let record = self.rules.completed(claim, answer, now);
                let id = state.unused();
                let write = Write { name, id, expected: None, record };
                Step::Completing { claim: claim.clone(), answer, write, ambiguous }
            }
            // The caller comes back.
            LostClaim::Superseded => Step::Idle,
        };
    }

    /// Whether the write is what is stored now.
    fn stores(
        &self,
        state: &mut State,
        write: &Write,
        sender: Option<usize>,
        is_blind: bool,
    ) -> bool {
        let stored = state.store[write.name].as_ref().map(|(id, _)| *id);
        if stored == Some(write.id) {
            return true;
        }
        if stored != write.expected && !is_blind {
            return false;
        }
        laws::watch_write(state, write, sender, self);
        state.store[write.name] = Some((write.id, write.record.clone()));
        true
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
