//! What this process knows of the circuit, and for how long it may go by it.

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

/// How old a snapshot may be when its read ends and still count as known, however short its time to
/// live. A read gets half a second; if twice that has passed, the process was probably frozen.
const READ_TIME: Duration = Duration::from_secs(1);

/// A record, when it was read, and what follows from it.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    pub(super) record: Arc<CircuitRecord>,
    pub(super) version: Option<Version>,
    /// When its reading began. A time before this is as stale as one long after.
    taken_at: Timestamp,
    fresh_until: Timestamp,
    admission: Admission,
    sampling: Sampling,
    pub(super) outage: Option<Outage>,
    /// Until when the circuit is open for this instance only.
    instance_open_until: Timestamp,
}

/// The store is down: the record of the snapshot is this process's own.
#[derive(Clone, Debug)]
pub(super) struct Outage {
    /// How many tries failed since.
    tries: u32,
    /// When to try again.
    pub(super) retry_at: Timestamp,
    /// Whether it throttles.
    pub(super) is_throttled: bool,
}

impl Snapshot {
    /// The snapshot of a process that has read nothing yet: stale at any time.
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

    /// The terms on which it admits a call, or a probe.
    pub(super) fn terms(&self, probe: Option<Probe>) -> AdmissionTerms {
        AdmissionTerms {
            permit: Permit::of(&self.record, probe),
            sampling: self.sampling,
            private: self.outage.is_some(),
        }
    }

    /// What it decides about a call that is not a probe; `None` if the call needs a lease.
    fn decision(&self) -> Option<Decision> {
        match self.admission {
            Admission::Admitted => Some(Decision::Admitted(self.terms(None))),
            Admission::Refused { until, cause } => Some(Decision::Refused { until, cause }),
            Admission::IfLeased => None,
        }
    }

    /// When it is fresh.
    fn fresh(&self) -> Range<Timestamp> {
        self.taken_at..self.fresh_until
    }

    pub(super) fn is_fresh(&self, now: Timestamp) -> bool {
        self.fresh().contains(&now)
    }

    /// Whether a call may go by it: it is fresh, or as fresh as a read can be. The private record of
    /// an outage is never old.
    pub(super) fn is_known(&self, now: Timestamp) -> bool {
        let was_just_read = self.taken_at <= now && now < self.taken_at + READ_TIME;
        self.outage.is_some() || was_just_read || self.is_fresh(now)
    }

    /// Whether a call may pass, by this snapshot however old.
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

    /// The snapshot of a record that the store holds.
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

    /// Works out what follows from the record.
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
            // So that an operator's override or close is seen. Refusals cost the store nothing else.
            Admission::Refused { until, .. } => until.min(taken_at + rules::open_refresh(policy)),
            Admission::IfLeased => taken_at,
        };
        if let Some(set) = self.record.override_at(now) {
            self.fresh_until = self.fresh_until.min(set.until);
        }
        if let Some(outage) = &self.outage {
            // Without a store there is nothing to read before the next try.
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
        // An operator may close it.
        assert_eq!(refused.fresh(), NOW..NOW + Duration::from_secs(5));
        let soon = NOW + Duration::from_secs(3);
        assert_eq!(snapshot_of(open(soon)).fresh(), NOW..soon);

        let due = snapshot_of(open(NOW));
        assert_eq!(due.decision(), None, "a lease is needed");
        assert!(!due.is_fresh(NOW) && due.is_known(NOW));
    }
}
