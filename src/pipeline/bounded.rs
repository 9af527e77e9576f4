//! Work that ends with the invocation's deadline and whose panics end with it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use funcify_core::Deadline;
use futures_util::FutureExt;
use http::StatusCode;

use crate::problem::Problem;

/// A handler panicked. The payload is not repeated: it may hold anything.
#[derive(Debug, thiserror::Error)]
#[error("a handler panicked")]
struct Panicked;

/// Runs `work` until the deadline, and what it still has to report a little longer.
pub(crate) fn within<T>(
    deadline: Deadline,
    work: impl Future<Output = Result<T, Problem>>,
) -> impl Future<Output = Result<T, Problem>> {
    // What a panic left half-done is dropped with the work, and never polled again.
    let caught = AssertUnwindSafe(work).catch_unwind();
    deadline.enforce(caught).map(|result| match result {
        Ok(Ok(result)) => result,
        Ok(Err(_payload)) => Err(panicked()),
        Err(exceeded) => Err(exceeded.into()),
    })
}

/// Runs what needs no waiting; its panic is a problem as well.
pub(crate) fn at_once<T>(work: impl FnOnce() -> T) -> Result<T, Problem> {
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
    async fn work_ends_at_the_deadline_and_nothing_starts_after_it() {
        let soon = Deadline::within(Duration::from_secs(1));
        let slow = async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            Ok(())
        };
        let problem = within(soon, slow).await.unwrap_err();
        assert_eq!(problem.status(), StatusCode::SERVICE_UNAVAILABLE);

        let mut started = false;
        let work = async {
            started = true;
            Ok(())
        };
        assert!(within(soon, work).await.is_err());
        assert!(!started);
    }

    #[tokio::test]
    async fn a_panic_is_a_500_without_its_payload() {
        async fn broken() -> Result<(), Problem> {
            panic!("hunter2");
        }
        let deadline = Deadline::within(Duration::from_secs(1));
        let problem = within(deadline, broken()).await.unwrap_err();
        assert_eq!(problem.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!problem.to_string().contains("hunter2"));
    }
}
