use std::collections::BTreeSet;

use funcify_core::register::{Version, WriteId};

use super::{
    super::{
        Claim, Entry,
        log::{NOBODY, lost_version},
    },
    Bounds,
};

/// The whole system at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct State {
    pub(super) log: Vec<Entry>,
    /// The valid version by definition, computed write by write from the beginning of the log.
    pub(super) truth: Option<Version>,
    /// The writes that became valid, as long as a writer can still ask about them.
    pub(super) valid: BTreeSet<(WriteId, u64)>,
    /// The same writes of the log that was deleted.
    pub(super) valid_before: BTreeSet<(WriteId, u64)>,
    pub(super) writers: Vec<Writer>,
    pub(super) network: Vec<Put>,
    pub(super) next_id: u8,
    pub(super) left: Left,
    /// The writes that were reported as a conflict while a copy of them is still on its way.
    pub(super) refused: BTreeSet<WriteId>,
    pub(super) reported: Reported,
    pub(super) broken: Option<Law>,
}

/// How often each disturbance may still occur.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Left {
    pub(super) sent_again: u8,
    pub(super) copies: u8,
    pub(super) deletions: u8,
    pub(super) foreign: u8,
}

/// The step of a writer. `unsure` says that an earlier request with the same id may have been applied.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Writer {
    Idle,
    Holding(Option<Version>),
    Waiting { id: WriteId, base: Option<Version>, unsure: bool },
    Refused { id: WriteId, unsure: bool },
    Landed { id: WriteId, base: Option<Version>, unsure: bool, pos: u64 },
}

/// A request on its way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Put {
    pub(super) writer: usize,
    pub(super) entry: Entry,
    pub(super) overwrite: bool,
    /// Whether nobody waits for the response.
    pub(super) copy: bool,
    pub(super) made_by_the_network: bool,
}

/// The results that were reported at least once. The check must reach all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Reported {
    pub(super) applied: bool,
    pub(super) conflict: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Law {
    AppliedIsApplied,
    ConflictHasNoEffect,
    AtMostOnce,
}

impl State {
    pub(super) fn first(bounds: Bounds) -> Self {
        let Bounds { sent_again, copies, deletions, foreign, .. } = bounds;
        Self {
            log: vec![],
            truth: None,
            valid: BTreeSet::new(),
            valid_before: BTreeSet::new(),
            writers: vec![Writer::Idle; bounds.writers],
            network: vec![],
            next_id: 1,
            left: Left { sent_again, copies, deletions, foreign },
            refused: BTreeSet::new(),
            reported: Reported::default(),
            broken: None,
        }
    }

    pub(super) fn latest(&self) -> Option<(u64, Entry)> {
        Some((self.log.len() as u64, *self.log.last()?))
    }

    pub(super) fn at(&self, pos: u64) -> Option<&Entry> {
        self.log.get(usize::try_from(pos).unwrap().checked_sub(1)?)
    }

    pub(super) fn is_lost_version(&self, version: Version) -> bool {
        self.at(version.pos()).is_some_and(|entry| lost_version(entry.id, version.pos()) == version)
    }

    /// Whether a copy would arrive before its original. The model excludes that, because no store could tell
    /// the two apart.
    pub(super) fn is_early(&self, copy: &Put) -> bool {
        let is_original = |put: &Put| put.entry.id == copy.entry.id && !put.copy;
        copy.made_by_the_network && self.network.iter().any(is_original)
    }

    /// Appends one write, by the definition of the log. Returns the position of the new version.
    pub(super) fn append(&mut self, entry: Entry, kept: u64) -> u64 {
        let lost = self.is_lost(kept);
        let pos = self.log.len() as u64 + 1;
        let oldest = oldest(pos, kept);
        let is_valid = match entry.claim {
            Claim::Foreign => true,
            Claim::First => self.truth.is_none() && oldest == 1,
            Claim::On(base) if lost && self.is_lost_version(base) => base.pos() + 1 == pos,
            Claim::On(base) => self.truth == Some(base) && base.pos() >= oldest,
        };
        self.log.push(entry);
        if is_valid {
            self.validate(entry.id, pos);
        }
        pos
    }

    fn validate(&mut self, id: WriteId, pos: u64) {
        if self.refused.contains(&id) {
            self.broken = Some(Law::ConflictHasNoEffect);
        }
        if id != NOBODY && self.valid.iter().any(|(valid, _)| *valid == id) {
            self.broken = Some(Law::AtMostOnce);
        }
        self.truth = Some(Version::at(id, pos));
        self.valid.insert((id, pos));
    }

    /// Whether the versions that are kept no longer show the valid one, because too many writes have lost.
    pub(super) fn is_lost(&self, kept: u64) -> bool {
        let oldest = oldest(self.log.len() as u64, kept);
        let Some(truth) = self.truth else { return oldest > 1 };
        match self.at(truth.pos()).unwrap().claim {
            Claim::Foreign => truth.pos() < oldest,
            Claim::First => truth.pos() < oldest || (truth.pos() > 1 && oldest > 1),
            Claim::On(base) => base.pos() < oldest,
        }
    }

    /// Reports to a writer what became of its write.
    pub(super) fn report(&mut self, id: WriteId, unsure: bool, current: Option<Version>) {
        match current.filter(|current| WriteId::from(*current) == id) {
            Some(made) => {
                self.reported.applied = true;
                let made = (WriteId::from(made), made.pos());
                if !self.valid.contains(&made) && !self.valid_before.contains(&made) {
                    self.broken = Some(Law::AppliedIsApplied);
                }
            }
            // An unsure writer reports an ambiguous error instead of a conflict.
            None if unsure => {}
            None => {
                self.reported.conflict = true;
                self.refused.insert(id);
                let mut valid = self.valid.union(&self.valid_before);
                if valid.any(|(valid, _)| *valid == id) {
                    self.broken = Some(Law::ConflictHasNoEffect);
                }
            }
        }
    }

    pub(super) fn delete(&mut self) {
        let landed: BTreeSet<WriteId> = self.log.iter().map(|entry| entry.id).collect();
        self.network.retain(|put| !put.copy && !landed.contains(&put.entry.id));
        self.log.clear();
        self.truth = None;
        self.valid_before.append(&mut self.valid);
    }

    /// Drops what cannot make a difference any more, so that states with the same future are equal.
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
        self.valid.retain(|(id, _)| network.contains(id) || waiting(id));
        self.valid_before.retain(|(id, _)| network.contains(id) || waiting(id));
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
