//! The processes, their clocks and their steps, for a token as well as for a circuit.

use std::time::Duration;

use funcify_core::Timestamp;
use stateright::{Model, Property};

const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);
pub(super) const LIFETIME: i64 = 3_600;
/// How often time passes in steps of ten seconds while a process waits, and how often it jumps.
const STEPS: u8 = 8;
const JUMPS: u8 = 2;
/// How often a correct process writes.
const WRITES: u8 = 2;

pub(super) const WAITS: &str = "nobody waits for longer than the longest honest wait and a second";
pub(super) const ENDS: &str = "no token is used for more than 30 s after its end";

/// The rule for stored times, and its mutants.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Rule {
    Credible,
    /// The rule of version 0.1: each read lowers a time that is too late to the latest correct one.
    Lowered,
    /// Every stored time is believed.
    Believed,
    /// A process stores a token with the time of its own clock, whatever the provider's clock shows.
    OwnClock,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Clocks {
    pub(super) rule: Rule,
    /// By how many seconds one clock is ahead and the other one is behind.
    pub(super) wrong_by: i64,
}

/// The record in the store, and since when a correct process has to wait because of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct State {
    pub(super) now: i64,
    pub(super) record: String,
    waits_since: Option<i64>,
    /// The longest time that a process waited.
    waited: i64,
    /// The longest time that a token was used after its end.
    pub(super) late: i64,
    steps: u8,
    jumps: u8,
    writes: u8,
    deeds: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Step,
    Jump(i64),
    /// A correct process reads the record and follows the rules.
    Look(Look),
    /// A process whose clock is wrong by so many seconds writes.
    Deed(i64, Deed),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    Succeeds,
    /// It takes the lease if it may, and dies.
    Dies,
    /// It has enough time to watch the lease of another process until that is over.
    Watches,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    TakesLease,
    Fails,
    Publishes,
}

pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(START.as_millis() + seconds * 1_000)
}

pub(super) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

impl State {
    fn of(record: String) -> Self {
        Self {
            now: 0,
            record,
            waits_since: None,
            waited: 0,
            late: 0,
            steps: STEPS,
            jumps: JUMPS,
            writes: WRITES,
            // How often a process with a wrong clock writes.
            deeds: if crate::is_long() { 2 } else { 1 },
        }
    }

    /// Notes that a correct process has to wait now.
    pub(super) fn waits(&mut self) {
        let since = *self.waits_since.get_or_insert(self.now);
        self.waited = self.waited.max(self.now - since);
    }

    pub(super) fn goes_on(&mut self) {
        (self.waits_since, self.steps) = (None, STEPS);
    }

    pub(super) fn writes(&mut self, record: String) {
        if self.record != record {
            self.record = record;
            self.goes_on();
        }
    }
}

/// What the processes share: a token or a circuit.
pub(super) trait Subject {
    /// The longest wait that a correct process can cause, and a second, in seconds.
    const LONGEST: i64;

    /// Returns the records with which a run begins.
    fn planted(clocks: &Clocks) -> Vec<String>;
    fn look(clocks: &Clocks, state: &mut State, look: Look);

    /// Returns the record that a process writes whose clock is wrong by `by` seconds.
    fn deed(clocks: &Clocks, state: &State, by: i64, deed: Deed) -> String;
}

pub(super) struct Fleet<S> {
    pub(super) clocks: Clocks,
    pub(super) subject: std::marker::PhantomData<S>,
}

impl<S: Subject> Model for Fleet<S> {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        S::planted(&self.clocks).into_iter().map(State::of).collect()
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.writes > 0 {
            actions.extend([Look::Succeeds, Look::Dies, Look::Watches].map(Action::Look));
        }
        if state.steps > 0 && state.waits_since.is_some() {
            actions.push(Action::Step);
        }
        if state.jumps > 0 && state.waits_since.is_none() {
            // Jump to where a time of a wrong clock becomes credible, or to the end of a token.
            let by = self.clocks.wrong_by;
            actions.extend([by - 61, by - 30, by - 5, LIFETIME - 5].map(Action::Jump));
        }
        if state.deeds > 0 {
            for by in [self.clocks.wrong_by, -self.clocks.wrong_by] {
                let deeds = [Deed::TakesLease, Deed::Fails, Deed::Publishes];
                actions.extend(deeds.map(|deed| Action::Deed(by, deed)));
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut next = last.clone();
        match action {
            Action::Step => {
                next.steps -= 1;
                next.now += 10;
            }
            Action::Jump(by) if by <= 10 => return None,
            Action::Jump(by) => {
                next.jumps -= 1;
                next.now += by;
            }
            Action::Look(look) => {
                S::look(&self.clocks, &mut next, look);
                next.writes -= u8::from(next.record != last.record);
            }
            Action::Deed(by, deed) => {
                next.deeds -= 1;
                let record = S::deed(&self.clocks, &next, by, deed);
                next.writes(record);
            }
        }
        (next != *last).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(WAITS, |_, state: &State| state.waited <= S::LONGEST),
            Property::always(ENDS, |_, state: &State| state.late <= 30),
        ]
    }
}

pub(super) fn text(record: &impl serde::Serialize) -> String {
    serde_json::to_string(record).unwrap()
}
