//! One state of the fleet: the store, the writes on their way to it, and the step of each instance.

use std::collections::BTreeSet;

use funcify_core::circuit::{CallOutcome, CircuitState};

use super::record::{Epoch, Lease, Record, TTL, WINDOW};
use crate::graph::fingerprint;

/// How many more faults and overrides of each kind may occur.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Mishaps {
    pub(crate) crashes: u8,
    pub(crate) lost: u8,
    pub(crate) copies: u8,
    pub(crate) evictions: u8,
    pub(crate) overrides: u8,
    pub(crate) outages: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) store: Option<(u8, Record)>,
    /// A write that is still on its way although its sender no longer waits for it.
    pub(crate) late: Option<Write>,
    pub(crate) instances: Vec<Instance>,
    pub(crate) left: Mishaps,
    pub(crate) seen: Seen,
}

/// What only an observer of the whole fleet knows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Seen {
    /// For how many ticks the circuit has not been closed, up to the age of the oldest usable snapshot.
    pub(crate) not_closed_for: Option<u8>,
    /// How many ticks ago each failure was that was counted in the present epoch and is still in the window.
    pub(crate) counted: Vec<u8>,
    pub(crate) broken: Option<&'static str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Instance {
    pub(crate) snapshot: Option<Snapshot>,
    /// A lease that an earlier call did not use.
    pub(crate) parked: Option<Lease>,
    pub(crate) step: Step,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Snapshot {
    pub(crate) record: Record,
    pub(crate) version: Option<u8>,
    /// How many more ticks the snapshot may be used without a refresh.
    pub(crate) usable_for: u8,
    /// Whether the record is a private one, because the store is down.
    pub(crate) private: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    Idle,
    /// The store has answered a read. The answer has been on its way for `ago` ticks.
    Refreshing {
        found: Option<(u8, Record)>,
        ago: u8,
        purpose: Purpose,
    },
    /// A write or its answer is on its way.
    Writing {
        write: Write,
        answer: Option<Answer>,
        ambiguous: bool,
        ago: u8,
        purpose: Purpose,
    },
    Calling(Permit),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Purpose {
    Admission,
    Lease(Lease),
    Report { permit: Permit, outcome: CallOutcome, counted: bool },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Permit {
    pub(crate) epoch: Epoch,
    pub(crate) lease: Option<Lease>,
    pub(crate) private: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Write {
    pub(crate) id: u8,
    pub(crate) expected: Option<u8>,
    pub(crate) record: Record,
    /// The epoch of the report that it contains, and whether the report counted when the write was made.
    pub(crate) fence: Option<(Epoch, bool)>,
    /// How many ticks ago the failure was that it counts.
    pub(crate) failure: Option<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Answer {
    Done,
    Conflict(Option<(u8, Record)>),
}

/// A part of a state, for functions that visit all parts of one type.
enum Part<'a> {
    Record(&'a mut Record),
    Fence(&'a mut Epoch),
    Lease(&'a mut Lease),
    Version(&'a mut u8),
    Failure(&'a mut Option<u8>),
}

impl State {
    pub(crate) fn new(instances: usize, left: Mishaps) -> Self {
        let seen = Seen { not_closed_for: None, counted: Vec::new(), broken: None };
        Self { store: None, late: None, instances: vec![Instance::fresh(); instances], left, seen }
    }

    /// Returns the record in the store, or the record that an absent one means.
    pub(crate) fn stored(&self) -> Record {
        self.store.as_ref().map_or_else(Record::empty, |(_, record)| record.clone())
    }

    pub(crate) fn version(&self) -> Option<u8> {
        self.store.as_ref().map(|(version, _)| *version)
    }

    /// Returns the smallest number that no version and no lease has. It is as good as a new number.
    pub(crate) fn unused(&mut self) -> u8 {
        let mut used = 0_u64;
        self.each(&mut |part| match part {
            Part::Record(record) => record.leases.iter().for_each(|lease| used |= 1 << lease.id),
            Part::Lease(lease) => used |= 1 << lease.id,
            Part::Version(version) => used |= 1 << *version,
            Part::Fence(_) | Part::Failure(_) => {}
        });
        u8::try_from(used.trailing_ones()).unwrap()
    }

    /// Lets one tick pass.
    pub(crate) fn ages(&mut self, leases_end: bool, snapshots_age: bool) {
        self.each(&mut |part| match part {
            Part::Record(record) => record.ages(leases_end),
            Part::Fence(epoch) => epoch.ages(),
            Part::Lease(lease) if leases_end => lease.ages(),
            Part::Failure(ago) => *ago = ago.map(|ago| ago + 1).filter(|ago| *ago < WINDOW),
            Part::Lease(_) | Part::Version(_) => {}
        });
        for instance in &mut self.instances {
            if let Some(snapshot) = instance.snapshot.as_mut().filter(|_| snapshots_age) {
                snapshot.usable_for = snapshot.usable_for.saturating_sub(1);
            }
            if let Step::Refreshing { ago, .. } | Step::Writing { ago, .. } = &mut instance.step {
                *ago = (*ago + 1).min(TTL);
            }
        }
        self.seen.counted.iter_mut().for_each(|ago| *ago += 1);
        self.seen.counted.retain(|ago| *ago < WINDOW);
        self.seen.not_closed_for = self.seen.not_closed_for.map(|ticks| (ticks + 1).min(TTL));
    }

    /// Returns one common form of all states that have the same future.
    pub(crate) fn canonical(mut self) -> Self {
        let outages = self.left.outages > 0;
        self.instances.iter_mut().for_each(|instance| instance.forgets(outages));
        self.canonicalizes_epochs();
        let version = self.version();
        self.instances.sort_by_cached_key(|instance| instance.likeness(version));
        self.canonicalizes_names();
        self
    }

    fn canonicalizes_epochs(&mut self) {
        let mut living = BTreeSet::new();
        self.each(&mut |part| {
            if let Part::Record(record) = part {
                living.insert(record.epoch);
            }
        });
        self.each(&mut |part| {
            if let Part::Fence(epoch) = part {
                epoch.dies_unless_among(&living);
            }
        });
        let ages = living.iter().map(|epoch| epoch.ago).collect();
        self.each_epoch(&mut |epoch| epoch.draws_closer(&ages));
    }

    /// Numbers versions and leases in the order in which they occur.
    fn canonicalizes_names(&mut self) {
        let (mut versions, mut leases) = (Vec::new(), Vec::new());
        self.each(&mut |part| match part {
            Part::Record(record) => {
                record.leases.iter_mut().for_each(|lease| rename(&mut lease.id, &mut leases));
                record.leases.sort_unstable();
            }
            Part::Lease(lease) => rename(&mut lease.id, &mut leases),
            Part::Version(version) => rename(version, &mut versions),
            Part::Fence(_) | Part::Failure(_) => {}
        });
    }

    fn each_epoch(&mut self, each: &mut dyn FnMut(&mut Epoch)) {
        self.each(&mut |part| match part {
            Part::Record(record) => each(&mut record.epoch),
            Part::Fence(epoch) => each(epoch),
            Part::Lease(_) | Part::Version(_) | Part::Failure(_) => {}
        });
    }

    fn each(&mut self, each: &mut dyn FnMut(Part<'_>)) {
        each_versioned(&mut self.store, each);
        if let Some(write) = &mut self.late {
            write.each(each);
        }
        for instance in &mut self.instances {
            instance.each(each);
        }
    }
}

impl Instance {
    pub(crate) fn fresh() -> Self {
        Self { snapshot: None, parked: None, step: Step::Idle }
    }

    /// Returns a fingerprint that does not depend on the numbers of versions and leases.
    fn likeness(&self, stored: Option<u8>) -> u64 {
        let mut alike = self.clone();
        alike.each(&mut |part| match part {
            Part::Record(record) => record.leases.iter_mut().for_each(|lease| lease.id = 0),
            Part::Lease(lease) => lease.id = 0,
            Part::Version(version) => *version = u8::from(Some(*version) == stored),
            Part::Fence(_) | Part::Failure(_) => {}
        });
        fingerprint(&alike)
    }

    /// Drops what cannot have an effect any more.
    fn forgets(&mut self, outages: bool) {
        self.parked = self.parked.filter(|parked| parked.left > 0);
        let probes = |permit: &Permit| permit.lease.is_some() && !permit.private;
        let needed = matches!(&self.step, Step::Calling(permit) if probes(permit));
        let Some(snapshot) = &mut self.snapshot else { return };
        if outages || snapshot.private || needed {
            return;
        }
        if snapshot.usable_for == 0 {
            self.snapshot = None;
        } else {
            snapshot.version = None;
            snapshot.record.failures.clear();
            if snapshot.record.state != CircuitState::Closed {
                // This snapshot only refuses calls, so its epoch does not matter.
                snapshot.record.epoch = Epoch { number: 0, ago: 0 };
            }
        }
    }

    fn each(&mut self, each: &mut dyn FnMut(Part<'_>)) {
        self.parked.as_mut().into_iter().for_each(|lease| each(Part::Lease(lease)));
        if let Some(snapshot) = &mut self.snapshot {
            each(Part::Record(&mut snapshot.record));
            snapshot.version.as_mut().into_iter().for_each(|version| each(Part::Version(version)));
        }
        match &mut self.step {
            Step::Idle => {}
            Step::Calling(permit) => permit.each(each),
            Step::Refreshing { found, purpose, .. } => {
                each_versioned(found, each);
                purpose.each(each);
            }
            Step::Writing { write, answer, purpose, .. } => {
                write.each(each);
                if let Some(Answer::Conflict(current)) = answer {
                    each_versioned(current, each);
                }
                purpose.each(each);
            }
        }
    }
}

impl Purpose {
    fn each(&mut self, each: &mut dyn FnMut(Part<'_>)) {
        match self {
            Self::Admission => {}
            Self::Lease(lease) => each(Part::Lease(lease)),
            Self::Report { permit, .. } => permit.each(each),
        }
    }
}

impl Permit {
    fn each(&mut self, each: &mut dyn FnMut(Part<'_>)) {
        each(Part::Fence(&mut self.epoch));
        self.lease.as_mut().into_iter().for_each(|lease| each(Part::Lease(lease)));
    }
}

impl Write {
    fn each(&mut self, each: &mut dyn FnMut(Part<'_>)) {
        each(Part::Version(&mut self.id));
        self.expected.as_mut().into_iter().for_each(|version| each(Part::Version(version)));
        each(Part::Record(&mut self.record));
        each(Part::Failure(&mut self.failure));
        if let Some((epoch, _)) = &mut self.fence {
            each(Part::Fence(epoch));
        }
    }
}

fn rename(name: &mut u8, known: &mut Vec<u8>) {
    let place = known.iter().position(|other| other == name).unwrap_or(known.len());
    if place == known.len() {
        known.push(*name);
    }
    *name = u8::try_from(place).unwrap();
}

fn each_versioned(found: &mut Option<(u8, Record)>, each: &mut dyn FnMut(Part<'_>)) {
    if let Some((version, record)) = found {
        each(Part::Version(version));
        each(Part::Record(record));
    }
}
