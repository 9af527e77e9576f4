//! The deadline of an invocation. Everything that funcify starts ends by this deadline.

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
    /// How many [`PendingReport`]s exist in the work that [`Deadline::enforce`] runs.
    static PENDING: Cell<u32>;
}

/// When the work of an invocation must end.
///
/// Lambda stops a function at its timeout, and work that is in progress then has no result. The pipeline
/// therefore sets a deadline 300 ms earlier, unless its builder sets another margin. The circuit breaker
/// may report an outcome until 100 ms before the timeout. The margins are part of the deadline, so your
/// code does not subtract anything.
///
/// The deadline is a task-local value: [`scope`](Self::scope) sets it and [`current`](Self::current)
/// reads it. A spawned task starts without a deadline; pass it on with `scope`.
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
    /// The time at the end of an invocation that is reserved for the response: 300 ms.
    #[doc(hidden)]
    pub const WORK_MARGIN: Duration = Duration::from_millis(300);
    /// The time at the end of an invocation in which not even a report is made: 100 ms.
    #[doc(hidden)]
    pub const REPORT_MARGIN: Duration = Duration::from_millis(100);
    /// The least time that a store operation needs, 50 ms. With less time left, none is started.
    #[doc(hidden)]
    pub const LEAST: Duration = Duration::from_millis(50);

    /// Creates a deadline `total` from now, without margins, for work outside Lambda.
    ///
    /// More than 30 years count as 30 years. Zero is a deadline that has passed.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use funcify_core::Deadline;
    ///
    /// let deadline = Deadline::within(Duration::from_secs(3));
    /// assert!(deadline.remaining() <= Duration::from_secs(3));
    /// assert!(Deadline::within(Duration::ZERO).remaining().is_zero());
    /// ```
    #[must_use]
    pub fn within(total: Duration) -> Self {
        let ends = after(Instant::now(), total);
        Self { ends, report_ends: ends, total }
    }

    /// Creates the deadline of an invocation that Lambda ends `left` from now: work ends `work_margin`
    /// earlier.
    ///
    /// A `left` of at most `work_margin` is a deadline that has passed.
    #[doc(hidden)]
    #[must_use]
    pub fn of_invocation(left: Duration, work_margin: Duration) -> Self {
        Self::of_invocation_at(Instant::now(), left, work_margin)
    }

    /// The same as [`of_invocation`](Self::of_invocation), for a caller that has read the clock.
    #[doc(hidden)]
    #[must_use]
    pub fn of_invocation_at(now: Instant, left: Duration, work_margin: Duration) -> Self {
        let total = left.saturating_sub(work_margin);
        let report = left.saturating_sub(Self::REPORT_MARGIN.min(work_margin));
        Self { ends: after(now, total), report_ends: after(now, report), total }
    }

    /// Returns the deadline of the invocation that this task works for. `None` outside of
    /// [`scope`](Self::scope).
    #[must_use]
    pub fn current() -> Option<Self> {
        CURRENT.try_with(|deadline| *deadline).ok()
    }

    /// Runs `work` with this deadline: inside `work`, [`current`](Self::current) returns it.
    ///
    /// This does not stop `work` at the deadline.
    pub fn scope<F: Future>(self, work: F) -> impl Future<Output = F::Output> {
        CURRENT.scope(self, work)
    }

    /// Runs `work` with this deadline, and stops it when the deadline passes. After the deadline, the work
    /// is not started.
    ///
    /// While something in the work holds a `PendingReport`, the work may go on until
    /// [`report_ends`](Self::report_ends), so that a breaker whose call was cut off can still report it.
    /// If one `enforce` runs inside another, each of them sees only its own reports.
    ///
    /// # Errors
    ///
    /// [`DeadlineExceeded`] if the work has not finished by then.
    #[doc(hidden)]
    pub fn enforce<F: Future>(
        self,
        work: F,
    ) -> impl Future<Output = Result<F::Output, DeadlineExceeded>> {
        // This is outside of the async block, because a future inside would hold the work twice.
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

    /// When the work must end.
    #[doc(hidden)]
    #[must_use]
    pub fn ends(&self) -> Instant {
        self.ends
    }

    /// When a pending report, or the release of a lease, is given up.
    #[doc(hidden)]
    #[must_use]
    pub fn report_ends(&self) -> Instant {
        self.report_ends
    }

    /// How much time the work had when the deadline was created.
    #[doc(hidden)]
    #[must_use]
    pub fn total(&self) -> Duration {
        self.total
    }

    /// How much time is left for the work. Zero once the deadline has passed.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.ends.saturating_duration_since(Instant::now())
    }

    /// The longest time that one call can take in this invocation. A function with a timeout of three
    /// seconds cannot make a call of ten. [`WORK_MARGIN`](Self::WORK_MARGIN) is subtracted for the time
    /// that such a function needs before its first call.
    #[doc(hidden)]
    #[must_use]
    pub fn longest_call(&self) -> Duration {
        self.total.saturating_sub(Self::WORK_MARGIN).max(self.total / 2)
    }

    /// Returns this deadline for work that only reports: it ends at [`report_ends`](Self::report_ends).
    #[doc(hidden)]
    #[must_use]
    pub fn for_report(self) -> Self {
        Self { ends: self.report_ends, ..self }
    }

    /// Returns this deadline, or `limit` from now if that is earlier.
    #[doc(hidden)]
    #[must_use]
    pub fn no_later_than(self, limit: Duration) -> Self {
        Self { ends: self.ends.min(after(Instant::now(), limit)), ..self }
    }
}

/// A report that may be made after the deadline of the work.
///
/// While such a value exists, a pipeline lets the work of an invocation go on until 100 ms before the
/// end of the invocation. It has an effect only in the task that runs the work.
#[derive(Debug)]
#[must_use = "it has an effect only until it is dropped"]
pub struct PendingReport(());

impl PendingReport {
    /// Delays the end of the work that this task runs, until the value is dropped.
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

/// Waits until `ends`. The timer is created here, because only work that waits needs one. The timer
/// ignores tokio's cooperative budget, so work that uses up the budget of the task cannot starve it.
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
    // Outside of `enforce` there is no end to delay.
    let _ = PENDING.try_with(|pending| pending.set(change(pending.get())));
}

/// About 30 years: the time that tokio itself uses for "never".
const FAR: Duration = Duration::from_secs(86_400 * 365 * 30);

fn after(now: Instant, duration: Duration) -> Instant {
    now.checked_add(duration.min(FAR)).unwrap_or(now)
}

/// The error of work that had not finished when the deadline of the invocation passed.
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
