//! Admits a call: by the snapshot while that is fresh, otherwise after a refresh, or as a probe with a
//! lease.

use std::time::Duration;

use tokio::{
    sync::MutexGuard,
    time::{Instant, timeout_at},
};

use super::{
    CircuitBreaker, Guard,
    lock::lock,
    snapshot::{Decision, Snapshot},
    store::has_time,
};
use crate::{
    Deadline, StoreErrorKind, Timestamp,
    circuit::{
        Cause, CircuitEvent, CircuitOpen, Probe,
        rules::{self, Admission, Permit},
    },
    register::{Swap, WriteId},
};

impl CircuitBreaker {
    /// Asks whether a call may be made, for a call that does not fit into [`call`](Self::call).
    ///
    /// After the call, record its outcome with [`Guard::record`]. A guard that is dropped records nothing.
    /// Only `call` ends a call that hangs; a guard does not.
    ///
    /// # Errors
    ///
    /// [`CircuitOpen`] if the circuit refuses the call.
    ///
    /// # Examples
    ///
    /// ```
    /// use funcify_core::circuit::{CallOutcome, CircuitBreaker, CircuitOpen};
    ///
    /// # async fn send() -> bool { true }
    /// # async fn order(circuit: CircuitBreaker) -> Result<(), CircuitOpen> {
    /// let guard = circuit.acquire().await?;
    /// let outcome = if send().await { CallOutcome::Success } else { CallOutcome::Failure };
    /// guard.record(outcome).await;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn acquire(&self) -> Result<Guard<'_>, CircuitOpen> {
        match self.fast_decision() {
            Some((Decision::Admitted(terms), now)) => Ok(Guard::new(self, terms, now)),
            Some((Decision::Refused { until, cause }, now)) => Err(self.refusal(until, cause, now)),
            None => Box::pin(self.acquire_slowly()).await,
        }
    }

    /// The decision for nearly every call, without a wait or an allocation. `None` if the call needs
    /// [`acquire_slowly`](Self::acquire_slowly).
    #[inline]
    pub(super) fn fast_decision(&self) -> Option<(Decision, Timestamp)> {
        let now = self.now();
        match self.shared.fast_path.decision(now)? {
            Decision::Refused { cause, .. } if self.may_have_lease(cause) => None,
            decision => Some((decision, now)),
        }
    }

    /// Admits a call that found the snapshot stale, or that may become a probe.
    pub(super) async fn acquire_slowly(&self) -> Result<Guard<'_>, CircuitOpen> {
        let Some(one_at_a_time) = self.refreshing().await else {
            return self.pass_or_probe().await;
        };
        if !self.is_fresh() {
            self.refresh().await;
        }
        // If the process was frozen during the read, the result is too old.
        if !self.shared.snapshot.load().is_known(self.now()) {
            self.refresh().await;
        }
        if has_time() && self.claims_try() {
            self.try_store_beside();
        }
        let guard = self.pass_or_probe().await?;
        drop(one_at_a_time);
        Ok(guard)
    }

    /// Waits until no other call refreshes the snapshot. `None` if the invocation's deadline passes before
    /// that.
    pub(super) async fn refreshing(&self) -> Option<MutexGuard<'_, ()>> {
        let refreshing = self.shared.refreshing.lock();
        match Deadline::current() {
            Some(deadline) => timeout_at(deadline.ends(), refreshing).await.ok(),
            None => Some(refreshing.await),
        }
    }

    /// Refreshes the snapshot if the store is not down and there is time.
    pub(super) async fn refresh(&self) {
        if self.shared.snapshot.load().outage.is_none() && has_time() {
            self.try_store().await;
        }
    }

    /// Decides by the current snapshot.
    async fn pass_or_probe(&self) -> Result<Guard<'_>, CircuitOpen> {
        let now = self.now();
        let snapshot = self.shared.snapshot.load_full();
        let admission = snapshot.admission_at(self.policy(), now);
        if let Some(decided) = self.decide(admission, &snapshot, now) {
            return decided;
        }
        if let Some(probe) = self.take_parked_lease(&snapshot, now) {
            return Ok(Guard::new(self, snapshot.terms(Some(probe)), now));
        }
        match admission {
            Admission::Refused { until, cause } => Err(self.refusal(until, cause, now)),
            Admission::Admitted | Admission::IfLeased => self.probe(&snapshot, now).await,
        }
    }

    /// Decides about a call that is not a probe. `None` if the call may become one.
    fn decide(
        &self,
        admission: Admission,
        snapshot: &Snapshot,
        now: Timestamp,
    ) -> Option<Result<Guard<'_>, CircuitOpen>> {
        match admission {
            Admission::Admitted if snapshot.is_known(now) => {
                Some(Ok(Guard::new(self, snapshot.terms(None), now)))
            }
            // The snapshot is too old, and there was no time to refresh it. The circuit may have opened
            // long ago.
            Admission::Admitted => {
                let until = now + self.policy().snapshot_ttl_after_failure;
                Some(Err(self.refusal(until, Cause::Stale, now)))
            }
            Admission::Refused { until, cause } if !self.may_have_lease(cause) => {
                Some(Err(self.refusal(until, cause, now)))
            }
            Admission::Refused { .. } | Admission::IfLeased => None,
        }
    }

    /// Tries to become a probe.
    async fn probe(&self, snapshot: &Snapshot, now: Timestamp) -> Result<Guard<'_>, CircuitOpen> {
        let Some(until) = self.lease_until(now) else { return Err(self.busy(now)) };
        let probe = Probe { id: WriteId::random(), until };
        match &snapshot.outage {
            Some(_) => self.change_private(|r, now| {
                rules::lease(r, self.policy(), probe, self.instance(), now)
            }),
            None => self.lease(snapshot, probe, now).await,
        }
        // Check again: the swap may have taken long, or another instance may have been faster.
        let now = self.now();
        let snapshot = self.shared.snapshot.load_full();
        if Permit::of(&snapshot.record, Some(probe)).is_valid(&snapshot.record, now)
            && now + self.least_time() <= until
        {
            self.emit(&CircuitEvent::ProbeGranted { id: probe.id });
            return Ok(Guard::new(self, snapshot.terms(Some(probe)), now));
        }
        self.emit(&CircuitEvent::ProbeRefused);
        let admission = snapshot.admission_at(self.policy(), now);
        self.decide(admission, &snapshot, now).unwrap_or_else(|| Err(self.busy(now)))
    }

    /// Writes the lease. Afterwards the snapshot shows whether the record holds it.
    async fn lease(&self, snapshot: &Snapshot, probe: Probe, now: Timestamp) {
        let Some(next) = rules::lease(&snapshot.record, self.policy(), probe, self.instance(), now)
        else {
            return;
        };
        let began = Instant::now();
        match self.swap(snapshot.version, WriteId::random(), &next).await {
            Ok(Swap::Applied(version)) => self.accept_written(next, version, now),
            Ok(Swap::Conflict(current)) => self.accept(current, now),
            // A read shows whether the id of the probe is in the record.
            Err(error) if error.kind() == StoreErrorKind::Ambiguous => self.try_store().await,
            Err(error) => self.store_failed(&error, began),
        }
    }

    /// Returns the end of a lease that is taken now. `None` if a call now would have too little time to
    /// prove anything.
    fn lease_until(&self, now: Timestamp) -> Option<Timestamp> {
        let time = self.effective_timeout().min(time_left());
        self.can_prove().then(|| now + time + rules::REPORTING)
    }

    /// Takes the lease that an earlier call of this instance did not use. If this call has too little time,
    /// the lease stays parked for the next one.
    fn take_parked_lease(&self, snapshot: &Snapshot, now: Timestamp) -> Option<Probe> {
        let mut parked = lock(&self.shared.parked_lease);
        let probe = (*parked)?;
        if Permit::of(&snapshot.record, Some(probe)).is_valid(&snapshot.record, now) {
            let lasts = now + self.least_time() <= probe.until;
            return if lasts && self.can_prove() { parked.take() } else { None };
        }
        *parked = None;
        // A listener may use the breaker, so the lock must not be held.
        drop(parked);
        if probe.until <= now {
            self.emit(&CircuitEvent::ProbeExpired { id: probe.id });
        }
        None
    }

    /// Whether a call was refused although this instance itself may hold the lease, because it is parked.
    fn may_have_lease(&self, cause: Cause) -> bool {
        cause == Cause::Probing && lock(&self.shared.parked_lease).is_some()
    }

    /// Whether a call that begins now has enough time to prove that the dependency works or fails.
    fn can_prove(&self) -> bool {
        time_left() >= self.least_time().max(Deadline::LEAST)
    }

    /// The longest time that a call can take in this invocation.
    fn effective_timeout(&self) -> Duration {
        let call_timeout = self.policy().call_timeout;
        Deadline::current()
            .map_or(call_timeout, |deadline| call_timeout.min(deadline.longest_call()))
    }

    /// Half of the longest time of a call. A call that is ended earlier than that proves nothing.
    pub(super) fn least_time(&self) -> Duration {
        self.effective_timeout() / 2
    }

    fn is_fresh(&self) -> bool {
        self.shared.snapshot.load().is_fresh(self.now())
    }

    fn busy(&self, now: Timestamp) -> CircuitOpen {
        self.refusal(now + self.policy().snapshot_ttl_after_failure, Cause::Probing, now)
    }

    #[inline]
    pub(super) fn refusal(&self, until: Timestamp, cause: Cause, now: Timestamp) -> CircuitOpen {
        self.shared.series.refusal(self.name(), cause);
        CircuitOpen::new(self.name().clone(), until.since(now), cause)
    }
}

/// How much time is left in the invocation.
fn time_left() -> Duration {
    Deadline::current().map_or(Duration::MAX, |deadline| deadline.remaining())
}
