//! Step: do the work, as long as the claim stands.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
};

use funcify_core::{Deadline, engine::PendingReport};
use tokio::time::{Instant, sleep_until};

use super::finish::Held;

impl Held {
    /// Runs the work to its end. `None`: the claim or the invocation ended first.
    ///
    /// Both clocks are looked at before each poll. A process that was frozen, for however long, takes no
    /// further step of work that somebody else may be doing by now: its monotonic clock may have stood
    /// still, and its wall clock may have been set.
    pub(super) async fn work<F: Future>(&mut self, work: F) -> Option<F::Output> {
        // If the invocation's work is ended, the key is still to be freed.
        let _pending = PendingReport::begin();
        let ends = Deadline::current().map_or(self.ends, |deadline| deadline.ends().min(self.ends));
        let mut work = pin!(work);
        let mut timer = pin!(None);
        poll_fn(|cx| {
            if !self.stands() || Instant::now() >= ends {
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

    /// Whether the claim stands by both clocks of this process.
    pub(super) fn stands(&self) -> bool {
        Instant::now() < self.ends && self.clock.now() < self.ends_by_wall_clock
    }
}
