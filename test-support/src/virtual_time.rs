use std::time::Duration;

use tokio::time::{Instant, pause, resume};

/// Runs `work` while tokio's time is paused, and returns how much virtual time it took.
///
/// It is for work that waits on a real socket for a peer that does not answer. Time moves to the next timer as soon as
/// everything in the test waits. A socket within this process is fast enough for that. An answer of another process
/// comes too late for every deadline.
pub async fn on_virtual_time<T>(work: impl Future<Output = T>) -> (T, Duration) {
    pause();
    let began = Instant::now();
    let done = work.await;
    let took = began.elapsed();
    resume();
    (done, took)
}
