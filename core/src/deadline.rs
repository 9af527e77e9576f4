//! The deadline of an invocation. Everything that funcify starts ends by it.

use std::{
    cell::Cell,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    task::coop::{Unconstrained, unconstrained},
    time::{Instant, Sleep, sleep_until},
};

tokio::task_local! {
    static CURRENT: Deadline;
    /// How many reports are pending in the work that [`Deadline::enforce`] runs.
    static PENDING: Cell<u32>;
}

/// When the work of an invocation ends.
///
/// Lambda freezes or kills a function at its timeout, and work that is in progress then has no
/// result. Work therefore ends a margin earlier. A report of the circuit breaker may take a little longer. The
/// margins are part of the deadline: code that keeps to it subtracts nothing.
///
/// The deadline is a task-local: [`scope`](Self::scope) sets it and [`current`](Self::current) reads it.
/// A spawned task starts without one; pass it on with `scope`.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use funcify_core::Deadline;
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let deadline = Deadline::within(Duration::from_secs(3));
/// deadline
///     .scope(async {
///         let left = Deadline::current().map(|deadline| deadline.remaining());
///         assert!(left <= Some(Duration::from_secs(3)));
///     })
///     .await;
/// assert!(Deadline::current().is_none());
/// # });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    ends: Instant,
    report_ends: Instant,
    total: Duration,
}

impl Deadline {
    /// The time that is reserved for the response at the end of an invocation: 300 ms.
    #[doc(hidden)]
    pub const WORK_MARGIN: Duration = Duration::from_millis(300);
    /// The time that is left when even a pending report is given up: 100 ms.
    #[doc(hidden)]
    pub const REPORT_MARGIN: Duration = Duration::from_millis(100);
    /// A store operation is not started with less time left than this: 50 ms.
    #[doc(hidden)]
    pub const LEAST: Duration = Duration::from_millis(50);

    /// A deadline `total` from now, without margins: for work outside Lambda.
    #[must_use]
    pub fn within(total: Duration) -> Self {
        let ends = after(Instant::now(), total);
        Self { ends, report_ends: ends, total }
    }

    /// The deadline of an invocation that Lambda ends `left` from now, with a margin for the response.
    ///
    /// The total is the time left for work now. Zero is a deadline that has passed.
    #[doc(hidden)]
    #[must_use]
    pub fn of_invocation(left: Duration, work_margin: Duration) -> Self {
        let total = left.saturating_sub(work_margin);
        let report = left.saturating_sub(Self::REPORT_MARGIN.min(work_margin));
        let now = Instant::now();
        Self { ends: after(now, total), report_ends: after(now, report), total }
    }

    /// The deadline of the invocation that this task works for. `None` outside [`scope`](Self::scope).
    #[must_use]
    pub fn current() -> Option<Self> {
        CURRENT.try_with(|deadline| *deadline).ok()
    }

    /// Runs `work` under this deadline: [`current`](Self::current) finds it there.
    pub fn scope<F: Future>(self, work: F) -> impl Future<Output = F::Output> {
        CURRENT.scope(self, work)
    }

    /// Runs `work` under this deadline and stops it when the deadline passes. Work is not started
    /// after the deadline.
    ///
    /// While something in the work holds a `PendingReport`, the work may go on until shortly before
    /// the end of the invocation, so that a breaker whose call was cut off can still report it. Where
    /// one `enforce` runs inside another, each sees only its own reports.
    ///
    /// # Errors
    ///
    /// [`DeadlineExceeded`] if the work had not finished by then.
    #[doc(hidden)]
    pub fn enforce<F: Future>(
        self,
        work: F,
    ) -> impl Future<Output = Result<F::Output, DeadlineExceeded>> {
        // Outside the async block, or the future would reserve room for the work twice.
        let work = self.scope(work);
        let limited = async move {
            if self.remaining().is_zero() {
                return Err(DeadlineExceeded);
            }
            let mut work = pin!(work);
            let mut timer = pin!(None);
            let mut is_late = false;
            poll_fn(|cx| {
                if let Poll::Ready(done) = work.as_mut().poll(cx) {
                    return Poll::Ready(Ok(done));
                }
                if !is_late {
                    ready!(poll_until(self.ends, timer.as_mut(), cx));
                    is_late = true;
                    timer.set(None);
                }
                if is_reporting() {
                    ready!(poll_until(self.report_ends, timer.as_mut(), cx));
                }
                Poll::Ready(Err(DeadlineExceeded))
            })
            .await
        };
        PENDING.scope(Cell::new(0), limited)
    }

    /// When work ends.
    #[doc(hidden)]
    #[must_use]
    pub fn ends(&self) -> Instant {
        self.ends
    }

    /// When a pending report or the release of a lease is given up.
    #[doc(hidden)]
    #[must_use]
    pub fn report_ends(&self) -> Instant {
        self.report_ends
    }

    /// The time for work at the start of the invocation.
    #[doc(hidden)]
    #[must_use]
    pub fn total(&self) -> Duration {
        self.total
    }

    /// The time left for work. Zero once the deadline has passed.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.ends.saturating_duration_since(Instant::now())
    }

    /// The longest time that one call gets in this invocation: a function with a timeout of three
    /// seconds makes no call of ten. The margin is the time that such a function needs before its
    /// first call.
    #[doc(hidden)]
    #[must_use]
    pub fn longest_call(&self) -> Duration {
        self.total.saturating_sub(Self::WORK_MARGIN).max(self.total / 2)
    }

    /// The same deadline for work that only reports: it ends at [`report_ends`](Self::report_ends).
    #[doc(hidden)]
    #[must_use]
    pub fn for_report(self) -> Self {
        Self { ends: self.report_ends, ..self }
    }

    /// The same deadline for work that must not take longer than `limit` from now.
    #[doc(hidden)]
    #[must_use]
    pub fn no_later_than(self, limit: Duration) -> Self {
        Self { ends: self.ends.min(after(Instant::now(), limit)), ..self }
    }
}

/// A report that may be made after the deadline of the work.
///
/// While one exists, a pipeline lets the work of an invocation go on until 100 ms before its end. It
/// has an effect only in the task that runs that work.
#[derive(Debug)]
#[must_use = "it has an effect only until it is dropped"]
pub struct PendingReport(());

impl PendingReport {
    /// Delays the end of the work that this task runs.
    pub fn begin() -> Self {
        change_pending(|pending| pending.saturating_add(1));
        Self(())
    }
}

impl Drop for PendingReport {
    fn drop(&mut self) {
        change_pending(|pending| pending.saturating_sub(1));
    }
}

/// Waits until `ends`. The timer is created here, because only work that waits needs one. It is
/// unconstrained, so that work which uses up the task's budget cannot starve it.
fn poll_until(
    ends: Instant,
    mut timer: Pin<&mut Option<Unconstrained<Sleep>>>,
    cx: &mut Context<'_>,
) -> Poll<()> {
    if timer.is_none() {
        timer.set(Some(unconstrained(sleep_until(ends))));
    }
    timer.as_pin_mut().map_or(Poll::Pending, |timer| timer.poll(cx))
}

fn is_reporting() -> bool {
    PENDING.try_with(Cell::get).is_ok_and(|pending| pending > 0)
}

fn change_pending(change: impl FnOnce(u32) -> u32) {
    // Outside of any `enforce` there is no end to delay.
    let _ = PENDING.try_with(|pending| pending.set(change(pending.get())));
}

/// About 30 years, as tokio takes "never".
const FAR: Duration = Duration::from_secs(86_400 * 365 * 30);

fn after(now: Instant, duration: Duration) -> Instant {
    now.checked_add(duration.min(FAR)).unwrap_or(now)
}

/// The deadline of the invocation passed before the work had finished.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the deadline of the invocation passed")]
pub struct DeadlineExceeded;

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn work_ends_before_the_report_and_the_report_before_lambda() {
        let left = Duration::from_secs(3);
        let start = Instant::now();
        let deadline = Deadline::of_invocation(left, Deadline::WORK_MARGIN);
        assert_eq!(deadline.ends() - start, Duration::from_millis(2_700));
        assert_eq!(deadline.report_ends() - start, Duration::from_millis(2_900));
        assert_eq!(deadline.total(), Duration::from_millis(2_700));
        assert_eq!(deadline.for_report().remaining(), Duration::from_millis(2_900));
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_gets_at_least_half_of_a_short_invocation_and_never_all_of_it() {
        for (left, longest) in [(3_000, 2_400), (30_000, 29_400), (700, 200), (300, 0)] {
            let left = Duration::from_millis(left);
            let deadline = Deadline::of_invocation(left, Deadline::WORK_MARGIN);
            assert_eq!(deadline.longest_call(), Duration::from_millis(longest), "{left:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_invocation_without_time_left_has_a_deadline_that_has_passed() {
        let deadline = Deadline::of_invocation(Duration::ZERO, Deadline::WORK_MARGIN);
        assert_eq!(deadline.remaining(), Duration::ZERO);
        assert_eq!(deadline.total(), Duration::ZERO);
    }

    #[tokio::test]
    async fn an_endless_deadline_does_not_overflow() {
        assert!(Deadline::within(Duration::MAX).remaining() > Duration::from_secs(86_400));
    }

    #[tokio::test(start_paused = true)]
    async fn work_ends_with_the_deadline_and_a_pending_report_a_little_later() {
        for (reports_until, ends) in [(1_000, 2_700), (2_800, 2_800), (3_000, 2_900)] {
            let begun = Instant::now();
            let work = async {
                let report = PendingReport::begin();
                sleep(Duration::from_millis(reports_until)).await;
                drop(report);
                pending::<()>().await;
            };
            let deadline = Deadline::of_invocation(Duration::from_secs(3), Deadline::WORK_MARGIN);
            assert_eq!(deadline.enforce(work).await, Err(DeadlineExceeded));
            assert_eq!(begun.elapsed(), Duration::from_millis(ends));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_finishes_while_it_reports_succeeds() {
        let work = async {
            let _report = PendingReport::begin();
            sleep(Duration::from_millis(2_800)).await;
            "reported"
        };
        let deadline = Deadline::of_invocation(Duration::from_secs(3), Deadline::WORK_MARGIN);
        assert_eq!(deadline.enforce(work).await, Ok("reported"));
        let mut started = false;
        let passed = Deadline::within(Duration::ZERO).enforce(async { started = true });
        assert_eq!(passed.await, Err(DeadlineExceeded));
        assert!(!started);
    }

    #[tokio::test]
    async fn a_spawned_task_has_the_deadline_only_if_it_was_passed_on() {
        let deadline = Deadline::within(Duration::from_secs(1));
        let (bare, handed) = deadline
            .scope(async move {
                let bare = tokio::spawn(async { Deadline::current() });
                let handed = tokio::spawn(deadline.scope(async { Deadline::current() }));
                (bare.await.unwrap(), handed.await.unwrap())
            })
            .await;
        assert_eq!((bare, handed), (None, Some(deadline)));
    }
}
