//! Bounds the work of handlers: work ends at the deadline, and a panic ends the work but not the process.

use std::panic::{AssertUnwindSafe, catch_unwind};

use funcify_core::Deadline;
use futures_util::FutureExt;
use http::StatusCode;

use crate::problem::Problem;

/// A handler panicked. The payload of the panic is dropped, because it may contain secrets.
#[derive(Debug, thiserror::Error)]
#[error("a handler panicked")]
struct Panicked;

/// Runs `work` until the deadline. Reports of circuit breakers in it may take a little longer.
pub(crate) fn bounded<T>(
    deadline: Deadline,
    work: impl Future<Output = Result<T, Problem>>,
) -> impl Future<Output = Result<T, Problem>> {
    // Work that panicked is dropped and never polled again, so nothing sees a state that it left half-done.
    let caught = AssertUnwindSafe(work).catch_unwind();
    deadline.enforce(caught).map(|result| match result {
        Ok(Ok(result)) => result,
        Ok(Err(_payload)) => Err(panicked()),
        Err(exceeded) => Err(exceeded.into()),
    })
}

/// Runs `work`, which is not async. A panic becomes a problem.
pub(crate) fn catch_panic<T>(work: impl FnOnce() -> T) -> Result<T, Problem> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_payload| panicked())
}

fn panicked() -> Problem {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR).caused_by(&Panicked)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn work_ends_at_the_deadline_and_none_starts_after_it() {
        let soon = Deadline::within(Duration::from_secs(1));
        let slow = async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            Ok(())
        };
        let problem = bounded(soon, slow).await.unwrap_err();
        assert_eq!(problem.status(), StatusCode::SERVICE_UNAVAILABLE);

        let mut started = false;
        let work = async {
            started = true;
            Ok(())
        };
        assert!(bounded(soon, work).await.is_err());
        assert!(!started);
    }

    #[tokio::test]
    async fn a_panic_is_a_500_without_its_payload() {
        async fn broken() -> Result<(), Problem> {
            panic!("hunter2");
        }
        let deadline = Deadline::within(Duration::from_secs(1));
        let problem = bounded(deadline, broken()).await.unwrap_err();
        assert_eq!(problem.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!problem.to_string().contains("hunter2"));
    }
}
