//! A model of one write with its retries. Requests and replies are lost. Requests are sent again with the
//! same id, copied, or late. The model checks what a caller may conclude from each answer.
//!
//! The check is complete within [`Bounds`], which are printed. The model simplifies: the content of a record
//! is its write id, and each writer reads, swaps once and ends. No record is deleted, because in any store a
//! copy of a first write creates a deleted record again.

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
    /// The store does not compare the write id first.
    NoWriteId,
    /// A conflict after an ambiguous attempt is reported as a conflict.
    ConflictAfterDoubt,
    /// An ambiguous write is sent again with another id.
    AnotherId,
    /// The store does not compare versions.
    BlindWrite,
    /// After an ambiguous attempt the writer reads the record, and reports what it finds.
    RetriedByReading,
}

#[derive(Debug)]
struct Swaps {
    bounds: Bounds,
    flaw: Option<Flaw>,
}

type Id = u8;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    /// The writes that took effect, in order.
    log: Vec<Effect>,
    writers: Vec<Writer>,
    /// The requests in transit.
    sent: Vec<Request>,
    copies: u8,
    /// Whether the store refused a write that it already held.
    denied: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Effect {
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
    Ended(Answer),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Answer {
    Applied,
    Conflict,
    Ambiguous,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Read(usize),
    Send(usize),
    /// The index of the request among those in transit.
    Arrive(usize),
    ArriveAndLinger(usize),
    Drop(usize),
    Receive(usize),
    /// No answer came in time, so the write may have been applied.
    TimeOut(usize),
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
                Step::Waiting => actions.push(Action::TimeOut(place)),
                Step::Answered(_) => {
                    actions.extend([Action::Receive(place), Action::TimeOut(place)]);
                }
                Step::Ended(_) => {}
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
                writer.step = Step::Ended(match writer.step {
                    Step::Answered(true) => Answer::Applied,
                    _ if doubts => Answer::Ambiguous,
                    _ => Answer::Conflict,
                });
            }
            Action::TimeOut(place) => self.times_out(&mut next, place),
        }
        next.sent.sort_unstable();
        (next != *last).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(
                "L1: applied means once, on top of what was expected",
                |_, state: &State| {
                    state.all(Answer::Applied, |applied, writer| {
                        applied.len() == 1 && applied[0].on == writer.expected
                    })
                },
            ),
            Property::always("L2: conflict means never", |_, state: &State| {
                state.all(Answer::Conflict, |applied, _| applied.is_empty())
            }),
            Property::always("L3: ambiguous means at most once", |_, state: &State| {
                state.all(Answer::Ambiguous, |applied, _| applied.len() <= 1)
            }),
            Property::always("L10: the same write has no second effect", |_, state: &State| {
                let twice = |a: &Effect| state.log.iter().filter(|b| a.id == b.id).count() > 1;
                !state.log.iter().any(twice)
            }),
            Property::always(
                "L10: a stored write that is sent again is applied",
                |_, state: &State| !state.denied,
            ),
            Property::sometimes("applied at the second send", |_, state: &State| {
                let applied = Step::Ended(Answer::Applied);
                state.writers.iter().any(|writer| writer.sends == 2 && writer.step == applied)
            }),
            Property::sometimes("ambiguous and applied", |_, state: &State| {
                !state.all(Answer::Ambiguous, |applied, _| applied.is_empty())
            }),
            Property::sometimes("ambiguous and not applied", |_, state: &State| {
                !state.all(Answer::Ambiguous, |applied, _| applied.len() == 1)
            }),
            Property::sometimes("conflict", |_, state: &State| {
                !state.all(Answer::Conflict, |_, _| false)
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
            state.log.push(Effect { writer, id, on: stored });
        }
        state.denied |= stored == Some(id) && !is_mine && !fits;
        let sender = &mut state.writers[writer];
        if sender.step == Step::Waiting && sender.id == id {
            sender.step = Step::Answered(is_mine || fits);
        }
    }

    fn times_out(&self, state: &mut State, place: usize) {
        let stored = state.stored();
        let writer = &mut state.writers[place];
        writer.in_doubt = true;
        if self.flaw == Some(Flaw::RetriedByReading) {
            let mine = stored == Some(writer.id);
            writer.step = Step::Ended(if mine { Answer::Applied } else { Answer::Conflict });
        } else if writer.sends < self.bounds.sends {
            writer.id = self.id_of(place, writer.sends);
            if self.flaw == Some(Flaw::AnotherId) {
                writer.expected = stored;
            }
            state.sends(place);
        } else {
            writer.step = Step::Ended(Answer::Ambiguous);
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

    /// Whether the writes of each writer that ended with `answer` took effect as `law` says.
    fn all(&self, answer: Answer, law: impl Fn(&[Effect], &Writer) -> bool) -> bool {
        let ended = |(_, writer): &(usize, &Writer)| writer.step == Step::Ended(answer);
        self.writers.iter().enumerate().filter(ended).all(|(place, writer)| {
            let of = |applied: &&Effect| applied.writer == place;
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
fn each_mutant_of_the_swap_is_caught() {
    use Flaw::{AnotherId, BlindWrite, ConflictAfterDoubt, NoWriteId, RetriedByReading};
    for flaw in [NoWriteId, ConflictAfterDoubt, AnotherId, BlindWrite, RetriedByReading] {
        assert!(explore(Some(flaw), THREE).0.is_some(), "{flaw:?} is not caught");
    }
}

/// Returns the broken law, if any, and how many of the situations that must be reachable were reached.
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
