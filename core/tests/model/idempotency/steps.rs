//! What each step of a fleet with one key does.

use funcify_core::engine::{KeyStatus, LostClaim};

use super::{
    fleet::{Action, Fleet, TICK},
    laws,
    rules::{Decided, Flaw, LENGTH, Rules},
    state::{Answer, Claim, Id, Record, Seconds, State, Step, Write},
};

impl Fleet {
    pub(super) fn takes(&self, state: &mut State, action: Action) {
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
}
