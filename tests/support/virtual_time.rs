//! Real sockets on virtual time: for a peer that does not answer, whose deadline would otherwise be waited for.

use std::time::Duration;

use tokio::time::{Instant, pause, resume};

/// Runs `work` while tokio's time is paused, and returns how much virtual time it took.
///
/// Time then moves only while everything in this test waits, and it moves to the next timer at once. A socket within
/// this process is as fast as that; an answer of another process comes too late for every deadline.
pub(crate) async fn on_virtual_time<T>(work: impl Future<Output = T>) -> (T, Duration) {
    pause();
    let began = Instant::now();
    let done = work.await;
    let took = began.elapsed();
    resume();
    (done, took)
}
