//! The log, model-checked: writers that freeze, lose answers, send again and send twice, losers, a
//! foreign hand, a deletion and the trimming of the history, at any step.
//!
//! Bounds: see `Bounds`; a history of three versions stands for the hundred. Abstracted: reads are
//! as old as the moment at which a writer took them (it may hold what it read for ever); the reads
//! of one look see one moment; what has landed in a log that is deleted does not land again in the
//! next one (any store would create the record again, and here a copy could come to stand at the very
//! place of the first).

use std::collections::BTreeSet;

use funcify_core::register::{Version, WriteId};
use stateright::{Checker, Expectation, HasDiscoveries, Model, Property};

use super::{
    Claim, Entry, Log,
    log::{NOBODY, vacancy},
};

#[derive(Clone, Copy, Debug)]
struct Bounds {
    writers: usize,
    writes: u8,
    kept: u64,
    given_up: u8,
    duplicates: u8,
    deletions: u8,
    foreign: u8,
}

/// The protocol, and variants of it that must be caught.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Protocol {
    Ours,
    /// Overwrite, then compare the version that came back; the latest version counts.
    CompareTheNumber,
    /// A write that landed below its base is taken for done.
    DoneOnDeleted,
    /// The version before counts as the base without a look at its write id.
    TrustTheNumber,
    /// Takes over from a lost version wherever it lands.
    TakeOverAnywhere,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    log: Vec<Entry>,
    /// What counts, by definition: kept by the rule, write by write, from the beginning of the log.
    truth: Option<Version>,
    /// The writes that came to count, as long as somebody can still ask.
    counted: BTreeSet<(WriteId, u64)>,
    /// The same of the log that was deleted.
    counted_before: BTreeSet<(WriteId, u64)>,
    writers: Vec<Writer>,
    network: Vec<Put>,
    next_id: u8,
    left: Left,
    /// The writes that were told of a conflict and of which a copy is still under way.
    refused: BTreeSet<WriteId>,
    told: Told,
    broken: Option<Law>,
}

/// What was answered at least once: that an exploration has seen it is checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Told {
    done: bool,
    conflict: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Law {
    DoneIsDone,
    ConflictIsNever,
    AtMostOnce,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Left {
    given_up: u8,
    duplicates: u8,
    deletions: u8,
    foreign: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Writer {
    Idle,
    Holding(Option<Version>),
    /// `unsure`: an earlier send of the same id may have landed.
    Waiting {
        id: WriteId,
        base: Option<Version>,
        unsure: bool,
    },
    Refused {
        id: WriteId,
        unsure: bool,
    },
    Landed {
        id: WriteId,
        base: Option<Version>,
        unsure: bool,
        pos: u64,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Put {
    writer: usize,
    entry: Entry,
    overwrite: bool,
    copy: bool,
}

#[derive(Clone, Debug, PartialEq)]
enum Action {
    Read(usize),
    Send(usize),
    Land(usize),
    Duplicate(usize),
    GiveUp(usize),
    Look(usize),
    Delete,
    Foreign,
}

#[derive(Clone, Debug)]
struct Fleet {
    bounds: Bounds,
    protocol: Protocol,
}

/// What a look finds: the version that counts, and the one that `mine` made.
type Found = (Option<Version>, Option<Version>);

impl Fleet {
    /// What whoever looks at the versions up to `latest` finds; `None` if they are not all there.
    fn look(&self, log: &[Entry], latest: (u64, Entry), mine: Option<WriteId>) -> Option<Found> {
        match self.protocol {
            Protocol::CompareTheNumber => {
                let version = Version::at(latest.1.id, latest.0);
                Some((Some(version), Some(version).filter(|_| Some(latest.1.id) == mine)))
            }
            Protocol::TrustTheNumber => match latest.1.claim {
                Claim::On(base) if base.pos() + 1 == latest.0 => {
                    let version = Version::at(latest.1.id, latest.0);
                    Some((Some(version), Some(version).filter(|_| Some(latest.1.id) == mine)))
                }
                _ => self.read_log(log, latest, mine),
            },
            Protocol::TakeOverAnywhere => match latest.1.claim {
                Claim::On(base) if is_vacancy(log, base) && base.pos() < latest.0 => {
                    let version = Version::at(latest.1.id, latest.0);
                    Some((Some(version), Some(version).filter(|_| Some(latest.1.id) == mine)))
                }
                _ => self.read_log(log, latest, mine),
            },
            Protocol::Ours | Protocol::DoneOnDeleted => self.read_log(log, latest, mine),
        }
    }

    fn read_log(
        &self,
        log: &[Entry],
        latest: (u64, Entry),
        mine: Option<WriteId>,
    ) -> Option<Found> {
        let mut known = Log::new(latest.0, self.bounds.kept);
        known.insert(latest.0, latest.1);
        loop {
            match known.reading(mine, None) {
                Ok(reading) => return Some((reading.current, reading.made)),
                Err(unknown) => {
                    for pos in unknown.0 {
                        known.insert(pos, *self.kept(log).find(|(at, _)| *at == pos)?.1);
                    }
                }
            }
        }
    }

    /// The versions that are still there.
    fn kept<'a>(&self, log: &'a [Entry]) -> impl Iterator<Item = (u64, &'a Entry)> {
        let trimmed = log.len().saturating_sub(self.bounds.kept as usize);
        (1..).zip(log).skip(trimmed)
    }

    /// What a fresh read says now; always answered.
    fn fresh(&self, log: &[Entry]) -> Option<Version> {
        let latest = (log.len() as u64, *log.last()?);
        self.look(log, latest, None).expect("a fresh log is all there").0
    }

    /// The whole rule of the log, from its beginning, one write at a time.
    fn append(&self, state: &mut State, entry: Entry) -> u64 {
        let lost = self.lost(state);
        let pos = state.log.len() as u64 + 1;
        let oldest = (pos + 1).saturating_sub(self.bounds.kept).max(1);
        let counts = match entry.claim {
            Claim::Foreign => true,
            Claim::First => state.truth.is_none() && oldest == 1,
            Claim::On(base) if lost && is_vacancy(&state.log, base) => base.pos() + 1 == pos,
            Claim::On(base) => state.truth == Some(base) && base.pos() >= oldest,
        };
        state.log.push(entry);
        if counts {
            state.truth = Some(Version::at(entry.id, pos));
            if state.refused.contains(&entry.id) {
                state.broken = Some(Law::ConflictIsNever);
            }
            if entry.id != NOBODY && state.counted.iter().any(|(id, _)| *id == entry.id) {
                state.broken = Some(Law::AtMostOnce);
            }
            state.counted.insert((entry.id, pos));
        }
        pos
    }

    /// Whether nothing that is kept shows any more what counts: so many losers came in a row.
    fn lost(&self, state: &State) -> bool {
        let latest = state.log.len() as u64;
        let oldest = (latest + 1).saturating_sub(self.bounds.kept).max(1);
        let Some(truth) = state.truth else { return oldest > 1 };
        match state.log[truth.pos() as usize - 1].claim {
            Claim::Foreign => truth.pos() < oldest,
            Claim::First => truth.pos() < oldest || (truth.pos() > 1 && oldest > 1),
            Claim::On(base) => base.pos() < oldest,
        }
    }

    fn conclude(&self, state: &mut State, writer: usize, id: WriteId, unsure: bool, found: Found) {
        match found.1 {
            Some(made) => {
                state.told.done = true;
                let made = (made.id(), made.pos());
                if !state.counted.contains(&made) && !state.counted_before.contains(&made) {
                    state.broken = Some(Law::DoneIsDone);
                }
            }
            None if !unsure => {
                state.told.conflict = true;
                state.refused.insert(id);
                if state.counted.union(&state.counted_before).any(|(counted, _)| *counted == id) {
                    state.broken = Some(Law::ConflictIsNever);
                }
            }
            None => {}
        }
        state.writers[writer] = Writer::Idle;
    }

    /// Drops what can make no difference any more, so that equal futures are one state.
    fn forget(&self, state: &mut State) {
        state.network.sort_by_key(|put| (put.writer, put.entry.id, put.overwrite, put.copy));
        let network: BTreeSet<WriteId> = state.network.iter().map(|put| put.entry.id).collect();
        let asked = |id: &WriteId| {
            network.contains(id)
                || state.writers.iter().any(|writer| match writer {
                    Writer::Idle | Writer::Holding(_) => false,
                    Writer::Waiting { id: own, .. }
                    | Writer::Refused { id: own, .. }
                    | Writer::Landed { id: own, .. } => own == id,
                })
        };
        state.counted.retain(|(id, _)| asked(id));
        state.counted_before.retain(|(id, _)| asked(id));
        state.refused.retain(|id| network.contains(id));
        let trimmed = state.log.len().saturating_sub(self.bounds.kept as usize);
        let truth = state.truth.map_or(0, |truth| truth.pos() as usize);
        for (place, entry) in state.log.iter_mut().enumerate().take(trimmed) {
            if place + 1 != truth {
                *entry = Entry { id: NOBODY, claim: Claim::First };
            }
        }
        if state.next_id > self.bounds.writes {
            for writer in &mut state.writers {
                if matches!(writer, Writer::Holding(_)) {
                    *writer = Writer::Idle;
                }
            }
        }
    }

    fn land(&self, state: &mut State, put: &Put) {
        let refused = !put.overwrite && !state.log.is_empty();
        let pos = if refused { None } else { Some(self.append(state, put.entry)) };
        let waiting = &mut state.writers[put.writer];
        if let Writer::Waiting { id, base, unsure } = *waiting
            && id == put.entry.id
            && !put.copy
        {
            *waiting = match pos {
                Some(pos) => Writer::Landed { id, base, unsure, pos },
                None => Writer::Refused { id, unsure },
            };
        }
    }
}

impl Model for Fleet {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let Bounds { given_up, duplicates, deletions, foreign, .. } = self.bounds;
        vec![State {
            log: vec![],
            truth: None,
            counted: BTreeSet::new(),
            counted_before: BTreeSet::new(),
            writers: vec![Writer::Idle; self.bounds.writers],
            network: vec![],
            next_id: 1,
            left: Left { given_up, duplicates, deletions, foreign },
            refused: BTreeSet::new(),
            told: Told::default(),
            broken: None,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (place, writer) in state.writers.iter().enumerate() {
            match writer {
                Writer::Idle if state.next_id <= self.bounds.writes => {
                    actions.push(Action::Read(place))
                }
                Writer::Idle => {}
                Writer::Holding(_) if state.next_id <= self.bounds.writes => {
                    actions.push(Action::Send(place));
                }
                Writer::Holding(_) => {}
                Writer::Waiting { .. } if state.left.given_up > 0 => {
                    actions.push(Action::GiveUp(place))
                }
                Writer::Waiting { .. } => {}
                Writer::Refused { .. } | Writer::Landed { .. } => actions.push(Action::Look(place)),
            }
        }
        for place in 0..state.network.len() {
            actions.push(Action::Land(place));
            if state.left.duplicates > 0 && !state.network[place].copy {
                actions.push(Action::Duplicate(place));
            }
        }
        if state.left.deletions > 0 && !state.log.is_empty() {
            actions.push(Action::Delete);
        }
        if state.left.foreign > 0 {
            actions.push(Action::Foreign);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Read(writer) => {
                state.writers[writer] = Writer::Holding(self.fresh(&state.log));
            }
            Action::Send(writer) => {
                let Writer::Holding(base) = state.writers[writer] else { return None };
                let id = WriteId::from_bits(u128::from(state.next_id));
                state.next_id += 1;
                state.writers[writer] = Writer::Waiting { id, base, unsure: false };
                let entry = Entry { id, claim: base.map_or(Claim::First, Claim::On) };
                state.network.push(Put { writer, entry, overwrite: base.is_some(), copy: false });
            }
            Action::Land(place) => {
                let put = state.network.remove(place);
                self.land(&mut state, &put);
            }
            Action::Duplicate(place) => {
                state.left.duplicates -= 1;
                let copy = Put { copy: true, ..state.network[place].clone() };
                state.network.push(copy);
            }
            // The answer is late, or was lost: the same id is sent again.
            Action::GiveUp(writer) => {
                state.left.given_up -= 1;
                let Writer::Waiting { id, base, .. } = state.writers[writer] else { return None };
                state.writers[writer] = Writer::Waiting { id, base, unsure: true };
                for put in &mut state.network {
                    put.copy |= put.writer == writer;
                }
                let entry = Entry { id, claim: base.map_or(Claim::First, Claim::On) };
                state.network.push(Put { writer, entry, overwrite: base.is_some(), copy: false });
            }
            Action::Look(writer) => match state.writers[writer].clone() {
                Writer::Refused { id, unsure } => {
                    // Deleted in the meantime: not applied, and the writer is told so.
                    let Some(latest) = state.log.last().copied() else {
                        state.writers[writer] = Writer::Idle;
                        return Some(state);
                    };
                    let latest = (state.log.len() as u64, latest);
                    let found = self.look(&state.log, latest, Some(id))?;
                    if found.0.is_some() || found.1.is_some() {
                        self.conclude(&mut state, writer, id, unsure, found);
                    } else {
                        state.writers[writer] = Writer::Waiting { id, base: None, unsure };
                        let entry = Entry { id, claim: Claim::First };
                        state.network.push(Put { writer, entry, overwrite: true, copy: false });
                    }
                }
                Writer::Landed { id, base, unsure, pos } => {
                    let entry = Entry { id, claim: base.map_or(Claim::First, Claim::On) };
                    let below = base.is_some_and(|base| pos <= base.pos());
                    let found = match self.protocol {
                        Protocol::DoneOnDeleted if below => {
                            let version = Some(Version::at(id, pos));
                            Some((version, version))
                        }
                        Protocol::CompareTheNumber => {
                            let version = Some(Version::at(id, pos));
                            let as_expected = base.map_or(0, Version::pos) + 1 == pos;
                            Some((version, version.filter(|_| as_expected)))
                        }
                        _ => self.look(&state.log, (pos, entry), Some(id)).filter(|found| {
                            // Deleted in the meantime? Only a look at our own version tells.
                            let at_once = base.map_or(0, Version::pos) + 1 == pos;
                            let own = state.log.get(pos as usize - 1);
                            (at_once && found.1.is_some()) || own == Some(&entry)
                        }),
                    };
                    match found {
                        Some(found) => self.conclude(&mut state, writer, id, unsure, found),
                        // Deleted or trimmed in the meantime: ambiguous.
                        None => state.writers[writer] = Writer::Idle,
                    }
                }
                Writer::Idle | Writer::Holding(_) | Writer::Waiting { .. } => return None,
            },
            Action::Delete => {
                state.left.deletions -= 1;
                let landed: BTreeSet<WriteId> = state.log.iter().map(|entry| entry.id).collect();
                state.network.retain(|put| !put.copy && !landed.contains(&put.entry.id));
                state.log.clear();
                let mut counted = std::mem::take(&mut state.counted);
                state.counted_before.append(&mut counted);
                state.truth = None;
            }
            Action::Foreign => {
                state.left.foreign -= 1;
                self.append(&mut state, Entry::FOREIGN);
            }
        }
        self.forget(&mut state);
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("everybody reads what counts", |fleet: &Self, state: &State| {
                let read = fleet.fresh(&state.log);
                let vacant = read.is_some_and(|read| {
                    read.pos() == state.log.len() as u64 && is_vacancy(&state.log, read)
                });
                read == state.truth || (fleet.lost(state) && vacant)
            }),
            Property::always("what is proven need not be proven again", Self::proof_is_kept),
            Property::always("done is done, on top of what was expected", |_, state: &State| {
                state.broken != Some(Law::DoneIsDone)
            }),
            Property::always("a conflict never takes effect", |_, state: &State| {
                state.broken != Some(Law::ConflictIsNever)
            }),
            Property::always("a write takes effect at most once", |_, state: &State| {
                state.broken != Some(Law::AtMostOnce)
            }),
            Property::sometimes("done", |_, state: &State| state.told.done),
            Property::sometimes("conflict", |_, state: &State| state.told.conflict),
            Property::sometimes("lost to the trimming", |fleet: &Self, state: &State| {
                fleet.lost(state) && state.truth.is_some()
            }),
            Property::sometimes(
                "taken over from what was lost",
                |_, state: &State| matches!(state.claim_of_the_truth(), Some(Claim::On(base)) if is_vacancy(&state.log, base)),
            ),
            Property::sometimes("made anew and written", |fleet: &Self, state: &State| {
                state.left.deletions < fleet.bounds.deletions && state.truth.is_some()
            }),
        ]
    }
}

impl Fleet {
    fn proof_is_kept(&self, state: &State) -> bool {
        let Some(latest) = state.log.last() else { return true };
        let version = Version::at(latest.id, state.log.len() as u64);
        let mut log = Log::new(version.pos(), self.bounds.kept);
        self.kept(&state.log).for_each(|(pos, entry)| log.insert(pos, *entry));
        state.truth != Some(version)
            || log.reading(None, Some(version)).unwrap().current == Some(version)
    }
}

impl State {
    fn claim_of_the_truth(&self) -> Option<Claim> {
        self.truth.map(|truth| self.log[truth.pos() as usize - 1].claim)
    }
}

fn is_vacancy(log: &[Entry], version: Version) -> bool {
    let entry = log.get(version.pos() as usize - 1);
    entry.is_some_and(|entry| vacancy(entry.id, version.pos()) == version)
}

/// Explores everything within `bounds`, or up to the first law that is broken, and names it.
fn explore(protocol: Protocol, bounds: Bounds) -> Option<&'static str> {
    let fleet = Fleet { bounds, protocol };
    let properties = fleet.properties();
    let start = std::time::Instant::now();
    let checker =
        fleet.checker().threads(2).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let (states, took) = (checker.unique_state_count(), start.elapsed());
    println!("{protocol:?} {bounds:?}: {states} states, {took:?}");
    let discoveries = checker.discoveries();
    for property in properties {
        let found = discoveries.get(property.name);
        match (property.expectation, found) {
            (Expectation::Always, Some(path)) => {
                println!("  breaks `{}`: {:?}", property.name, path.clone().into_actions());
                return Some(property.name);
            }
            (Expectation::Sometimes, None) if protocol == Protocol::Ours => {
                println!("not seen: {}", property.name);
            }
            _ => {}
        }
    }
    None
}

const PLAIN: Bounds =
    Bounds { writers: 2, writes: 4, kept: 2, given_up: 1, duplicates: 0, deletions: 1, foreign: 1 };

#[test]
fn the_log_keeps_the_laws_of_a_register() {
    assert_eq!(explore(Protocol::Ours, Bounds { writes: 2, ..PLAIN }), None);
    assert_eq!(explore(Protocol::Ours, Bounds { writes: 3, ..PLAIN }), None);
    assert_eq!(explore(Protocol::Ours, PLAIN), None);
}

#[test]
fn a_broken_protocol_is_caught() {
    for protocol in [
        Protocol::CompareTheNumber,
        Protocol::DoneOnDeleted,
        Protocol::TrustTheNumber,
        Protocol::TakeOverAnywhere,
    ] {
        println!("{:?}", explore(protocol, PLAIN));
    }
}
