//! Admitting a call: from the snapshot while it is fresh, else after a look at the store, and as a
//! probe with a lease.

use std::time::Duration;

use tokio::{
    sync::MutexGuard,
    time::{Instant, timeout_at},
};

use super::{CircuitBreaker, Guard, gate::Sign, lock, snapshot::Snapshot, store::has_time};
use crate::{
    Deadline, StoreErrorKind, Timestamp,
    circuit::{
        Cause, CircuitEvent, CircuitOpen, Probe,
        rules::{self, Admission, Permit},
    },
    register::{Swap, WriteId},
};

impl CircuitBreaker {
    /// Asks to pass, for a call that does not fit into [`call`](Self::call).
    ///
    /// Tell the guard how it went: [`success`](Guard::success), [`failure`](Guard::failure) or
    /// [`neutral`](Guard::neutral); dropped it is neutral. Only `call` ends a call that hangs.
    ///
    /// # Errors
    ///
    /// [`CircuitOpen`] if the circuit refuses.
    pub async fn acquire(&self) -> Result<Guard<'_>, CircuitOpen> {
        match self.at_gate() {
            Some((Sign::Pass(terms), now)) => Ok(Guard::on(self, terms, now)),
            Some((Sign::Refused { until, cause }, now)) => Err(self.open(until, cause, now)),
            None => Box::pin(self.acquire_slowly()).await,
        }
    }

    /// The way of nearly every call, which neither waits nor allocates: what stands at the gate now.
    #[inline]
    pub(super) fn at_gate(&self) -> Option<(Sign, Timestamp)> {
        let now = self.now();
        match self.shared.gate.sign(now)? {
            Sign::Refused { cause, .. } if self.has_place(cause) => None,
            sign => Some((sign, now)),
        }
    }

    /// What an admission means for a call that is no probe; `None` if it could be one.
    fn decide(
        &self,
        admission: Admission,
        snapshot: &Snapshot,
        now: Timestamp,
    ) -> Option<Result<Guard<'_>, CircuitOpen>> {
        match admission {
            Admission::Admitted if snapshot.is_known(now) => {
                Some(Ok(Guard::new(self, snapshot, None, now)))
            }
            // Too old, and there was no time to look: it may have opened long ago.
            Admission::Admitted => {
                Some(Err(self.open(now + self.policy().suspect, Cause::Stale, now)))
            }
            Admission::Refused { until, cause } if !self.has_place(cause) => {
                Some(Err(self.open(until, cause, now)))
            }
            Admission::Refused { .. } | Admission::IfLeased => None,
        }
    }

    /// The way of a call that finds the snapshot stale, or could be a probe.
    pub(super) async fn acquire_slowly(&self) -> Result<Guard<'_>, CircuitOpen> {
        let Some(one_at_a_time) = self.looking().await else { return self.pass_or_probe().await };
        if !self.is_fresh() {
            self.look().await;
        }
        // A process that was frozen meanwhile has read what was there before.
        if !self.shared.snapshot.load().is_known(self.now()) {
            self.look().await;
        }
        let mut tries_store = has_time() && self.claims_try();
        if tries_store && self.refuses() {
            // No call to run the try beside.
            self.try_store().await;
            tries_store = false;
        }
        let mut guard = self.pass_or_probe().await?;
        drop(one_at_a_time);
        guard.tries_store = tries_store;
        Ok(guard)
    }

    /// Waits until nobody else looks; `None` if the invocation's time is over before that.
    pub(super) async fn looking(&self) -> Option<MutexGuard<'_, ()>> {
        let looking = self.shared.looking.lock();
        match Deadline::current() {
            Some(deadline) => timeout_at(deadline.ends(), looking).await.ok(),
            None => Some(looking.await),
        }
    }

    /// Brings the snapshot up to date if the store is up and there is time.
    pub(super) async fn look(&self) {
        if self.shared.snapshot.load().outage.is_none() && has_time() {
            self.try_store().await;
        }
    }

    /// Decides by the snapshot as it is now.
    async fn pass_or_probe(&self) -> Result<Guard<'_>, CircuitOpen> {
        let now = self.now();
        let snapshot = self.shared.snapshot.load_full();
        let admission = snapshot.admission_at(self.policy(), now);
        if let Some(decided) = self.decide(admission, &snapshot, now) {
            return decided;
        }
        if let Some(probe) = self.take_spare(&snapshot, now) {
            return Ok(Guard::new(self, &snapshot, Some(probe), now));
        }
        match admission {
            Admission::Refused { until, cause } => Err(self.open(until, cause, now)),
            Admission::Admitted | Admission::IfLeased => self.probe(&snapshot, now).await,
        }
    }

    /// Tries to become a probe.
    async fn probe(&self, snapshot: &Snapshot, now: Timestamp) -> Result<Guard<'_>, CircuitOpen> {
        let Some(until) = self.lease_until(now) else { return Err(self.busy(now)) };
        let probe = Probe { id: WriteId::random(), until };
        match &snapshot.outage {
            Some(_) => self.change_private(|r, now| rules::lease(r, self.policy(), probe, now)),
            None => self.lease(snapshot, probe, now).await,
        }
        // Looked at again: the swap took its time, or somebody else was faster.
        let now = self.now();
        let snapshot = self.shared.snapshot.load_full();
        if Permit::of(&snapshot.record, Some(probe)).stands(&snapshot.record, now)
            && now + self.least_time() <= until
        {
            self.tell(&CircuitEvent::ProbeGranted { id: probe.id });
            return Ok(Guard::new(self, &snapshot, Some(probe), now));
        }
        self.tell(&CircuitEvent::ProbeRefused);
        let admission = snapshot.admission_at(self.policy(), now);
        self.decide(admission, &snapshot, now).unwrap_or_else(|| Err(self.busy(now)))
    }

    /// Writes the lease. Whether it is held, the snapshot tells afterwards.
    async fn lease(&self, snapshot: &Snapshot, probe: Probe, now: Timestamp) {
        let Some(next) = rules::lease(&snapshot.record, self.policy(), probe, now) else { return };
        let began = Instant::now();
        match self.swap(snapshot.version, WriteId::random(), &next).await {
            Ok(Swap::Applied(version)) => self.adopt_written(next, version, now),
            Ok(Swap::Conflict(current)) => self.adopt(current, now),
            // A probe is settled by its id: it is in the record, or it is not.
            Err(error) if error.kind() == StoreErrorKind::Ambiguous => self.try_store().await,
            Err(error) => self.store_failed(&error, began),
        }
    }

    /// The end of a lease that is taken now; none if there is too little time for a call that could
    /// prove anything.
    fn lease_until(&self, now: Timestamp) -> Option<Timestamp> {
        let time = self.effective_timeout().min(time_left());
        self.can_prove().then(|| now + time + rules::REPORTING)
    }

    /// The lease that an earlier call of this instance did not use up. It stays for the next call if
    /// this one has too little time.
    fn take_spare(&self, snapshot: &Snapshot, now: Timestamp) -> Option<Probe> {
        let mut spare = lock(&self.shared.spare);
        let probe = (*spare)?;
        if Permit::of(&snapshot.record, Some(probe)).stands(&snapshot.record, now) {
            let lasts = now + self.least_time() <= probe.until;
            return if lasts && self.can_prove() { spare.take() } else { None };
        }
        *spare = None;
        // A listener may use the breaker.
        drop(spare);
        if probe.until <= now {
            self.tell(&CircuitEvent::ProbeExpired { id: probe.id });
        }
        None
    }

    /// Whether it is perhaps this instance's own lease that leaves no place for a probe.
    fn has_place(&self, cause: Cause) -> bool {
        cause == Cause::Probing && lock(&self.shared.spare).is_some()
    }

    /// Whether a call that begins now has the time to prove anything.
    fn can_prove(&self) -> bool {
        time_left() >= self.least_time().max(Deadline::LEAST)
    }

    /// How long a call may take at most in this invocation.
    fn effective_timeout(&self) -> Duration {
        let call_timeout = self.policy().call_timeout;
        Deadline::current()
            .map_or(call_timeout, |deadline| call_timeout.min(deadline.longest_call()))
    }

    /// A call that was given less than this proves nothing by being cut off.
    pub(super) fn least_time(&self) -> Duration {
        self.effective_timeout() / 2
    }

    fn is_fresh(&self) -> bool {
        self.shared.snapshot.load().is_fresh(self.now())
    }

    fn refuses(&self) -> bool {
        let admission = self.shared.snapshot.load().admission_at(self.policy(), self.now());
        matches!(admission, Admission::Refused { .. })
    }

    fn busy(&self, now: Timestamp) -> CircuitOpen {
        self.open(now + self.policy().suspect, Cause::Probing, now)
    }

    #[inline]
    pub(super) fn open(&self, until: Timestamp, cause: Cause, now: Timestamp) -> CircuitOpen {
        CircuitOpen::new(self.name().clone(), until.since(now), cause)
    }
}

/// What is left of the invocation's time.
fn time_left() -> Duration {
    Deadline::current().map_or(Duration::MAX, |deadline| deadline.remaining())
}
