//! Step: do the work while the claim lasts.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
};

use funcify_core::{Deadline, engine::PendingReport};
use tokio::time::{Instant, sleep_until};

use super::finish::Held;

impl Held {
    /// Runs the work to its end. Returns `None` if the claim or the invocation ends first.
    ///
    /// This reads both clocks before each poll, so that a process that was frozen takes no further step of
    /// work that another process may be doing by now. One clock is not enough: the monotonic clock may have
    /// stood still, and the wall clock may have been set.
    pub(super) async fn work<F: Future>(&mut self, work: F) -> Option<F::Output> {
        // Until this is dropped, the pipeline does not end the invocation's work at its deadline, so that
        // there is time to free the key.
        let _pending = PendingReport::begin();
        let ends = Deadline::current().map_or(self.ends, |deadline| deadline.ends().min(self.ends));
        let mut work = pin!(work);
        let mut timer = pin!(None);
        poll_fn(|cx| {
            if Instant::now() >= ends || self.clock.now() >= self.ends_by_wall_clock {
                return Poll::Ready(None);
            }
            if let Poll::Ready(output) = work.as_mut().poll(cx) {
                return Poll::Ready(Some(output));
            }
            if timer.is_none() {
                timer.set(Some(sleep_until(ends)));
            }
            match timer.as_mut().as_pin_mut() {
                Some(timer) => timer.poll(cx).map(|()| None),
                None => Poll::Pending,
            }
        })
        .await
    }

    /// Whether the claim has not ended by either clock of this process.
    pub(super) fn stands(&self) -> bool {
        Instant::now() < self.ends && self.clock.now() < self.ends_by_wall_clock
    }
}
