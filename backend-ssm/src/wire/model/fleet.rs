use funcify_core::register::{Version, WriteId};
use stateright::{Model, Property};

use super::{
    super::{Claim, Entry, Log},
    Bounds,
    state::{Law, Put, State, Writer},
};

/// The protocol of the backend, and mutants of it, which must be caught.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Protocol {
    Ours,
    /// Overwrites the parameter and compares the returned version number. The latest version is valid.
    CompareTheNumber,
    /// Reports a write as applied although its version number is not greater than that of its base.
    AppliedOnDeleted,
    /// Accepts the previous version as the base without comparing its write id.
    TrustTheNumber,
    /// Reports a conflict without checking that its own version still exists.
    NeverLookBack,
    /// Takes over a lost record at any later version.
    TakeOverAnywhere,
}

/// Writers on one parameter.
#[derive(Clone, Debug)]
pub(super) struct Fleet {
    pub(super) bounds: Bounds,
    pub(super) protocol: Protocol,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Action {
    Read(usize),
    Send(usize),
    Land(usize),
    Copy(usize),
    SendAgain(usize),
    Resolve(usize),
    Delete,
    Foreign,
}

impl Model for Fleet {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::first(self.bounds)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let may_write = state.next_id <= self.bounds.writes;
        for (place, writer) in state.writers.iter().enumerate() {
            match writer {
                Writer::Idle if may_write => actions.push(Action::Read(place)),
                Writer::Holding(_) if may_write => actions.push(Action::Send(place)),
                Writer::Waiting { .. } if state.left.sent_again > 0 => {
                    actions.push(Action::SendAgain(place));
                }
                Writer::Refused { .. } | Writer::Landed { .. } => {
                    actions.push(Action::Resolve(place));
                }
                Writer::Idle | Writer::Holding(_) | Writer::Waiting { .. } => {}
            }
        }
        for (place, put) in state.network.iter().enumerate() {
            if !state.is_early(put) {
                actions.push(Action::Land(place));
            }
            if state.left.copies > 0 && !put.copy {
                actions.push(Action::Copy(place));
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
            Action::Read(writer) => state.writers[writer] = Writer::Holding(self.fresh(&state)),
            Action::Send(writer) => {
                let Writer::Holding(base) = state.writers[writer] else { return None };
                let id = WriteId::from_bits(u128::from(state.next_id));
                state.next_id += 1;
                state.writers[writer] = Writer::Waiting { id, base, unsure: false };
                state.network.push(put(writer, id, base));
            }
            Action::Land(place) => {
                let put = state.network.remove(place);
                self.land(&mut state, &put);
            }
            Action::Copy(place) => {
                state.left.copies -= 1;
                let copy =
                    Put { copy: true, made_by_the_network: true, ..state.network[place].clone() };
                state.network.push(copy);
            }
            // The response is late or lost.
            Action::SendAgain(writer) => {
                state.left.sent_again -= 1;
                let Writer::Waiting { id, base, .. } = state.writers[writer] else { return None };
                state.writers[writer] = Writer::Waiting { id, base, unsure: true };
                for put in &mut state.network {
                    put.copy |= put.writer == writer;
                }
                state.network.push(put(writer, id, base));
            }
            Action::Resolve(writer) => {
                state.writers[writer] = match state.writers[writer].clone() {
                    Writer::Refused { id, unsure } => {
                        self.resolve_refusal(&mut state, writer, id, unsure)?
                    }
                    Writer::Landed { id, base, unsure, pos } => {
                        if let Ok(current) = self.verify(&state, id, base, pos) {
                            state.report(id, unsure, current);
                        }
                        Writer::Idle
                    }
                    Writer::Idle | Writer::Holding(_) | Writer::Waiting { .. } => return None,
                };
            }
            Action::Delete => {
                state.left.deletions -= 1;
                state.delete();
            }
            Action::Foreign => {
                state.left.foreign -= 1;
                state.append(Entry::FOREIGN, self.bounds.kept);
            }
        }
        state.forget(self.bounds);
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(
                "every reader reads the valid version",
                |fleet: &Self, state: &State| {
                    let read = fleet.fresh(state);
                    let is_lost = |read: Version| {
                        read.pos() == state.log.len() as u64 && state.is_lost_version(read)
                    };
                    read == state.truth
                        || (state.is_lost(fleet.bounds.kept) && read.is_some_and(is_lost))
                },
            ),
            Property::always("a verified version stays verified", Self::verified_stays_verified),
            Property::always("an applied write replaced what it expected", |_, state: &State| {
                state.broken != Some(Law::AppliedIsApplied)
            }),
            Property::always("a conflict never takes effect", |_, state: &State| {
                state.broken != Some(Law::ConflictHasNoEffect)
            }),
            Property::always("a write takes effect at most once", |_, state: &State| {
                state.broken != Some(Law::AtMostOnce)
            }),
            Property::sometimes("applied", |_, state: &State| state.reported.applied),
            Property::sometimes("conflict", |_, state: &State| state.reported.conflict),
            Property::sometimes("lost to trimming", |fleet: &Self, state: &State| {
                state.is_lost(fleet.bounds.kept) && state.truth.is_some()
            }),
            Property::sometimes("taken over after a loss", |_, state: &State| {
                let claim =
                    state.truth.and_then(|truth| state.at(truth.pos())).map(|entry| entry.claim);
                matches!(claim, Some(Claim::On(base)) if state.is_lost_version(base))
            }),
            Property::sometimes("deleted and created again", |fleet: &Self, state: &State| {
                state.left.deletions < fleet.bounds.deletions && state.truth.is_some()
            }),
        ]
    }
}

impl Fleet {
    fn land(&self, state: &mut State, put: &Put) {
        let refused = !put.overwrite && !state.log.is_empty();
        let pos = (!refused).then(|| state.append(put.entry, self.bounds.kept));
        let writer = &mut state.writers[put.writer];
        if let Writer::Waiting { id, base, unsure } = *writer
            && id == put.entry.id
            && !put.copy
        {
            *writer = match pos {
                Some(pos) => Writer::Landed { id, base, unsure, pos },
                None => Writer::Refused { id, unsure },
            };
        }
    }

    /// A first write found an existing parameter. If the parameter has a valid version, the write is a
    /// conflict. Otherwise the write overwrites the parameter.
    fn resolve_refusal(
        &self,
        state: &mut State,
        writer: usize,
        id: WriteId,
        unsure: bool,
    ) -> Option<Writer> {
        // The parameter was deleted meanwhile. The write was not applied, and the writer gets an error.
        let Some(latest) = state.latest() else { return Some(Writer::Idle) };
        let current = self.read_log(state, latest).ok()?;
        if current.is_some() {
            state.report(id, unsure, current);
            return Some(Writer::Idle);
        }
        state.network.push(Put { overwrite: true, ..put(writer, id, None) });
        Some(Writer::Waiting { id, base: None, unsure })
    }

    /// Returns what the writer of version `pos` finds.
    fn verify(
        &self,
        state: &State,
        id: WriteId,
        base: Option<Version>,
        pos: u64,
    ) -> Result<Option<Version>, Gone> {
        let own = put(0, id, base).entry;
        let (made, base_pos) = (Some(Version::at(id, pos)), base.map_or(0, Version::pos));
        match self.protocol {
            Protocol::AppliedOnDeleted if base.is_some() && pos <= base_pos => return Ok(made),
            Protocol::CompareTheNumber => return Ok(made.filter(|_| base_pos + 1 == pos)),
            _ => {}
        }
        let current = self.read_log(state, (pos, own))?;
        let sure =
            base_pos + 1 == pos && current.is_some_and(|current| WriteId::from(current) == id);
        let still_there = state.at(pos) == Some(&own) || self.protocol == Protocol::NeverLookBack;
        if sure || still_there { Ok(current) } else { Err(Gone) }
    }

    /// Returns the valid version up to `latest`.
    fn read_log(&self, state: &State, latest: (u64, Entry)) -> Result<Option<Version>, Gone> {
        let at_once = match latest.1.claim {
            Claim::On(base) => match self.protocol {
                Protocol::CompareTheNumber => true,
                Protocol::TrustTheNumber => base.pos() + 1 == latest.0,
                Protocol::TakeOverAnywhere => state.is_lost_version(base) && base.pos() < latest.0,
                Protocol::Ours | Protocol::AppliedOnDeleted | Protocol::NeverLookBack => false,
            },
            Claim::First | Claim::Foreign => self.protocol == Protocol::CompareTheNumber,
        };
        if at_once {
            return Ok(Some(Version::at(latest.1.id, latest.0)));
        }
        let mut log = Log::new(latest.0, self.bounds.kept);
        log.insert(latest.0, latest.1);
        loop {
            match log.reading(None) {
                Ok(reading) => return Ok(reading.current),
                Err(unknown) => {
                    for pos in unknown.0 {
                        let found = self.kept(state).find(|(at, _)| *at == pos);
                        log.insert(pos, *found.ok_or(Gone)?.1);
                    }
                }
            }
        }
    }

    fn fresh(&self, state: &State) -> Option<Version> {
        self.read_log(state, state.latest()?).unwrap()
    }

    /// Returns the versions that are still kept.
    fn kept<'a>(&self, state: &'a State) -> impl Iterator<Item = (u64, &'a Entry)> {
        let trimmed = state.log.len().saturating_sub(self.bounds.kept as usize);
        (1..).zip(&state.log).skip(trimmed)
    }

    fn verified_stays_verified(&self, state: &State) -> bool {
        let Some((pos, latest)) = state.latest() else { return true };
        let version = Some(Version::at(latest.id, pos));
        let mut log = Log::new(pos, self.bounds.kept);
        self.kept(state).for_each(|(pos, entry)| log.insert(pos, *entry));
        state.truth != version || log.reading(version).unwrap().current == version
    }
}

/// A version that the reader needs is gone, so it cannot find the valid version.
#[derive(Debug)]
struct Gone;

fn put(writer: usize, id: WriteId, base: Option<Version>) -> Put {
    let entry = Entry { id, claim: base.map_or(Claim::First, Claim::On) };
    Put { writer, entry, overwrite: base.is_some(), copy: false, made_by_the_network: false }
}
