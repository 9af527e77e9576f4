//! The steps of one instance, as the breaker takes them.

use funcify_core::{circuit::CallOutcome, engine::circuit::Admission};

use super::{
    flaw::Flaw,
    fleet::Fleet,
    laws,
    record::{LEASE, Lease, Record},
    state::{Answer, Permit, Purpose, Snapshot, State, Step, Write},
};

impl Fleet {
    /// Begins a call, or tries the store again.
    pub(crate) fn begins(&self, state: &mut State, place: usize) {
        match &state.instances[place].snapshot {
            Some(snapshot) if snapshot.private || snapshot.usable_for > 0 => {
                self.decides(state, place);
                laws::watch_admission(state, place);
            }
            _ => refreshes(state, place, Purpose::Admission),
        }
    }

    /// Ends a call.
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
            // A probe need not read the record, because it has written its lease there.
            Some(_) => self.reports(state, place, report),
            None => refreshes(state, place, report),
        }
    }

    /// Lets an answer of the store arrive.
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
                // The other write may have replaced the one of this instance.
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

    /// Continues after a write that may or may not have taken effect. For a probe, a read shows whether its
    /// id is in the record. A failure is given up, because counting it twice would be worse than losing it.
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

    /// The store does not answer. From now on this instance decides by itself.
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

    /// The store answers again. The record of the fleet counts again, and the private one is dropped.
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

    /// Admits the call, refuses it, or begins to take a lease.
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

    /// Checks whether the record has the lease that the instance wrote.
    fn passes_if_leased(&self, state: &mut State, place: usize, lease: Lease) {
        let Some(snapshot) = state.instances[place].snapshot.clone() else { return };
        state.instances[place].step = Step::Idle;
        if !passes(state, place, &snapshot, lease)
            && self.rules.admit(&snapshot.record) == Admission::Admitted
        {
            admits(state, place, &snapshot);
        }
    }

    /// Counts an outcome on the record that was read, and writes the result.
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

/// Begins a read. The store answers at once, and the answer arrives at any later step.
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
    // The lease already has its number, so the version needs another one.
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

/// Parks the lease of a probe without an outcome, for the next call of its instance.
fn parks_the_lease(state: &mut State, place: usize, permit: &Permit) {
    let instance = &mut state.instances[place];
    instance.step = Step::Idle;
    let Some(snapshot) = &mut instance.snapshot else { return };
    if permit.lease.is_some() && permit.stands(&snapshot.record) {
        instance.parked = permit.lease;
        snapshot.usable_for = 0;
    }
}
