//! What this process knows of the circuit, and how long it may go by it.

use std::{sync::Arc, time::Duration};

use super::{CircuitBreaker, gate::Terms, lock};
use crate::{
    Timestamp,
    circuit::{
        Cause, CircuitEvent, CircuitPolicy, CircuitRecord, CircuitState, Probe, StoreDown, event,
        rules::{self, Admission, Permit, Sampling},
    },
    register::{Version, Versioned},
};

/// How often an open circuit is looked at, so that an override is seen.
const OPEN_LOOK: Duration = Duration::from_secs(30);

/// How old a look may be when it is done and still be gone by, however short its freshness.
const LOOK: Duration = Duration::from_secs(1);

/// A record, when it was read, and what follows from it.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    pub(super) record: Arc<CircuitRecord>,
    pub(super) version: Option<Version>,
    /// When its reading began: a time before this is as stale as one long after.
    taken_at: Timestamp,
    fresh_until: Timestamp,
    pub(super) admission: Admission,
    pub(super) sampling: Sampling,
    pub(super) outage: Option<Outage>,
    /// Until when this instance is open for itself.
    alone_until: Timestamp,
}

/// The store is down: the record of the snapshot is this process's own.
#[derive(Clone, Debug)]
pub(super) struct Outage {
    /// The last record that was the fleet's, to go on with if it is still there.
    pub(super) shared: Arc<CircuitRecord>,
    /// How many tries failed since.
    pub(super) tries: u32,
    /// When to try again.
    pub(super) retry_at: Timestamp,
}

impl Snapshot {
    /// The snapshot of a process that has not looked yet: stale at any time.
    pub(super) fn none() -> Self {
        let never = Timestamp::from_millis(i64::MIN);
        Self {
            record: Arc::default(),
            version: None,
            taken_at: never,
            fresh_until: never,
            admission: Admission::Admitted,
            sampling: Sampling { good: 1, bad: 1 },
            outage: None,
            alone_until: never,
        }
    }

    /// The snapshot of `record`, read just now.
    #[cfg(test)]
    pub(super) fn of(record: CircuitRecord, policy: &CircuitPolicy, now: Timestamp) -> Self {
        Self::none().followed_by(record, None, policy, now, now)
    }

    /// On what terms it admits a call, or a probe.
    pub(super) fn terms(&self, probe: Option<Probe>) -> Terms {
        Terms {
            permit: Permit::of(&self.record, probe),
            sampling: self.sampling,
            private: self.outage.is_some(),
        }
    }

    /// From when until when it is fresh.
    pub(super) fn fresh(&self) -> (Timestamp, Timestamp) {
        (self.taken_at, self.fresh_until)
    }

    pub(super) fn is_fresh(&self, now: Timestamp) -> bool {
        self.taken_at <= now && now < self.fresh_until
    }

    /// Whether a call may go by it: it is fresh, or as fresh as a look can be. The private record of
    /// an outage is never old.
    pub(super) fn is_known(&self, now: Timestamp) -> bool {
        let looked = self.taken_at <= now && now < self.taken_at + LOOK;
        self.outage.is_some() || looked || self.is_fresh(now)
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
                Admission::Admitted if self.alone_until > now && !overridden => {
                    Admission::Refused { until: self.alone_until, cause: Cause::ThisInstance }
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
        // The same version keeps its first clamp: clamped anew, its times would recede. But one that
        // was made by a clock that has stepped back since is worth nothing.
        let clamped = self.taken_at <= now;
        let record = if clamped && version.is_some() && self.version == version {
            Arc::clone(self.outage.as_ref().map_or(&self.record, |outage| &outage.shared))
        } else {
            Arc::new(rules::clamp(record, policy, now))
        };
        let next = Self { record, version, outage: None, ..self.clone() };
        next.judged(policy, began, now)
    }

    /// Works out what follows from the record at `taken_at`.
    fn judged(mut self, policy: &CircuitPolicy, taken_at: Timestamp, now: Timestamp) -> Self {
        self.taken_at = taken_at;
        self.admission = self.admission_at(policy, now);
        self.sampling = rules::sampling(&self.record, policy, now);
        self.fresh_until = match self.admission {
            Admission::Admitted if rules::suspect(&self.record, policy, now) => {
                taken_at + policy.suspect
            }
            Admission::Admitted => taken_at + policy.calm,
            Admission::Refused { until, cause: Cause::Probing } => {
                until.min(taken_at + policy.suspect)
            }
            Admission::Refused { until, .. } => until.min(taken_at + OPEN_LOOK),
            Admission::IfLeased => taken_at,
        };
        if let Some(order) = self.record.override_at(now) {
            self.fresh_until = self.fresh_until.min(order.until);
        }
        if let Some(outage) = &self.outage {
            // Without a store there is nothing to look at before the next try.
            let private = match self.admission {
                Admission::Admitted => outage.retry_at,
                _ => self.fresh_until,
            };
            self.fresh_until = private.min(outage.retry_at);
        }
        self
    }
}

impl CircuitBreaker {
    /// Takes over what was read, unless something read later is known already.
    pub(super) fn adopt(&self, found: Option<Versioned<CircuitRecord>>, began: Timestamp) {
        let (record, version) = match found {
            Some(found) => (found.value, Some(found.version)),
            None => (CircuitRecord::default(), None),
        };
        self.change(|current, now| {
            let later = current.taken_at > began && current.taken_at <= now;
            let skips = later && current.outage.is_none();
            (!skips).then(|| current.followed_by(record, version, self.policy(), began, now))
        });
    }

    /// Takes over what was written: whatever was read meanwhile, this is known to be there.
    pub(super) fn adopt_written(&self, next: CircuitRecord, version: Version, began: Timestamp) {
        self.change(|current, now| {
            Some(current.followed_by(next, Some(version), self.policy(), began, now))
        });
    }

    /// Changes the private record of an outage; nothing happens if the store is back.
    pub(super) fn change_private(
        &self,
        change: impl FnOnce(&CircuitRecord, Timestamp) -> Option<CircuitRecord>,
    ) {
        let settings = self.settings();
        self.change(|current, now| {
            current.outage.as_ref()?;
            let mut record = change(&current.record, now)?;
            if record.state == CircuitState::Open && record.epoch != current.record.epoch {
                spread(&mut record, settings.chance.draw());
            }
            let next = Snapshot { record: Arc::new(record), ..current.clone() };
            Some(next.judged(&settings.policy, now, now))
        });
    }

    /// Goes on with a private record, begun from what was known last.
    pub(super) fn go_private(&self) {
        let settings = self.settings();
        self.change(|current, now| {
            let mut record = Arc::clone(&current.record);
            let (shared, tries) = match &current.outage {
                // Somebody else's failure has been counted for this try already.
                Some(outage) if now < outage.retry_at => return None,
                Some(outage) => (Arc::clone(&outage.shared), outage.tries.saturating_add(1)),
                None => {
                    if record.state == CircuitState::Open {
                        spread(Arc::make_mut(&mut record), settings.chance.draw());
                    }
                    (Arc::clone(&current.record), 0)
                }
            };
            let retry_at = now + super::outage::pause(tries, settings.chance.draw());
            let outage = Some(Outage { shared, tries, retry_at });
            let next = Snapshot { record, outage, ..current.clone() };
            Some(next.judged(&settings.policy, now, now))
        });
    }

    /// Opens this instance for itself.
    pub(super) fn stand_alone(&self) {
        let settings = self.settings();
        let open_duration =
            settings.policy.open_duration.mul_f64(0.9 + 0.1 * settings.chance.draw());
        self.change(|current, now| {
            let next = Snapshot { alone_until: now + open_duration, ..current.clone() };
            Some(next.judged(&settings.policy, current.taken_at, now))
        });
    }

    /// Ages the snapshot after a failure on this instance, which is reason to look sooner.
    pub(super) fn look_sooner(&self, after: Duration) {
        let current = self.shared.snapshot.load();
        // In an outage there is nothing to look at before the next try.
        if current.outage.is_none() && current.fresh_until > current.taken_at + after {
            drop(current);
            self.change(|current, _| {
                let fresh_until = current.fresh_until.min(current.taken_at + after);
                Some(Snapshot { fresh_until, ..current.clone() })
            });
        }
    }

    /// Replaces the snapshot by what `next` makes of it, and tells what changed.
    fn change(&self, next: impl FnOnce(&Snapshot, Timestamp) -> Option<Snapshot>) {
        let guard = lock(&self.shared.changing);
        let current = self.shared.snapshot.load_full();
        let Some(next) = next(&current, self.now()) else { return };
        let mut events = event::changes(&current.record, &next.record);
        match (&current.outage, &next.outage) {
            (None, Some(_)) => events.push(CircuitEvent::StoreDown),
            (Some(_), None) => events.push(CircuitEvent::StoreBack),
            _ => {}
        }
        self.shared.gate.show(&next);
        self.shared.snapshot.store(Arc::new(next));
        // A listener may use the breaker.
        drop(guard);
        for event in events {
            self.tell(&event);
        }
    }
}

/// Lets a private stand-down end at another moment on each instance: nobody shares the probe.
fn spread(record: &mut CircuitRecord, chance: f64) {
    let open_duration = record.open_until.since(record.changed_at);
    record.open_until = record.open_until + open_duration.mul_f64(chance);
}
