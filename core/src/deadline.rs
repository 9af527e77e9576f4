//! The one deadline of an invocation, kept to by everything that funcify starts.

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

/// When the work of this invocation ends.
///
/// Lambda freezes or kills a function at its time-out; whatever is under way then has no result.
/// Work therefore ends a margin earlier ([`ends`](Self::ends)), and a pending report may go on a
/// little longer ([`report_ends`](Self::report_ends)). Nobody else subtracts anything.
///
/// The deadline travels as a task-local: [`scope`](Self::scope) sets it, [`current`](Self::current)
/// reads it, [`enforce`](Self::enforce) ends the work there. A spawned task starts without one; hand
/// it over with `scope`.
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
    /// What is left to Lambda at the end of work: 300 ms, enough to answer.
    pub const WORK_MARGIN: Duration = Duration::from_millis(300);
    /// What is left to Lambda when even a pending report is given up: 100 ms.
    pub const REPORT_MARGIN: Duration = Duration::from_millis(100);
    /// With less than this left, 50 ms, no store operation is started.
    pub const LEAST: Duration = Duration::from_millis(50);

    /// A deadline `total` from now, without margins: for work outside of Lambda.
    #[must_use]
    pub fn within(total: Duration) -> Self {
        let ends = after(Instant::now(), total);
        Self { ends, report_ends: ends, total }
    }

    /// The deadline of an invocation that Lambda ends `left` from now, with a margin for the answer.
    ///
    /// The total is what is left for work at this moment; zero is a deadline that has passed, not
    /// the absence of one.
    #[must_use]
    pub fn of_invocation(left: Duration, work_margin: Duration) -> Self {
        let total = left.saturating_sub(work_margin);
        let report = left.saturating_sub(Self::REPORT_MARGIN.min(work_margin));
        let now = Instant::now();
        Self { ends: after(now, total), report_ends: after(now, report), total }
    }

    /// The deadline of the invocation that this task works for.
    #[must_use]
    pub fn current() -> Option<Self> {
        CURRENT.try_with(|deadline| *deadline).ok()
    }

    /// Runs `work` under this deadline: [`current`](Self::current) finds it there.
    pub fn scope<F: Future>(self, work: F) -> impl Future<Output = F::Output> {
        CURRENT.scope(self, work)
    }

    /// Runs `work` under this deadline and ends it there; not even starts it once that has passed.
    ///
    /// While something in the work holds a [`PendingReport`], the work goes on until
    /// [`report_ends`](Self::report_ends): a breaker that ends a hanging call with the deadline still
    /// tells the fleet. One `enforce` in another does not see the reports of the other.
    ///
    /// # Errors
    ///
    /// [`DeadlineExceeded`] if the work was not done by then.
    pub fn enforce<F: Future>(
        self,
        work: F,
    ) -> impl Future<Output = Result<F::Output, DeadlineExceeded>> {
        // Outside of what is async, or the future would have room for the work twice.
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
    #[must_use]
    pub fn ends(&self) -> Instant {
        self.ends
    }

    /// When a pending report or the release of a lease is given up.
    #[must_use]
    pub fn report_ends(&self) -> Instant {
        self.report_ends
    }

    /// The whole budget for work at the start of the invocation.
    #[must_use]
    pub fn total(&self) -> Duration {
        self.total
    }

    /// What is left for work; zero once it has passed.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.ends.saturating_duration_since(Instant::now())
    }

    /// The most that one call is ever given in this invocation: of a function that lives for three
    /// seconds none takes ten. What is taken off is the time in which such a function gets to its
    /// call.
    #[must_use]
    pub fn longest_call(&self) -> Duration {
        self.total.saturating_sub(Self::WORK_MARGIN).max(self.total / 2)
    }

    /// The same deadline for the work that only reports: its end is [`report_ends`](Self::report_ends).
    #[must_use]
    pub fn for_report(self) -> Self {
        Self { ends: self.report_ends, ..self }
    }

    /// The same deadline for work that must not take longer than `limit` from now.
    #[must_use]
    pub fn no_later_than(self, limit: Duration) -> Self {
        Self { ends: self.ends.min(after(Instant::now(), limit)), ..self }
    }
}

/// Something is to be reported even after the end of work: while this is held, the work of
/// [`Deadline::enforce`] goes on until [`Deadline::report_ends`].
///
/// It belongs into the task of that work; elsewhere it does nothing.
#[derive(Debug)]
#[must_use = "dropped, it holds nothing up"]
pub struct PendingReport(());

impl PendingReport {
    /// Holds up the end of the work that this task is at.
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

/// Waits until `ends` by a timer that is made here, since only work that has to wait needs one; work
/// that uses up its task's turn does not keep it from its own.
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
    // Outside of any `enforce` there is no end to hold up.
    let _ = PENDING.try_with(|pending| pending.set(change(pending.get())));
}

/// About 30 years, as tokio takes "never".
const FAR: Duration = Duration::from_secs(86_400 * 365 * 30);

fn after(now: Instant, duration: Duration) -> Instant {
    now.checked_add(duration.min(FAR)).unwrap_or(now)
}

/// The invocation's deadline passed before the work was done.
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
    async fn no_call_is_given_the_whole_of_a_short_invocation_nor_less_than_half() {
        for (left, longest) in [(3_000, 2_400), (30_000, 29_400), (700, 200), (300, 0)] {
            let left = Duration::from_millis(left);
            let deadline = Deadline::of_invocation(left, Deadline::WORK_MARGIN);
            assert_eq!(deadline.longest_call(), Duration::from_millis(longest), "{left:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_left_is_a_deadline_that_has_passed() {
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
    async fn work_that_is_done_while_it_reports_is_done() {
        let work = async {
            let _report = PendingReport::begin();
            sleep(Duration::from_millis(2_800)).await;
            "told"
        };
        let deadline = Deadline::of_invocation(Duration::from_secs(3), Deadline::WORK_MARGIN);
        assert_eq!(deadline.enforce(work).await, Ok("told"));
        let mut started = false;
        let passed = Deadline::within(Duration::ZERO).enforce(async { started = true });
        assert_eq!(passed.await, Err(DeadlineExceeded));
        assert!(!started);
    }

    #[tokio::test]
    async fn a_spawned_task_has_the_deadline_only_if_it_was_handed_over() {
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
