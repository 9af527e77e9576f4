//! The copy of the record in the memory of this process, and for how long it may be used.

mod change;
mod fast_path;

use std::{ops::Range, sync::Arc, time::Duration};

pub(super) use self::fast_path::{AdmissionTerms, Decision, FastPath};
use crate::{
    Timestamp,
    circuit::{
        Cause, CircuitPolicy, CircuitRecord, Probe, StoreDown,
        rules::{self, Admission, Permit, Sampling},
    },
    register::Version,
};

/// How old the result of a read may be when it arrives, 1 s, even if `snapshot_ttl` is shorter. A read
/// takes half a second at most. If twice that has passed, the process was probably frozen meanwhile.
const READ_TIME: Duration = Duration::from_secs(1);

/// A record, when it was read, and the decisions that follow from it.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    pub(super) record: Arc<CircuitRecord>,
    pub(super) version: Option<Version>,
    /// When the read began. If the clock shows an earlier time, it was set back, and the snapshot counts as
    /// stale.
    taken_at: Timestamp,
    fresh_until: Timestamp,
    admission: Admission,
    sampling: Sampling,
    pub(super) outage: Option<Outage>,
    /// Until when the circuit is open for this instance alone.
    instance_open_until: Timestamp,
}

/// The state while the store is down. The record of the snapshot is then one that this process keeps for
/// itself.
#[derive(Clone, Debug)]
pub(super) struct Outage {
    /// How many tries have failed since the outage began.
    tries: u32,
    /// When to try the store again.
    pub(super) retry_at: Timestamp,
    /// Whether the store throttles requests.
    pub(super) is_throttled: bool,
}

impl Snapshot {
    /// Creates the snapshot of a process that has not read the record yet. It is stale at any time.
    pub(super) fn none() -> Self {
        let never = Timestamp::from_millis(i64::MIN);
        Self {
            record: Arc::default(),
            version: None,
            taken_at: never,
            fresh_until: never,
            admission: Admission::Admitted,
            sampling: Sampling::EVERY_CALL,
            outage: None,
            instance_open_until: never,
        }
    }

    /// Returns the terms on which this snapshot admits a call, or the probe if there is one.
    pub(super) fn terms(&self, probe: Option<Probe>) -> AdmissionTerms {
        AdmissionTerms {
            permit: Permit::of(&self.record, probe),
            sampling: self.sampling,
            private: self.outage.is_some(),
        }
    }

    /// Decides about a call that is not a probe. `None` if the call needs a lease.
    fn decision(&self) -> Option<Decision> {
        match self.admission {
            Admission::Admitted => Some(Decision::Admitted(self.terms(None))),
            Admission::Refused { until, cause } => Some(Decision::Refused { until, cause }),
            Admission::IfLeased => None,
        }
    }

    /// Returns the time range in which the snapshot is fresh.
    fn fresh(&self) -> Range<Timestamp> {
        self.taken_at..self.fresh_until
    }

    pub(super) fn is_fresh(&self, now: Timestamp) -> bool {
        self.fresh().contains(&now)
    }

    /// Whether a call may be admitted by this snapshot: it is fresh, or was read just now. The record that a
    /// process keeps during an outage is never too old.
    pub(super) fn is_known(&self, now: Timestamp) -> bool {
        let was_just_read = self.taken_at <= now && now < self.taken_at + READ_TIME;
        self.outage.is_some() || was_just_read || self.is_fresh(now)
    }

    /// Whether a call may pass by this snapshot, without regard to its age.
    pub(super) fn admission_at(&self, policy: &CircuitPolicy, now: Timestamp) -> Admission {
        let overridden = self.record.override_at(now).is_some();
        match (&self.outage, policy.store_down) {
            (Some(_), StoreDown::Admit) if !overridden => Admission::Admitted,
            (Some(outage), StoreDown::Refuse) if !overridden => {
                Admission::Refused { until: outage.retry_at, cause: Cause::StoreDown }
            }
            _ => match rules::admit(&self.record, policy, now) {
                Admission::Admitted if self.instance_open_until > now && !overridden => {
                    let until = self.instance_open_until;
                    Admission::Refused { until, cause: Cause::InstanceLocal }
                }
                admission => admission,
            },
        }
    }

    /// Returns the next snapshot, with a record of the store.
    fn followed_by(
        &self,
        record: CircuitRecord,
        version: Option<Version>,
        policy: &CircuitPolicy,
        began: Timestamp,
        now: Timestamp,
    ) -> Self {
        let record = Arc::new(rules::credible(record, policy, now));
        let next = Self { record, version, outage: None, ..self.clone() };
        next.evaluated(policy, began, now)
    }

    /// Works out the decisions that follow from the record.
    fn evaluated(mut self, policy: &CircuitPolicy, taken_at: Timestamp, now: Timestamp) -> Self {
        self.taken_at = taken_at;
        self.admission = self.admission_at(policy, now);
        self.sampling = policy.rule.sampling(&self.record, now);
        self.fresh_until = match self.admission {
            Admission::Admitted if policy.rule.shows_failures(&self.record, now) => {
                taken_at + policy.snapshot_ttl_after_failure
            }
            Admission::Admitted => taken_at + policy.snapshot_ttl,
            Admission::Refused { until, cause: Cause::Probing } => until,
            // The store is read again so that the process sees when an operator closes the circuit.
            // Apart from that, refused calls do not use the store.
            Admission::Refused { until, .. } => until.min(taken_at + rules::open_refresh(policy)),
            Admission::IfLeased => taken_at,
        };
        if let Some(set) = self.record.override_at(now) {
            self.fresh_until = self.fresh_until.min(set.until);
        }
        if let Some(outage) = &self.outage {
            // While the store is down, nothing can be read before the next try.
            let private = match self.admission {
                Admission::Admitted => outage.retry_at,
                _ => self.fresh_until,
            };
            self.fresh_until = private.min(outage.retry_at);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::circuit::CircuitState;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn snapshot_of(record: CircuitRecord) -> Snapshot {
        let policy = CircuitPolicy::default();
        Snapshot::none().followed_by(record, None, &policy, NOW, NOW)
    }

    #[test]
    fn what_a_snapshot_decides_and_how_long_it_is_fresh() {
        let policy = CircuitPolicy::default();
        let unread = Snapshot::none();
        assert!(!unread.is_fresh(NOW) && !unread.is_known(NOW));

        let closed = CircuitRecord { epoch: 6, changed_at: NOW, ..CircuitRecord::default() };
        let closed = snapshot_of(closed);
        assert_eq!(closed.decision(), Some(Decision::Admitted(closed.terms(None))));
        assert_eq!(closed.fresh(), NOW..NOW + policy.snapshot_ttl);

        let open = |open_until| CircuitRecord {
            state: CircuitState::Open,
            cause: Some(Cause::Failures),
            open_until,
            epoch: 7,
            changed_at: NOW,
            ..CircuitRecord::default()
        };
        let until = NOW + Duration::from_secs(20);
        let refused = snapshot_of(open(until));
        let cause = Cause::Failures;
        assert_eq!(refused.decision(), Some(Decision::Refused { until, cause }));
        // The snapshot ends before that, because an operator may close the circuit.
        assert_eq!(refused.fresh(), NOW..NOW + Duration::from_secs(5));
        let soon = NOW + Duration::from_secs(3);
        assert_eq!(snapshot_of(open(soon)).fresh(), NOW..soon);

        let due = snapshot_of(open(NOW));
        assert_eq!(due.decision(), None, "a lease is needed");
        assert!(!due.is_fresh(NOW) && due.is_known(NOW));
    }
}
