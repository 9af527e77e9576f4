use std::time::Duration;

use tokio::time::{Instant, pause, resume};

/// Runs `work` while tokio's time is paused, and returns how much virtual time it took.
///
/// Use it for work that waits on a real socket for a peer that does not answer. As soon as everything in the
/// test waits, time moves to the next timer. A peer within this process is fast enough to answer before
/// that. The answer of another process would be too late for every deadline.
pub async fn on_virtual_time<T>(work: impl Future<Output = T>) -> (T, Duration) {
    pause();
    let began = Instant::now();
    let done = work.await;
    let took = began.elapsed();
    resume();
    (done, took)
}
