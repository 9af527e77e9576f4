//! The real rules on the records of the model, and the changes that the mutants make to them.

use funcify_core::{
    circuit::{CallOutcome, CircuitPolicy},
    engine::circuit::{Admission, Instance, Permit, Report, admit, apply, lease as take_lease},
};

use super::{
    record::{LEASE, Lease, NOW, Record},
    state,
};

/// The rule that is deliberately broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    UnfencedEpoch,
    EpochAlone,
    UnfencedLease,
    EndlessLease,
    AgelessSnapshot,
    NoProbeLimit,
    NeutralCloses,
    RetryCountedAgain,
    BlindWrite,
    RefusalWrites,
    LocalIsWritten,
    LocalIsKept,
}

#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) policy: CircuitPolicy,
    pub(crate) flaw: Option<Flaw>,
}

impl Rules {
    pub(crate) fn admit(&self, record: &Record) -> Admission {
        let mut record = record.clone();
        if self.has(Flaw::NoProbeLimit) {
            record.leases.clear();
        }
        admit(&record.real(&self.policy), &self.policy, NOW)
    }

    pub(crate) fn lease(&self, record: &Record, lease: Lease) -> Option<Record> {
        if self.has(Flaw::NoProbeLimit) {
            let mut next = self.leased(&Record { leases: Vec::new(), ..record.clone() }, lease)?;
            next.leases.splice(..0, record.leases.iter().copied());
            return Some(next);
        }
        let next = self.leased(record, lease);
        if self.has(Flaw::RefusalWrites) { next.or_else(|| Some(record.clone())) } else { next }
    }

    fn leased(&self, record: &Record, lease: Lease) -> Option<Record> {
        let real = record.real(&self.policy);
        let next = take_lease(&real, &self.policy, lease.real(), Instance::new("i"), NOW)?;
        Some(Record::of(&next))
    }

    pub(crate) fn apply(
        &self,
        record: &Record,
        permit: &state::Permit,
        outcome: CallOutcome,
    ) -> Option<Record> {
        let (mut record, mut permit, mut outcome) = (record.clone(), *permit, outcome);
        match self.flaw {
            Some(Flaw::UnfencedEpoch) => permit.epoch = record.epoch,
            Some(Flaw::EpochAlone) if permit.epoch.number == record.epoch.number => {
                permit.epoch = record.epoch;
            }
            Some(Flaw::UnfencedLease) => {
                if let Some(lease) = &mut permit.lease {
                    lease.left = LEASE;
                    record.leases.retain(|other| other.id != lease.id);
                    record.leases.push(*lease);
                }
            }
            Some(Flaw::NeutralCloses) if outcome == CallOutcome::Neutral => {
                outcome = CallOutcome::Success;
            }
            _ => {}
        }
        let permit = Permit {
            epoch: permit.epoch.number.into(),
            changed_at: permit.epoch.changed_at(),
            probe: permit.lease.map(|lease| lease.real()),
        };
        let instance = Instance::new("i");
        let report = Report { permit, outcome, slow: false, weight: 1, instance };
        let real = record.real(&self.policy);
        // With this draw, nothing is subtracted from the open duration.
        let next = apply(&real, &self.policy, &report, NOW, 1.0)?;
        Some(Record::of(&next))
    }

    pub(crate) fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }
}
