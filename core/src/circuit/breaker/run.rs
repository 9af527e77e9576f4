//! Runs an admitted call, ends it when it hangs, and records its outcome.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::{Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep, sleep_until};

use super::{
    CircuitBreaker,
    lock::lock,
    snapshot::{AdmissionTerms, Decision},
};
use crate::{
    Chance, Deadline, Timestamp,
    circuit::{CallOutcome, CircuitError, rules::Report},
    deadline::PendingReport,
};

/// If a timer fires this much too late, 100 ms, the process was frozen or stopped, or its thread was
/// blocked.
const FROZEN: Duration = Duration::from_millis(100);

/// After a freeze, how long the call may still take to read an answer that has already arrived, 100 ms.
const THAW: Duration = Duration::from_millis(100);

impl CircuitBreaker {
    /// Runs `op` if the circuit admits it. Every error of `op` counts as a failure of the dependency.
    ///
    /// The breaker ends the call at the policy's `call_timeout` or at the deadline of the invocation,
    /// whichever comes first, because a dependency that hangs must open the circuit too. If the future of
    /// this call is dropped, no outcome is counted.
    ///
    /// # Errors
    ///
    /// [`CircuitError::Open`] if the circuit refused the call. [`CircuitError::TimedOut`] if the breaker
    /// ended the call. [`CircuitError::Failed`] with the error of `op` if it failed.
    ///
    /// # Examples
    ///
    /// ```
    /// use funcify_core::circuit::{CircuitBreaker, CircuitError};
    ///
    /// # async fn ask_the_bank() -> Result<f64, std::io::Error> { Ok(1.08) }
    /// async fn rate(bank: &CircuitBreaker) -> Result<f64, CircuitError<std::io::Error>> {
    ///     bank.call(async || ask_the_bank().await).await
    /// }
    /// # let _ = rate;
    /// ```
    pub async fn call<T, E>(
        &self,
        op: impl AsyncFnOnce() -> Result<T, E>,
    ) -> Result<T, CircuitError<E>> {
        self.call_classified(|result| CallOutcome::from(result), op).await
    }

    /// Runs `op` as [`call`](Self::call) does. `classify` says what a result means for the dependency.
    ///
    /// # Errors
    ///
    /// The errors of [`call`](Self::call).
    ///
    /// # Examples
    ///
    /// ```
    /// use funcify_core::circuit::{CallOutcome, CircuitBreaker, CircuitError};
    ///
    /// # async fn send() -> Result<u16, std::io::Error> { Ok(404) }
    /// # async fn order(circuit: CircuitBreaker) -> Result<u16, CircuitError<std::io::Error>> {
    /// let by_status = |status: &Result<u16, std::io::Error>| match status {
    ///     // A bad request says nothing about the health of the server.
    ///     Ok(400..500) => CallOutcome::Neutral,
    ///     Ok(500..) | Err(_) => CallOutcome::Failure,
    ///     Ok(_) => CallOutcome::Success,
    /// };
    /// circuit.call_classified(by_status, send).await
    /// # }
    /// ```
    pub async fn call_classified<T, E>(
        &self,
        classify: impl FnOnce(&Result<T, E>) -> CallOutcome,
        op: impl AsyncFnOnce() -> Result<T, E>,
    ) -> Result<T, CircuitError<E>> {
        // This repeats `acquire` without its future, so that the guard or the refusal need not be moved.
        // A refused call costs little more than this.
        let mut guard = match self.fast_decision() {
            Some((Decision::Admitted(terms), now)) => {
                check_time()?;
                Guard::new(self, terms, now)
            }
            Some((Decision::Refused { until, cause }, now)) => {
                check_time()?;
                return Err(CircuitError::Open(self.refusal(until, cause, now)));
            }
            None => {
                let admitted = Box::pin(self.acquire_slowly()).await;
                check_time()?;
                admitted?
            }
        };
        guard.run(classify, op()).await
    }
}

/// Returns an error if the deadline of the invocation has passed, so that no call begins after it.
fn check_time<E>() -> Result<(), CircuitError<E>> {
    match Deadline::current() {
        Some(deadline) if deadline.remaining().is_zero() => {
            Err(CircuitError::TimedOut { after: Duration::ZERO })
        }
        _ => Ok(()),
    }
}

/// An admitted call, from [`CircuitBreaker::acquire`].
///
/// Pass its outcome to [`record`](Self::record). If the guard is dropped, the call counts as
/// [`CallOutcome::Neutral`].
#[derive(Debug)]
#[must_use = "a dropped guard records nothing about the call"]
pub struct Guard<'a> {
    breaker: &'a CircuitBreaker,
    terms: AdmissionTerms,
    admitted_at: Timestamp,
}

impl<'a> Guard<'a> {
    /// Creates the guard of a call that was admitted on `terms`.
    pub(super) fn new(breaker: &'a CircuitBreaker, terms: AdmissionTerms, now: Timestamp) -> Self {
        Self { breaker, terms, admitted_at: now }
    }

    /// Records the outcome of the call.
    ///
    /// For most outcomes this returns at once. If the outcome is reported to the fleet, it returns when the
    /// store has the report, or after 500 ms.
    pub async fn record(self, outcome: CallOutcome) {
        if let Some(report) = self.reporting(outcome, false, true) {
            report.await;
        }
    }

    /// Returns the report of `outcome` as a future. `None` for nearly every good call, which needs no report.
    ///
    /// If another call of this instance is already writing reports, it writes this one too. Only with `joins`
    /// does the future wait for that. Otherwise every call would wait for a store that hangs.
    fn reporting(
        &self,
        outcome: CallOutcome,
        timed_out: bool,
        joins: bool,
    ) -> Option<Operation<'a>> {
        let breaker = self.breaker;
        let report = self.report_of(outcome, timed_out)?;
        Some(Box::pin(async move { breaker.report(report, joins).await }))
    }

    /// Runs `op` until it ends or its time is over, and records the outcome.
    async fn run<T, E>(
        &mut self,
        classify: impl FnOnce(&Result<T, E>) -> CallOutcome,
        op: impl Future<Output = Result<T, E>>,
    ) -> Result<T, CircuitError<E>> {
        let mut op = pin!(op);
        let mut timer = pin!(None::<Sleep>);
        let mut given = Duration::ZERO;
        let mut pending = None;
        let mut was_frozen = false;
        let ended = poll_fn(|cx| {
            if let Poll::Ready(result) = op.as_mut().poll(cx) {
                return Poll::Ready(Some(result));
            }
            // Only a call that has to wait needs a timer.
            if timer.is_none() {
                let (time, end) = self.time();
                given = time;
                timer.set(Some(end));
                // The outcome must be reported even if the deadline ends the work of the invocation.
                pending = Some(PendingReport::begin());
            }
            let Some(mut timer) = timer.as_mut().as_pin_mut() else { return Poll::Pending };
            ready!(timer.as_mut().poll(cx));
            if !was_frozen && timer.deadline().elapsed() > FROZEN {
                // The answer may have arrived, but the runtime has not read it yet.
                was_frozen = true;
                timer.as_mut().reset(Instant::now() + THAW);
                ready!(timer.poll(cx));
            }
            Poll::Ready(None)
        })
        .await;

        let outcome = match &ended {
            Some(result) => classify(result),
            // If the call was cut off early, or if the process was frozen, the dependency may work.
            None if was_frozen || given < self.breaker.least_time() => CallOutcome::Neutral,
            None => CallOutcome::Failure,
        };
        if let Some(report) = self.reporting(outcome, ended.is_none(), false) {
            report.await;
        }
        self.park_lease();
        drop(pending);
        match ended {
            Some(result) => result.map_err(CircuitError::Failed),
            None => Err(CircuitError::TimedOut { after: given }),
        }
    }

    /// Returns how much time this call gets, and a timer for its end.
    fn time(&self) -> (Duration, Sleep) {
        let call_timeout = self.breaker.policy().call_timeout;
        let left = |deadline: Deadline| (deadline.remaining(), sleep_until(deadline.ends()));
        let is_nearer = |(left, _): &(Duration, Sleep)| *left < call_timeout;
        Deadline::current()
            .map(left)
            .filter(is_nearer)
            .unwrap_or_else(|| (call_timeout, sleep(call_timeout)))
    }

    /// Parks the lease of a probe that had no outcome, or whose report did not reach the store. The next call
    /// of this instance uses it.
    #[inline]
    fn park_lease(&mut self) {
        let permit = self.terms.permit;
        let Some(probe) = self.terms.permit.probe.take() else { return };
        let snapshot = self.breaker.shared.snapshot.load();
        if permit.is_valid(&snapshot.record, self.breaker.now()) {
            *lock(&self.breaker.shared.parked_lease) = Some(probe);
            drop(snapshot);
            self.breaker.refresh_sooner(Duration::ZERO);
        }
    }

    fn count(&self, outcome: CallOutcome, slow: bool, timed_out: bool) {
        let breaker = self.breaker;
        breaker.shared.series.call(breaker.name(), outcome, slow, timed_out);
    }

    /// Returns the report of this call. `None` for nearly every good call, which needs no report.
    fn report_of(&self, outcome: CallOutcome, timed_out: bool) -> Option<Report> {
        let policy = self.breaker.policy();
        if outcome == CallOutcome::Neutral {
            self.count(outcome, false, timed_out);
            return None;
        }
        let AdmissionTerms { permit, sampling, private } = self.terms;
        let slow = policy
            .rule
            .slow_after()
            .is_some_and(|after| self.breaker.now().since(self.admitted_at) >= after);
        self.count(outcome, slow, timed_out);
        let is_bad = slow || outcome.is_failure();
        if is_bad {
            self.breaker.refresh_sooner(policy.snapshot_ttl_after_failure);
        }
        let weight = match permit.probe {
            Some(_) => 1,
            None => policy.rule.weight(sampling, is_bad)?,
        };
        if !is_drawn(&self.breaker.settings().chance, weight) {
            return None;
        }
        let snapshot = self.breaker.shared.snapshot.load();
        // No outcome counts while an override is in force.
        if snapshot.record.override_at(self.breaker.now()).is_some() {
            return None;
        }
        // Another call may have found the store down while this one was under way. This one need not wait
        // for the store too.
        let private = private || snapshot.outage.is_some();
        drop(snapshot);
        let instance = self.breaker.settings().instance;
        let report = Report { permit, outcome, slow, weight, instance };
        if private {
            self.breaker.count_privately(&report);
            return None;
        }
        Some(report)
    }
}

impl Drop for Guard<'_> {
    #[inline]
    fn drop(&mut self) {
        self.park_lease();
    }
}

/// An operation on the store.
type Operation<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// Draws true with a chance of one in `weight`.
fn is_drawn(chance: &Chance, weight: u32) -> bool {
    weight <= 1 || (u128::from(chance.bits()) * u128::from(weight)) >> 64 == 0
}
