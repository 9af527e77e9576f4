//! Finds the valid version of a parameter. These functions do no I/O. If they need more versions, they
//! return which ones.
//!
//! `PutParameter` cannot compare, so every write makes a version, and the versions form a log. Each version
//! names the version that it claims to replace, its *base*. A version is valid if its base is the last
//! valid version before it. The record is the content of the last valid version.
//!
//! No reader begins at the start of the log. A few versions are enough, because a correct writer claims a
//! base only after it has found that base to be valid. So a version is valid if it exists and a later
//! version claims it as its base. Such a version is the *anchor*, from which the log is replayed.

use std::{
    collections::BTreeMap,
    ops::{
        Bound::{Excluded, Included},
        RangeInclusive,
    },
};

use funcify_core::register::{Version, WriteId};

/// How many versions of a parameter are kept by Parameter Store, 100 ("Parameter Store quotas").
pub(crate) const KEPT: u64 = 100;

/// The write id of a version that funcify did not write.
pub(super) const NOBODY: WriteId = WriteId::from_bits(0);

/// How many versions a reader requests at the same time, 16. After a hundred writes that lost, a read takes
/// seven rounds.
const BATCH: usize = 16;

/// What the log needs to know about one version.
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
    /// This version.
    On(Version),
    /// Any version: another program overwrote the record.
    Foreign,
}

impl Entry {
    pub(crate) const FOREIGN: Self = Self { id: NOBODY, claim: Claim::Foreign };
}

/// The known versions of one parameter, up to `latest`.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    latest: u64,
    kept: u64,
    entries: BTreeMap<u64, Entry>,
}

/// The result of reading a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Reading {
    /// The last valid version. Its record is empty if the version is foreign or `lost`.
    pub(crate) current: Option<Version>,
    /// Whether Parameter Store no longer keeps the last valid version, because too many writes have lost
    /// since then.
    pub(crate) lost: bool,
}

/// The versions that must be fetched before the log can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unknown(pub(crate) Vec<u64>);

enum Anchor {
    /// This version is valid.
    At(Version),
    /// There is no anchor, but the log is complete from its first version on.
    Beginning,
    /// The last valid version is no longer kept.
    Lost,
}

impl Log {
    pub(crate) fn new(latest: u64, kept: u64) -> Self {
        Self { latest, kept, entries: BTreeMap::new() }
    }

    pub(crate) fn insert(&mut self, pos: u64, entry: Entry) {
        self.entries.insert(pos, entry);
    }

    /// Reads the log. `verified` is a version that was found to be valid before.
    pub(crate) fn reading(&self, verified: Option<Version>) -> Result<Reading, Unknown> {
        let mut last = match self.anchor(verified)? {
            Anchor::At(version) => Some(version),
            Anchor::Beginning => None,
            Anchor::Lost => {
                let latest = self.entry(self.latest, self.latest..=self.latest)?;
                let current = Some(lost_version(latest.id, self.latest));
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

    fn anchor(&self, verified: Option<Version>) -> Result<Anchor, Unknown> {
        let oldest = (self.latest + 1).saturating_sub(self.kept).max(1);
        for pos in (oldest..=self.latest).rev() {
            let entry = self.entry(pos, pos.saturating_sub(BATCH as u64).max(oldest)..=pos)?;
            let version = Version::at(entry.id, pos);
            if verified == Some(version) {
                return Ok(Anchor::At(version));
            }
            match entry.claim {
                Claim::Foreign => return Ok(Anchor::At(version)),
                Claim::First if pos == 1 => return Ok(Anchor::At(version)),
                Claim::On(base) if (oldest..pos).contains(&base.pos()) => {
                    // If the id differs, the parameter was deleted and created again after the claim.
                    if self.entry(base.pos(), base.pos()..=pos)?.id == WriteId::from(base) {
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

    /// Returns the entry at `pos`. If it is unknown, all of `around` is requested, because the reader will
    /// probably need it.
    fn entry(&self, pos: u64, around: RangeInclusive<u64>) -> Result<Entry, Unknown> {
        match self.entries.get(&pos) {
            Some(entry) => Ok(*entry),
            None => Err(self.need(around).err().unwrap_or(Unknown(vec![pos]))),
        }
    }

    fn need(&self, range: RangeInclusive<u64>) -> Result<(), Unknown> {
        let unknown = range.filter(|pos| !self.entries.contains_key(pos));
        let unknown: Vec<u64> = unknown.take(BATCH).collect();
        if unknown.is_empty() { Ok(()) } else { Err(Unknown(unknown)) }
    }

    /// Whether the version at `pos` takes over a lost record. It must be the version right after its base.
    /// Otherwise two writers could take over without seeing each other.
    fn takes_over(&self, base: Version, pos: u64) -> bool {
        let before = self.entries.get(&base.pos());
        base.pos() + 1 == pos
            && before.is_some_and(|entry| lost_version(entry.id, base.pos()) == base)
    }
}

/// Returns the version of a lost record. Its id is the inverted id of the last version that was read, which
/// is a write that lost. So a claim on the lost record differs from a claim on that write.
pub(super) fn lost_version(id: WriteId, pos: u64) -> Version {
    Version::at(WriteId::from_bits(!id.bits()), pos)
}
