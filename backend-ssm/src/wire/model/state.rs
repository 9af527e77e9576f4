use std::collections::BTreeSet;

use funcify_core::register::{Version, WriteId};

use super::{
    super::{
        Claim, Entry,
        log::{NOBODY, vacancy},
    },
    Bounds,
};

/// Everything there is at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct State {
    pub(super) log: Vec<Entry>,
    /// What counts, by definition: kept by the rule, write by write, from the beginning of the log.
    pub(super) truth: Option<Version>,
    /// The writes that came to count, as long as somebody can still ask.
    pub(super) counted: BTreeSet<(WriteId, u64)>,
    /// The same of the log that was deleted.
    pub(super) counted_before: BTreeSet<(WriteId, u64)>,
    pub(super) writers: Vec<Writer>,
    pub(super) network: Vec<Put>,
    pub(super) next_id: u8,
    pub(super) left: Left,
    /// The writes that were told of a conflict and of which a copy is still under way.
    pub(super) refused: BTreeSet<WriteId>,
    pub(super) told: Told,
    pub(super) broken: Option<Law>,
}

/// What may still happen.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Left {
    pub(super) sent_again: u8,
    pub(super) copies: u8,
    pub(super) deletions: u8,
    pub(super) foreign: u8,
}

/// Where a writer stands; `unsure`: an earlier send of the same id may have landed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Writer {
    Idle,
    Holding(Option<Version>),
    Waiting { id: WriteId, base: Option<Version>, unsure: bool },
    Refused { id: WriteId, unsure: bool },
    Landed { id: WriteId, base: Option<Version>, unsure: bool, pos: u64 },
}

/// A request under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Put {
    pub(super) writer: usize,
    pub(super) entry: Entry,
    pub(super) overwrite: bool,
    /// Nobody waits for its answer.
    pub(super) copy: bool,
    pub(super) made_by_the_network: bool,
}

/// What was answered at least once: it must be reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Told {
    pub(super) done: bool,
    pub(super) conflict: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Law {
    DoneIsDone,
    ConflictIsNever,
    AtMostOnce,
}

impl State {
    pub(super) fn first(bounds: Bounds) -> Self {
        let Bounds { sent_again, copies, deletions, foreign, .. } = bounds;
        Self {
            log: vec![],
            truth: None,
            counted: BTreeSet::new(),
            counted_before: BTreeSet::new(),
            writers: vec![Writer::Idle; bounds.writers],
            network: vec![],
            next_id: 1,
            left: Left { sent_again, copies, deletions, foreign },
            refused: BTreeSet::new(),
            told: Told::default(),
            broken: None,
        }
    }

    pub(super) fn latest(&self) -> Option<(u64, Entry)> {
        Some((self.log.len() as u64, *self.log.last()?))
    }

    pub(super) fn at(&self, pos: u64) -> Option<&Entry> {
        self.log.get(usize::try_from(pos).unwrap().checked_sub(1)?)
    }

    pub(super) fn is_vacancy(&self, version: Version) -> bool {
        self.at(version.pos()).is_some_and(|entry| vacancy(entry.id, version.pos()) == version)
    }

    /// A copy comes after what it is a copy of: no store could tell it from the original before.
    pub(super) fn is_early(&self, copy: &Put) -> bool {
        let is_original = |put: &Put| put.entry.id == copy.entry.id && !put.copy;
        copy.made_by_the_network && self.network.iter().any(is_original)
    }

    /// The whole rule of the log, one write at a time: the place of the new version.
    pub(super) fn append(&mut self, entry: Entry, kept: u64) -> u64 {
        let lost = self.is_lost(kept);
        let pos = self.log.len() as u64 + 1;
        let oldest = oldest(pos, kept);
        let counts = match entry.claim {
            Claim::Foreign => true,
            Claim::First => self.truth.is_none() && oldest == 1,
            Claim::On(base) if lost && self.is_vacancy(base) => base.pos() + 1 == pos,
            Claim::On(base) => self.truth == Some(base) && base.pos() >= oldest,
        };
        self.log.push(entry);
        if counts {
            self.count(entry.id, pos);
        }
        pos
    }

    fn count(&mut self, id: WriteId, pos: u64) {
        if self.refused.contains(&id) {
            self.broken = Some(Law::ConflictIsNever);
        }
        if id != NOBODY && self.counted.iter().any(|(counted, _)| *counted == id) {
            self.broken = Some(Law::AtMostOnce);
        }
        self.truth = Some(Version::at(id, pos));
        self.counted.insert((id, pos));
    }

    /// Whether nothing that is kept shows any more what counts: so many losers came in a row.
    pub(super) fn is_lost(&self, kept: u64) -> bool {
        let oldest = oldest(self.log.len() as u64, kept);
        let Some(truth) = self.truth else { return oldest > 1 };
        match self.at(truth.pos()).unwrap().claim {
            Claim::Foreign => truth.pos() < oldest,
            Claim::First => truth.pos() < oldest || (truth.pos() > 1 && oldest > 1),
            Claim::On(base) => base.pos() < oldest,
        }
    }

    /// A writer is told what became of its write.
    pub(super) fn tell(&mut self, id: WriteId, unsure: bool, current: Option<Version>) {
        match current.filter(|current| current.id() == id) {
            Some(made) => {
                self.told.done = true;
                let made = (made.id(), made.pos());
                if !self.counted.contains(&made) && !self.counted_before.contains(&made) {
                    self.broken = Some(Law::DoneIsDone);
                }
            }
            // Whoever is unsure says so, and not that it conflicts.
            None if unsure => {}
            None => {
                self.told.conflict = true;
                self.refused.insert(id);
                let mut counted = self.counted.union(&self.counted_before);
                if counted.any(|(counted, _)| *counted == id) {
                    self.broken = Some(Law::ConflictIsNever);
                }
            }
        }
    }

    pub(super) fn delete(&mut self) {
        let landed: BTreeSet<WriteId> = self.log.iter().map(|entry| entry.id).collect();
        self.network.retain(|put| !put.copy && !landed.contains(&put.entry.id));
        self.log.clear();
        self.truth = None;
        self.counted_before.append(&mut self.counted);
    }

    /// Drops what can make no difference any more, so that equal futures are one state.
    pub(super) fn forget(&mut self, bounds: Bounds) {
        self.network.sort_by_key(|put| (put.writer, put.entry.id, put.overwrite, put.copy));
        let network: BTreeSet<WriteId> = self.network.iter().map(|put| put.entry.id).collect();
        let waiting = |id: &WriteId| {
            self.writers.iter().any(|writer| match writer {
                Writer::Idle | Writer::Holding(_) => false,
                Writer::Waiting { id: own, .. }
                | Writer::Refused { id: own, .. }
                | Writer::Landed { id: own, .. } => own == id,
            })
        };
        self.counted.retain(|(id, _)| network.contains(id) || waiting(id));
        self.counted_before.retain(|(id, _)| network.contains(id) || waiting(id));
        self.refused.retain(|id| network.contains(id));
        let trimmed = self.log.len().saturating_sub(bounds.kept as usize);
        let truth = self.truth.map_or(0, Version::pos) as usize;
        for (place, entry) in self.log.iter_mut().enumerate().take(trimmed) {
            if place + 1 != truth {
                *entry = Entry { id: NOBODY, claim: Claim::First };
            }
        }
        if self.next_id > bounds.writes {
            for writer in &mut self.writers {
                if matches!(writer, Writer::Holding(_)) {
                    *writer = Writer::Idle;
                }
            }
        }
    }
}

fn oldest(latest: u64, kept: u64) -> u64 {
    (latest + 1).saturating_sub(kept).max(1)
}
