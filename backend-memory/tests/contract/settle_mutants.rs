//! Ways to settle that are wrong, and the one question that tells them from ours: is what was
//! answered true of the store, also when everything late has arrived?

use std::time::Duration;

use funcify_core::{
    Deadline, StoreError, StoreErrorKind,
    conformance::Fault,
    register::{Body, OPERATION, Register, Swap, Version},
};
use tokio::time::timeout;

use crate::wire::{Bench, KEPT, body, id, kind, version};

/// A way to carry a swap to its end.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// Ours.
    RetryingRegister,
    /// The mutant: after an ambiguous attempt it looks, and believes what it sees.
    ByReading,
    /// The mutant: every attempt has an id of its own.
    WithNewIds,
    /// The mutant: it waits for the store as long as it takes, and begins however late it is.
    WithoutADeadline,
}

impl Way {
    async fn swap(
        self,
        bench: &Bench,
        expected: Option<Version>,
    ) -> Result<Swap<Body>, StoreError> {
        let swap = async |write| {
            bench.wire.swap(&bench.key, expected, id(write), &body(write), KEPT).await
        };
        match self {
            Self::RetryingRegister => bench.settled()?.swap(expected, id(1), &body(1), KEPT).await,
            Self::WithoutADeadline => swap(1).await,
            Self::ByReading => {
                let error = match swap(1).await {
                    Err(error) if error.kind() == StoreErrorKind::Ambiguous => error,
                    answer => return answer,
                };
                match Register::read(&bench.wire, &bench.key).await? {
                    Some(found) if found.version == version(1) => Ok(Swap::Applied(version(1))),
                    found if found.as_ref().map(|found| found.version) == expected => {
                        Err(StoreError::new("mutant", StoreErrorKind::Unavailable, error))
                    }
                    found => Ok(Swap::Conflict(found)),
                }
            }
            Self::WithNewIds => match swap(1).await {
                Err(error) if error.kind() == StoreErrorKind::Ambiguous => swap(10).await,
                answer => answer,
            },
        }
    }
}

/// What is answered must be true of the store, also when everything late has arrived.
async fn answers_truthfully(way: Way, fault: Fault) -> Result<(), String> {
    let bench = Bench::new();
    let old = bench.other(None, 9).await;
    bench.wire.script([fault]);
    let answer = way.swap(&bench, Some(old)).await;
    bench.flush().await;
    let applied = bench.stored().await.map(|found| found.version) != Some(old);
    match answer {
        Ok(Swap::Applied(version))
            if bench.stored().await.map(|found| found.version) == Some(version) =>
        {
            Ok(())
        }
        Ok(Swap::Applied(_)) => Err("done, and it is not there".to_owned()),
        Ok(Swap::Conflict(_)) => Err("a conflict with its own write".to_owned()),
        Err(error) if error.kind() == StoreErrorKind::Ambiguous => Ok(()),
        Err(_) if applied => Err("not applied, and it is there".to_owned()),
        Err(_) => Ok(()),
    }
}

#[tokio::test(start_paused = true)]
async fn settle_answers_truthfully_whatever_is_lost_or_late() {
    for fault in [
        Fault::Pass,
        Fault::LoseRequest,
        Fault::LoseReply,
        Fault::Refuse,
        Fault::Throttle,
        Fault::Late { later: 0 },
        Fault::Late { later: 1 },
        Fault::Late { later: 5 },
        Fault::Duplicate { later: 1 },
    ] {
        answers_truthfully(Way::RetryingRegister, fault).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_settle_that_believes_a_second_look_is_caught() {
    let late = Fault::Late { later: 1 };
    let caught = answers_truthfully(Way::ByReading, late).await.unwrap_err();
    assert_eq!(caught, "not applied, and it is there");
}

#[tokio::test(start_paused = true)]
async fn a_settle_that_draws_a_new_id_for_each_attempt_is_caught() {
    let caught = answers_truthfully(Way::WithNewIds, Fault::LoseReply).await.unwrap_err();
    assert_eq!(caught, "a conflict with its own write");
}

/// A store that hangs holds nobody up, and whoever has no time left does not begin.
async fn keeps_to_the_deadline(way: Way) -> Result<(), String> {
    let bench = Bench::new();
    bench.wire.script([Fault::Hang]);
    if timeout(OPERATION + Duration::from_millis(1), way.swap(&bench, None)).await.is_err() {
        return Err("it is still waiting".to_owned());
    }
    for left in [0, 1, 49] {
        let bench = Bench::new();
        let left = Deadline::within(Duration::from_millis(left));
        let answer = left.scope(way.swap(&bench, None)).await;
        if bench.wire.swaps() > 0 || kind(answer) != Some(StoreErrorKind::Timeout) {
            return Err(format!("it begins with {left:?}"));
        }
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn settle_keeps_to_the_deadline() {
    keeps_to_the_deadline(Way::RetryingRegister).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_settle_without_a_deadline_is_caught() {
    let caught = keeps_to_the_deadline(Way::WithoutADeadline).await.unwrap_err();
    assert_eq!(caught, "it is still waiting");
}
