//! Which version of a parameter counts. Pure: the versions that are needed are asked for.
//!
//! Seen from its beginning a log has one reading: a version is valid if it claims to stand on the
//! last valid one before it. Nobody reads from the beginning, though. What makes a short look enough
//! is that writers are honest: whoever claimed a base had found it to be valid. So a version that is
//! there, and that a later one claims as its base, is valid (the *anchor*); from there the log is
//! replayed forwards.

use std::{
    collections::BTreeMap,
    ops::{
        Bound::{Excluded, Included},
        RangeInclusive,
    },
};

use funcify_core::register::{Version, WriteId};

/// How many versions Parameter Store keeps.
pub(crate) const KEPT: u64 = 100;

/// Stands for the write id of a version that none of us has made.
pub(super) const NOBODY: WriteId = WriteId::from_bits(0);

/// So many versions are asked for at once at most.
const AT_ONCE: usize = 16;

/// What the log needs to know of one version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Entry {
    pub(crate) id: WriteId,
    pub(crate) claim: Claim,
}

/// What a version claims to replace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Claim {
    /// Nothing: there was no valid version before it.
    First,
    /// This one.
    On(Version),
    /// Whatever there was: it is not ours and was written over it.
    Foreign,
}

impl Entry {
    pub(crate) const FOREIGN: Self = Self { id: NOBODY, claim: Claim::Foreign };
}

/// The versions of one parameter up to `latest`, as far as they are known.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    latest: u64,
    kept: u64,
    entries: BTreeMap<u64, Entry>,
}

/// What a log says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Reading {
    /// The version that counts, vacant if it is foreign or `lost`.
    pub(crate) current: Option<Version>,
    /// Whether what counted is no longer kept, after too many losers.
    pub(crate) lost: bool,
}

/// The versions that must be known first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unknown(pub(crate) Vec<u64>);

enum Anchor {
    /// This version is valid.
    At(Version),
    /// The whole log is there, from its first version on.
    Beginning,
    /// What was valid is no longer kept.
    Lost,
}

impl Log {
    pub(crate) fn new(latest: u64, kept: u64) -> Self {
        Self { latest, kept, entries: BTreeMap::new() }
    }

    pub(crate) fn insert(&mut self, pos: u64, entry: Entry) {
        self.entries.insert(pos, entry);
    }

    /// Reads the log. `proven` was found to be valid before.
    pub(crate) fn reading(&self, proven: Option<Version>) -> Result<Reading, Unknown> {
        let mut last = match self.anchor(proven)? {
            Anchor::At(version) => Some(version),
            Anchor::Beginning => None,
            Anchor::Lost => {
                let latest = self.entry(self.latest, self.latest..=self.latest)?;
                let current = Some(vacancy(latest.id, self.latest));
                return Ok(Reading { current, lost: true });
            }
        };
        let start = last.map_or(0, Version::pos);
        self.need(start + 1..=self.latest)?;
        for (&pos, entry) in self.entries.range((Excluded(start), Included(self.latest))) {
            let valid = match entry.claim {
                Claim::First => last.is_none(),
                Claim::On(base) => last == Some(base) || self.takes_over(base, pos),
                Claim::Foreign => true,
            };
            if valid {
                last = Some(Version::at(entry.id, pos));
            }
        }
        Ok(Reading { current: last, lost: false })
    }

    fn anchor(&self, proven: Option<Version>) -> Result<Anchor, Unknown> {
        let oldest = (self.latest + 1).saturating_sub(self.kept).max(1);
        for pos in (oldest..=self.latest).rev() {
            let entry = self.entry(pos, pos.saturating_sub(AT_ONCE as u64).max(oldest)..=pos)?;
            let version = Version::at(entry.id, pos);
            if proven == Some(version) {
                return Ok(Anchor::At(version));
            }
            match entry.claim {
                Claim::Foreign => return Ok(Anchor::At(version)),
                Claim::First if pos == 1 => return Ok(Anchor::At(version)),
                Claim::On(base) if (oldest..pos).contains(&base.pos()) => {
                    // Another id: the parameter was deleted since and made anew.
                    if self.entry(base.pos(), base.pos()..=pos)?.id == base.id() {
                        return Ok(Anchor::At(base));
                    }
                    if self.takes_over(base, pos) {
                        return Ok(Anchor::At(version));
                    }
                }
                Claim::First | Claim::On(_) => {}
            }
        }
        Ok(if oldest == 1 { Anchor::Beginning } else { Anchor::Lost })
    }

    /// The entry at `pos`; if it is not known, all of `around` is asked for, for it will be needed.
    fn entry(&self, pos: u64, around: RangeInclusive<u64>) -> Result<Entry, Unknown> {
        match self.entries.get(&pos) {
            Some(entry) => Ok(*entry),
            None => Err(self.need(around).err().unwrap_or(Unknown(vec![pos]))),
        }
    }

    fn need(&self, range: RangeInclusive<u64>) -> Result<(), Unknown> {
        let unknown = range.filter(|pos| !self.entries.contains_key(pos));
        let unknown: Vec<u64> = unknown.take(AT_ONCE).collect();
        if unknown.is_empty() { Ok(()) } else { Err(Unknown(unknown)) }
    }

    /// Whether the version at `pos` takes over where what counted was lost. It must be the very next
    /// one: after another loser two could take over without knowing of each other.
    fn takes_over(&self, base: Version, pos: u64) -> bool {
        let before = self.entries.get(&base.pos());
        base.pos() + 1 == pos && before.is_some_and(|entry| vacancy(entry.id, base.pos()) == base)
    }
}

/// The version of a record that was lost: it names the loser that was read last, turned over, so
/// that it can be told from a version on top of that loser.
pub(super) fn vacancy(id: WriteId, pos: u64) -> Version {
    Version::at(WriteId::from_bits(!id.bits()), pos)
}
