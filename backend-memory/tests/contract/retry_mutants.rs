//! Wrong ways to retry, and the question that tells them from ours: is the answer true of the store,
//! also when every late request has arrived?

use std::time::Duration;

use funcify_core::{
    Deadline, StoreError, StoreErrorKind,
    conformance::Fault,
    engine::OPERATION,
    register::{Register, Swap, Version},
};
use tokio::time::timeout;

use crate::wire::{KEPT, Setup, body, id, kind, version};

/// A way to retry a swap.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// Ours.
    RetryingRegister,
    /// The mutant: after an ambiguous attempt it reads, and trusts what it reads.
    ByReading,
    /// The mutant: every attempt has a new id.
    WithNewIds,
    /// The mutant: it waits for the store without a limit, and starts however late it is.
    WithoutADeadline,
}

impl Way {
    async fn swap(
        self,
        setup: &Setup,
        expected: Option<Version>,
    ) -> Result<Option<Version>, StoreError> {
        let swap = async |write| {
            let swap = setup.wire.swap(&setup.key, expected, id(write), &body(write), KEPT).await?;
            Ok(applied(&swap))
        };
        match self {
            Self::RetryingRegister => Ok(applied(&setup.swap(expected, 1).await?)),
            Self::WithoutADeadline => swap(1).await,
            Self::ByReading => {
                let error = match swap(1).await {
                    Err(error) if error.kind() == StoreErrorKind::Ambiguous => error,
                    answer => return answer,
                };
                let found = setup.wire.read(&setup.key).await?.map(|found| found.version);
                match found {
                    Some(found) if found == version(1) => Ok(Some(found)),
                    found if found == expected => {
                        Err(StoreError::new("mutant", StoreErrorKind::Unavailable, error))
                    }
                    _ => Ok(None),
                }
            }
            Self::WithNewIds => match swap(1).await {
                Err(error) if error.kind() == StoreErrorKind::Ambiguous => swap(10).await,
                answer => answer,
            },
        }
    }
}

/// The version of an applied swap; `None` for a conflict.
fn applied<T>(swap: &Swap<T>) -> Option<Version> {
    match swap {
        Swap::Applied(version) => Some(*version),
        Swap::Conflict(_) => None,
    }
}

/// The answer must be true of the store, also when every late request has arrived.
async fn answers_truthfully(way: Way, fault: Fault) -> Result<(), String> {
    let setup = Setup::new().await;
    let old = setup.other(None, 9).await;
    setup.wire.script([fault]);
    let answer = way.swap(&setup, Some(old)).await;
    setup.flush().await;
    let stored = setup.stored().await.map(|found| found.version);
    match answer {
        Ok(Some(version)) if stored == Some(version) => Ok(()),
        Ok(Some(_)) => Err("applied, and it is not there".to_owned()),
        Ok(None) => Err("a conflict with its own write".to_owned()),
        Err(error) if error.kind() == StoreErrorKind::Ambiguous => Ok(()),
        Err(_) if stored != Some(old) => Err("not applied, and it is there".to_owned()),
        Err(_) => Ok(()),
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_true_whatever_is_lost_or_late() {
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
async fn a_retry_that_trusts_a_second_read_is_caught() {
    let late = Fault::Late { later: 1 };
    let caught = answers_truthfully(Way::ByReading, late).await.unwrap_err();
    assert_eq!(caught, "not applied, and it is there");
}

#[tokio::test(start_paused = true)]
async fn a_retry_with_a_new_id_for_each_attempt_is_caught() {
    let caught = answers_truthfully(Way::WithNewIds, Fault::LoseReply).await.unwrap_err();
    assert_eq!(caught, "a conflict with its own write");
}

/// A store that hangs delays no caller past the deadline, and an operation without time is not
/// started.
async fn keeps_to_the_deadline(way: Way) -> Result<(), String> {
    let setup = Setup::new().await;
    setup.wire.script([Fault::Hang]);
    if timeout(OPERATION + Duration::from_millis(1), way.swap(&setup, None)).await.is_err() {
        return Err("it is still waiting".to_owned());
    }
    for left in [0, 1, 49] {
        let setup = Setup::new().await;
        let left = Deadline::within(Duration::from_millis(left));
        let answer = left.scope(way.swap(&setup, None)).await;
        if setup.swaps() > 0 || kind(answer) != Some(StoreErrorKind::Timeout) {
            return Err(format!("it starts with {left:?} left"));
        }
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_retried_operation_keeps_to_the_deadline() {
    keeps_to_the_deadline(Way::RetryingRegister).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_retry_without_a_deadline_is_caught() {
    let caught = keeps_to_the_deadline(Way::WithoutADeadline).await.unwrap_err();
    assert_eq!(caught, "it is still waiting");
}
