//! One write carried to its end, model-checked: sent, lost on the way there or back, sent again with
//! the same id, copied and late, given up; and what a caller may conclude from each answer.
//!
//! Complete within [`Bounds`], which are printed. Abstracted: the content of a record is its write
//! id, and each writer reads, swaps once and is done; nothing is deleted (a copy of a first write
//! would create the record anew in any store: L1 to L3 are about what is there).

use std::time::Instant;

use stateright::{Checker, HasDiscoveries, Model, Property};

#[derive(Clone, Copy, Debug)]
struct Bounds {
    writers: usize,
    sends: u8,
    copies: u8,
}

const TWO: Bounds = Bounds { writers: 2, sends: 3, copies: 2 };
const THREE: Bounds = Bounds { writers: 3, sends: 2, copies: 0 };

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    /// "What is stored is mine" is not looked at.
    NoWriteId,
    /// A conflict after an ambiguous send is taken for a conflict.
    ConflictAfterDoubt,
    /// A write that is still on its way is sent again as another.
    AnotherId,
    /// The store does not compare.
    BlindWrite,
    /// Whoever is in doubt reads: what was expected is still there, so "it was not applied".
    SettledByReading,
}

#[derive(Debug)]
struct Swaps {
    bounds: Bounds,
    flaw: Option<Flaw>,
}

type Id = u8;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    /// Which writes took effect, in order.
    log: Vec<Applied>,
    writers: Vec<Writer>,
    /// Requests on their way, each of a writer.
    sent: Vec<Request>,
    copies: u8,
    /// Whether somebody was refused by a store that held his own write.
    denied: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Applied {
    writer: usize,
    id: Id,
    on: Option<Id>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Request {
    writer: usize,
    id: Id,
    expected: Option<Id>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Writer {
    expected: Option<Id>,
    id: Id,
    sends: u8,
    in_doubt: bool,
    step: Step,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Step {
    Start,
    Read,
    Waiting,
    Answered(bool),
    Told(CallOutcome),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum CallOutcome {
    Done,
    Conflict,
    Ambiguous,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Read(usize),
    Send(usize),
    /// The place of the request among those on their way.
    Arrive(usize),
    ArriveAndLinger(usize),
    Drop(usize),
    Receive(usize),
    /// No answer in time: it may have been applied.
    Doubt(usize),
}

impl Model for Swaps {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let writer = Writer { expected: None, id: 0, sends: 0, in_doubt: false, step: Step::Start };
        let writers = vec![writer; self.bounds.writers];
        let copies = self.bounds.copies;
        vec![State { log: Vec::new(), writers, sent: Vec::new(), copies, denied: false }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (place, writer) in state.writers.iter().enumerate() {
            match writer.step {
                Step::Start => actions.push(Action::Read(place)),
                Step::Read => actions.push(Action::Send(place)),
                Step::Waiting => actions.push(Action::Doubt(place)),
                Step::Answered(_) => actions.extend([Action::Receive(place), Action::Doubt(place)]),
                Step::Told(_) => {}
            }
        }
        for place in 0..state.sent.len() {
            actions.extend([Action::Arrive(place), Action::Drop(place)]);
            if state.copies > 0 {
                actions.push(Action::ArriveAndLinger(place));
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut next = last.clone();
        match action {
            Action::Read(place) => {
                let stored = next.stored();
                let writer = &mut next.writers[place];
                (writer.expected, writer.step) = (stored, Step::Read);
                writer.id = self.id_of(place, 0);
            }
            Action::Send(place) => next.sends(place),
            Action::Arrive(place) => {
                let request = next.sent.remove(place);
                self.arrives(&mut next, request);
            }
            Action::ArriveAndLinger(place) => {
                next.copies -= 1;
                let request = next.sent[place];
                self.arrives(&mut next, request);
            }
            Action::Drop(place) => {
                next.sent.remove(place);
            }
            Action::Receive(place) => {
                let writer = &mut next.writers[place];
                let doubts = writer.in_doubt && self.flaw != Some(Flaw::ConflictAfterDoubt);
                writer.step = Step::Told(match writer.step {
                    Step::Answered(true) => CallOutcome::Done,
                    _ if doubts => CallOutcome::Ambiguous,
                    _ => CallOutcome::Conflict,
                });
            }
            Action::Doubt(place) => self.doubts(&mut next, place),
        }
        next.sent.sort_unstable();
        (next != *last).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(
                "L1: done is once, on top of what was expected",
                |_, state: &State| {
                    state.all(CallOutcome::Done, |applied, writer| {
                        applied.len() == 1 && applied[0].on == writer.expected
                    })
                },
            ),
            Property::always("L2: conflict is never", |_, state: &State| {
                state.all(CallOutcome::Conflict, |applied, _| applied.is_empty())
            }),
            Property::always("L3: ambiguous is at most once", |_, state: &State| {
                state.all(CallOutcome::Ambiguous, |applied, _| applied.len() <= 1)
            }),
            Property::always("L10: the same write has no second effect", |_, state: &State| {
                let twice = |a: &Applied| state.log.iter().filter(|b| a.id == b.id).count() > 1;
                !state.log.iter().any(twice)
            }),
            Property::always("L10: what is stored is mine is done", |_, state: &State| {
                !state.denied
            }),
            Property::sometimes("done at the second send", |_, state: &State| {
                let done = Step::Told(CallOutcome::Done);
                state.writers.iter().any(|writer| writer.sends == 2 && writer.step == done)
            }),
            Property::sometimes("ambiguous and applied", |_, state: &State| {
                !state.all(CallOutcome::Ambiguous, |applied, _| applied.is_empty())
            }),
            Property::sometimes("ambiguous and not applied", |_, state: &State| {
                !state.all(CallOutcome::Ambiguous, |applied, _| applied.len() == 1)
            }),
            Property::sometimes("conflict", |_, state: &State| {
                !state.all(CallOutcome::Conflict, |_, _| false)
            }),
        ]
    }
}

impl Swaps {
    fn id_of(&self, writer: usize, send: u8) -> Id {
        let another = if self.flaw == Some(Flaw::AnotherId) { send } else { 0 };
        u8::try_from(writer).unwrap() * 8 + another
    }

    fn arrives(&self, state: &mut State, request: Request) {
        let Request { writer, id, expected } = request;
        let stored = state.stored();
        let is_mine = stored == Some(id) && self.flaw != Some(Flaw::NoWriteId);
        let fits = stored == expected || self.flaw == Some(Flaw::BlindWrite);
        if !is_mine && fits {
            state.log.push(Applied { writer, id, on: stored });
        }
        state.denied |= stored == Some(id) && !is_mine && !fits;
        let sender = &mut state.writers[writer];
        if sender.step == Step::Waiting && sender.id == id {
            sender.step = Step::Answered(is_mine || fits);
        }
    }

    fn doubts(&self, state: &mut State, place: usize) {
        let stored = state.stored();
        let writer = &mut state.writers[place];
        writer.in_doubt = true;
        if self.flaw == Some(Flaw::SettledByReading) {
            let mine = stored == Some(writer.id);
            writer.step = Step::Told(if mine { CallOutcome::Done } else { CallOutcome::Conflict });
        } else if writer.sends < self.bounds.sends {
            writer.id = self.id_of(place, writer.sends);
            if self.flaw == Some(Flaw::AnotherId) {
                writer.expected = stored;
            }
            state.sends(place);
        } else {
            writer.step = Step::Told(CallOutcome::Ambiguous);
        }
    }
}

impl State {
    fn stored(&self) -> Option<Id> {
        self.log.last().map(|applied| applied.id)
    }

    fn sends(&mut self, place: usize) {
        let writer = &mut self.writers[place];
        (writer.step, writer.sends) = (Step::Waiting, writer.sends + 1);
        self.sent.push(Request { writer: place, id: writer.id, expected: writer.expected });
    }

    /// Whether what took effect of each writer who was told `outcome` is as `law` says.
    fn all(&self, outcome: CallOutcome, law: impl Fn(&[Applied], &Writer) -> bool) -> bool {
        let told = |(_, writer): &(usize, &Writer)| writer.step == Step::Told(outcome);
        self.writers.iter().enumerate().filter(told).all(|(place, writer)| {
            let of = |applied: &&Applied| applied.writer == place;
            law(&self.log.iter().filter(of).copied().collect::<Vec<_>>(), writer)
        })
    }
}

#[test]
fn a_swap_with_lost_replies_retries_and_copies_keeps_l1_l2_l3_and_l10() {
    let mut all = vec![TWO, THREE];
    if crate::is_long() {
        all.extend([Bounds { copies: 1, ..THREE }, Bounds { sends: 3, ..THREE }]);
    }
    for bounds in all {
        let (broken, reached) = explore(None, bounds);
        assert_eq!((broken, reached), (None, 4), "{bounds:?}");
    }
}

#[test]
fn each_twin_of_the_swap_is_caught() {
    use Flaw::{AnotherId, BlindWrite, ConflictAfterDoubt, NoWriteId, SettledByReading};
    for flaw in [NoWriteId, ConflictAfterDoubt, AnotherId, BlindWrite, SettledByReading] {
        assert!(explore(Some(flaw), THREE).0.is_some(), "{flaw:?} passes for right");
    }
}

/// The law that is broken, if one is; and how much was reached of what should be.
fn explore(flaw: Option<Flaw>, bounds: Bounds) -> (Option<&'static str>, usize) {
    let start = Instant::now();
    let swaps = Swaps { bounds, flaw };
    let checker = swaps.checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    println!(
        "swap, {}: {bounds:?}: {} states in {:.1?}",
        flaw.map_or_else(|| "as it is".to_owned(), |flaw| format!("mutant {flaw:?}")),
        checker.unique_state_count(),
        start.elapsed()
    );
    let (mut broken, mut reached) = (None, 0);
    for (name, path) in checker.discoveries() {
        if checker.discovery_classification(name).to_string() == "counterexample" {
            println!("  breaks `{name}` after {} steps", path.into_actions().len());
            broken = Some(name);
        } else {
            reached += 1;
        }
    }
    (broken, reached)
}
