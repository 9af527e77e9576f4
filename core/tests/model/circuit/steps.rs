//! What one instance does, step by step, as the breaker does it.

use funcify_core::{circuit::CallOutcome, engine::circuit::Admission};

use super::{
    flaw::Flaw,
    fleet::Fleet,
    laws,
    record::{LEASE, Lease, Record},
    state::{Answer, Permit, Purpose, Snapshot, State, Step, Write},
};

impl Fleet {
    /// A call comes, or the store is tried once more.
    pub(crate) fn begins(&self, state: &mut State, place: usize) {
        match &state.instances[place].snapshot {
            Some(snapshot) if snapshot.private || snapshot.usable_for > 0 => {
                self.decides(state, place);
                laws::watch_admission(state, place);
            }
            _ => refreshes(state, place, Purpose::Admission),
        }
    }

    /// A call is over.
    pub(crate) fn ends(&self, state: &mut State, place: usize, outcome: CallOutcome) {
        let instance = &mut state.instances[place];
        let Step::Calling(permit) = std::mem::replace(&mut instance.step, Step::Idle) else {
            return;
        };
        let tells = match outcome {
            CallOutcome::Success => permit.lease.is_some(),
            CallOutcome::Failure | CallOutcome::RetryAfter(_) => true,
            CallOutcome::Neutral => permit.lease.is_some() && self.rules.has(Flaw::NeutralCloses),
        };
        let overridden = instance.snapshot.as_ref().is_some_and(|s| s.record.overridden.is_some());
        if !tells || overridden {
            return parks_the_lease(state, place, &permit);
        }
        if permit.private && !self.rules.has(Flaw::LocalIsWritten) {
            return self.counts_privately(state, place, &permit, outcome);
        }
        let report = Purpose::Report { permit, outcome, counted: false };
        match permit.lease {
            // A probe knows the record: it wrote its lease there.
            Some(_) => self.reports(state, place, report),
            None => refreshes(state, place, report),
        }
    }

    /// An answer of the store arrives.
    pub(crate) fn receives(&self, state: &mut State, place: usize) {
        match std::mem::replace(&mut state.instances[place].step, Step::Idle) {
            Step::Refreshing { found, ago, purpose } => {
                self.accepts(state, place, found, ago);
                match purpose {
                    Purpose::Admission => self.decides(state, place),
                    Purpose::Lease(lease) => self.passes_if_leased(state, place, lease),
                    Purpose::Report { .. } => self.reports(state, place, purpose),
                }
            }
            Step::Writing { write, answer, ambiguous, ago, purpose } => match (answer, purpose) {
                (Some(Answer::Done), _) => {
                    self.accepts(state, place, Some((write.id, write.record)), ago);
                    if let Purpose::Lease(lease) = purpose {
                        self.passes_if_leased(state, place, lease);
                    }
                }
                // Ours may be what the other one replaced.
                (Some(Answer::Conflict(_)), _) if ambiguous => {
                    self.is_left_in_doubt(state, place, purpose);
                }
                (Some(Answer::Conflict(found)), Purpose::Report { permit, .. }) => {
                    let stands =
                        permit.stands(&found.as_ref().map_or_else(Record::empty, |f| f.1.clone()));
                    self.accepts(state, place, found, ago);
                    if stands {
                        refreshes(state, place, purpose);
                    } else {
                        parks_the_lease(state, place, &permit);
                    }
                }
                (Some(Answer::Conflict(found)), Purpose::Lease(lease)) => {
                    self.accepts(state, place, found, ago);
                    self.passes_if_leased(state, place, lease);
                }
                (_, Purpose::Admission) | (None, _) => {}
            },
            step @ (Step::Idle | Step::Calling(_)) => state.instances[place].step = step,
        }
    }

    /// It is unknown whether a write took effect. A probe is known by its id, which is there or
    /// is not; a failure is given up, for twice would be worse than not at all.
    pub(crate) fn is_left_in_doubt(&self, state: &mut State, place: usize, purpose: Purpose) {
        match purpose {
            Purpose::Report { permit, .. }
                if permit.lease.is_none() && !self.rules.has(Flaw::RetryCountedAgain) =>
            {
                state.instances[place].step = Step::Idle;
            }
            _ => refreshes(state, place, purpose),
        }
    }

    /// The store does not answer: from here on this instance decides by itself.
    pub(crate) fn goes_private(&self, state: &mut State, place: usize) {
        state.left.outages -= 1;
        let instance = &mut state.instances[place];
        let purpose = match std::mem::replace(&mut instance.step, Step::Idle) {
            Step::Refreshing { purpose, .. } | Step::Writing { purpose, .. } => purpose,
            Step::Idle | Step::Calling(_) => return,
        };
        let record = instance.snapshot.take().map_or_else(Record::empty, |known| known.record);
        instance.snapshot = Some(Snapshot { record, version: None, usable_for: 0, private: true });
        match purpose {
            Purpose::Admission => self.decides(state, place),
            Purpose::Lease(lease) => self.passes_if_leased(state, place, lease),
            Purpose::Report { permit, outcome, .. } => {
                self.counts_privately(state, place, &permit, outcome);
            }
        }
    }

    /// The fleet's record counts again; what was decided without the store is forgotten.
    pub(crate) fn comes_back(&self, state: &mut State, place: usize) {
        let kept = state.instances[place].snapshot.take();
        let found = state.store.clone();
        self.accepts(state, place, found, 0);
        if self.rules.has(Flaw::LocalIsKept)
            && let (Some(snapshot), Some(kept)) = (&mut state.instances[place].snapshot, kept)
        {
            snapshot.usable_for = kept.record.usable_for(&self.rules.policy, 0);
            snapshot.record = kept.record;
        }
    }

    fn accepts(&self, state: &mut State, place: usize, found: Option<(u8, Record)>, ago: u8) {
        let (version, record) = found.unzip();
        let record = record.unwrap_or_else(Record::empty);
        let usable_for = record.usable_for(&self.rules.policy, ago);
        let snapshot = Snapshot { record, version, usable_for, private: false };
        state.instances[place].snapshot = Some(snapshot);
    }

    /// Admitted, refused, or on the way to a lease.
    fn decides(&self, state: &mut State, place: usize) {
        let Some(snapshot) = state.instances[place].snapshot.clone() else { return };
        if let Some(parked) = state.instances[place].parked.take()
            && passes(state, place, &snapshot, parked)
        {
            return;
        }
        let lease = Lease { id: state.unused(), left: LEASE };
        match self.rules.admit(&snapshot.record) {
            Admission::Admitted => admits(state, place, &snapshot),
            Admission::Refused { .. } if !self.rules.has(Flaw::RefusalWrites) => {
                state.instances[place].step = Step::Idle;
            }
            admission => {
                let Some(next) = self.rules.lease(&snapshot.record, lease) else { return };
                if admission != Admission::IfLeased {
                    state.seen.broken = Some(laws::REFUSAL);
                }
                if snapshot.private {
                    laws::watch_private(state, &snapshot.record, &next);
                    state.instances[place].snapshot = Some(Snapshot { record: next, ..snapshot });
                    self.passes_if_leased(state, place, lease);
                } else {
                    writes(state, place, next, Purpose::Lease(lease), None);
                }
            }
        }
    }

    /// An instance that wanted a lease checks whether it is there.
    fn passes_if_leased(&self, state: &mut State, place: usize, lease: Lease) {
        let Some(snapshot) = state.instances[place].snapshot.clone() else { return };
        state.instances[place].step = Step::Idle;
        if !passes(state, place, &snapshot, lease)
            && self.rules.admit(&snapshot.record) == Admission::Admitted
        {
            admits(state, place, &snapshot);
        }
    }

    /// Counts a result on what was read, and writes it.
    fn reports(&self, state: &mut State, place: usize, purpose: Purpose) {
        let Purpose::Report { permit, outcome, .. } = purpose else { return };
        let Some(snapshot) = state.instances[place].snapshot.clone() else { return };
        let Some(next) = self.rules.apply(&snapshot.record, &permit, outcome) else {
            return parks_the_lease(state, place, &permit);
        };
        if outcome == CallOutcome::Neutral {
            state.seen.broken = Some(laws::NEUTRAL);
        }
        let stood = permit.stands(&snapshot.record);
        writes(state, place, next, purpose, Some((permit.epoch, stood)));
    }

    fn counts_privately(
        &self,
        state: &mut State,
        place: usize,
        permit: &Permit,
        outcome: CallOutcome,
    ) {
        if let Some(snapshot) = state.instances[place].snapshot.as_mut().filter(|s| s.private)
            && let Some(next) = self.rules.apply(&snapshot.record, permit, outcome)
        {
            let before = std::mem::replace(&mut snapshot.record, next.clone());
            laws::watch_private(state, &before, &next);
        }
        parks_the_lease(state, place, permit);
    }
}

/// Reads: the store answers at once, the answer comes when it comes.
fn refreshes(state: &mut State, place: usize, purpose: Purpose) {
    let found = state.store.clone();
    state.instances[place].step = Step::Refreshing { found, ago: 0, purpose };
}

fn writes(
    state: &mut State,
    place: usize,
    record: Record,
    purpose: Purpose,
    fence: Option<(super::record::Epoch, bool)>,
) {
    // The lease has its number already: the version needs another.
    state.instances[place].step = Step::Refreshing { found: None, ago: 0, purpose };
    let id = state.unused();
    let instance = &mut state.instances[place];
    let expected = instance.snapshot.as_ref().and_then(|snapshot| snapshot.version);
    let private = instance.snapshot.as_ref().is_some_and(|snapshot| snapshot.private);
    if private || matches!(purpose, Purpose::Report { permit, .. } if permit.private) {
        state.seen.broken = state.seen.broken.or(Some(laws::PRIVATE));
    }
    let fails = matches!(purpose, Purpose::Report { outcome: CallOutcome::Failure, .. });
    let write = Write { id, expected, record, fence, failure: fails.then_some(0) };
    instance.step = Step::Writing { write, answer: None, ambiguous: false, ago: 0, purpose };
}

fn passes(state: &mut State, place: usize, snapshot: &Snapshot, lease: Lease) -> bool {
    let epoch = snapshot.record.epoch;
    let permit = Permit { epoch, lease: Some(lease), private: snapshot.private };
    let stands = permit.stands(&snapshot.record);
    if stands {
        state.instances[place].step = Step::Calling(permit);
    }
    stands
}

fn admits(state: &mut State, place: usize, snapshot: &Snapshot) {
    let permit = Permit { epoch: snapshot.record.epoch, lease: None, private: snapshot.private };
    state.instances[place].step = Step::Calling(permit);
}

/// A probe that said nothing, or could not, leaves its lease to the next call of its instance.
fn parks_the_lease(state: &mut State, place: usize, permit: &Permit) {
    let instance = &mut state.instances[place];
    instance.step = Step::Idle;
    let Some(snapshot) = &mut instance.snapshot else { return };
    if permit.lease.is_some() && permit.stands(&snapshot.record) {
        instance.parked = permit.lease;
        snapshot.usable_for = 0;
    }
}
