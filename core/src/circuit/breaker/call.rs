//! Running a protected call, and ending it when it hangs.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Sleep, sleep, sleep_until, timeout};

use super::{CallOutcome, CircuitBreaker, Guard, gate::Sign, outage::GRACE};
use crate::{Deadline, PendingReport, circuit::CircuitError};

impl CircuitBreaker {
    /// Runs `op` if the circuit admits it; its error counts as a failure of the dependency.
    ///
    /// The call is ended at the policy's call timeout or the invocation's deadline, whichever is
    /// first: a dependency that hangs must open the circuit too. A future of this call that is
    /// dropped counts as nothing.
    ///
    /// # Errors
    ///
    /// [`CircuitError::Open`] if the circuit refused, [`CircuitError::TimedOut`] if the call was
    /// ended, [`CircuitError::Failed`] with its own error otherwise.
    pub async fn call<T, E>(
        &self,
        op: impl AsyncFnOnce() -> Result<T, E>,
    ) -> Result<T, CircuitError<E>> {
        self.call_classified(by_result, op).await
    }

    /// The same, with `classify` to say what a result tells about the dependency.
    ///
    /// # Errors
    ///
    /// Those of [`call`](Self::call).
    pub async fn call_classified<T, E>(
        &self,
        classify: impl FnOnce(&Result<T, E>) -> CallOutcome,
        op: impl AsyncFnOnce() -> Result<T, E>,
    ) -> Result<T, CircuitError<E>> {
        // As `acquire`, without its future: a call that is refused costs little but this, and nothing
        // for moving the refusal to where it is returned.
        let admitted = match self.at_gate() {
            Some((Sign::Pass(terms), now)) => Ok(Guard::on(self, terms, now)),
            Some((Sign::Refused { until, cause }, now)) => {
                in_time()?;
                return Err(CircuitError::Open(self.open(until, cause, now)));
            }
            None => Box::pin(self.acquire_slowly()).await,
        };
        in_time()?;
        admitted?.run(classify, op()).await
    }
}

/// Nothing begins once the invocation's time is over.
fn in_time<E>() -> Result<(), CircuitError<E>> {
    match Deadline::current() {
        Some(deadline) if deadline.remaining().is_zero() => {
            Err(CircuitError::TimedOut { after: Duration::ZERO })
        }
        _ => Ok(()),
    }
}

/// An error is a failure.
pub(in crate::circuit) fn by_result<T, E>(result: &Result<T, E>) -> CallOutcome {
    if result.is_ok() { CallOutcome::Success } else { CallOutcome::Failure }
}

impl<'a> Guard<'a> {
    /// Runs `op` to its end or to the end of its time, and settles.
    pub(in crate::circuit) async fn run<T, E>(
        mut self,
        classify: impl FnOnce(&Result<T, E>) -> CallOutcome,
        op: impl Future<Output = Result<T, E>>,
    ) -> Result<T, CircuitError<E>> {
        let mut beside = self.beside();
        let mut op = pin!(op);
        let mut timer = pin!(None::<Sleep>);
        let mut given = Duration::ZERO;
        let mut pending = None;
        let ended = poll_fn(|cx| {
            if let Poll::Ready(result) = op.as_mut().poll(cx) {
                return Poll::Ready(Some(result));
            }
            poll_beside(&mut beside, cx);
            // Only a call that has to wait needs a timer.
            if timer.is_none() {
                let (time, end) = self.time();
                given = time;
                timer.set(Some(end));
                // Ended with the invocation's work, it is still to be reported.
                pending = Some(PendingReport::begin());
            }
            timer.as_mut().as_pin_mut().map_or(Poll::Pending, |timer| timer.poll(cx).map(|()| None))
        })
        .await;

        let outcome = match &ended {
            Some(result) => classify(result),
            // Cut off early it may only have been unlucky.
            None if given < self.breaker.least_time() => CallOutcome::Neutral,
            None => CallOutcome::Failure,
        };
        self.settle(outcome).await;
        drop(pending);
        if let Some(beside) = beside {
            let _ = timeout(GRACE, beside).await;
        }
        match ended {
            Some(result) => result.map_err(CircuitError::Failed),
            None => Err(CircuitError::TimedOut { after: given }),
        }
    }

    /// The time that this call gets, and its end.
    fn time(&self) -> (Duration, Sleep) {
        let call_timeout = self.breaker.policy().call_timeout;
        let left = |deadline: Deadline| (deadline.remaining(), sleep_until(deadline.ends()));
        let nearer = |(left, _): &(Duration, Sleep)| *left < call_timeout;
        Deadline::current()
            .map(left)
            .filter(nearer)
            .unwrap_or_else(|| (call_timeout, sleep(call_timeout)))
    }

    /// The try of the store that this call has to make.
    fn beside(&mut self) -> Option<Beside<'a>> {
        let breaker = self.breaker;
        std::mem::take(&mut self.tries_store).then(|| Box::pin(breaker.try_store()) as Beside<'a>)
    }
}

type Beside<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

fn poll_beside(beside: &mut Option<Beside<'_>>, cx: &mut Context<'_>) {
    if beside.as_mut().is_some_and(|beside| beside.as_mut().poll(cx).is_ready()) {
        *beside = None;
    }
}
