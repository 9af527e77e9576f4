//! L8: a future that is dropped at any await leaves the old record or the new one.

use std::{
    future::{Future, poll_fn},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use super::{
    Fault, Faulty,
    check::checks,
    client::{Write, body},
    trial::{Trial, circuit_key, token_key},
    verdict::{Verdict, ensure},
};
use crate::{
    circuit::{CircuitRecord, CircuitStateProvider},
    register::{Body, RecordKey, RetryingRegister, Version, WriteId},
    token::{TokenPersistenceProvider, TokenRecord},
};

checks! { L8:
    a_dropped_write_leaves_the_old_record_or_the_new,
    a_dropped_first_write_leaves_nothing_or_the_new_record,
    a_dropped_read_changes_nothing,
    a_dropped_write_blocks_nobody,
    a_dropped_write_can_be_sent_again,
    a_dropped_write_of_a_token_leaves_nothing_or_the_new_record,
    a_dropped_write_of_a_circuit_leaves_nothing_or_the_new_record,
}

/// The most polls after which a future is dropped. No store needs that many for one operation.
const POLLS: usize = 24;

async fn a_dropped_write_leaves_the_old_record_or_the_new(trial: &Trial<'_>) -> Verdict {
    let key = trial.token()?;
    for polls in 0..POLLS {
        let old = trial.client.replace(&key, &body("old")).await?;
        let write = Write::new(&key, Some(old), &body("new"));
        let ended = dropped_after(polls, write.once(&*trial.other.register)).await.is_some();
        old_or_new(trial, &key, Some((old, body("old"))), &write).await?;
        if ended {
            break;
        }
    }
    Ok(())
}

async fn a_dropped_first_write_leaves_nothing_or_the_new_record(trial: &Trial<'_>) -> Verdict {
    for polls in 0..POLLS {
        let key = trial.circuit()?;
        let write = Write::new(&key, None, &body("new"));
        let ended = dropped_after(polls, write.once(&*trial.other.register)).await.is_some();
        old_or_new(trial, &key, None, &write).await?;
        if ended {
            break;
        }
    }
    Ok(())
}

async fn a_dropped_read_changes_nothing(trial: &Trial<'_>) -> Verdict {
    let key = trial.token()?;
    let version = trial.client.write(&key, None, &body("kept")).await?;
    for polls in 0..POLLS {
        let ended = dropped_after(polls, trial.other.register.read(&key)).await.is_some();
        trial.client.shows(&key, version, &body("kept")).await?;
        if ended {
            break;
        }
    }
    trial.other.write(&key, Some(version), &body("next")).await.map(drop)
}

async fn a_dropped_write_blocks_nobody(trial: &Trial<'_>) -> Verdict {
    let (key, elsewhere) = (trial.token()?, trial.circuit()?);
    for polls in 0..POLLS {
        let write = Write::new(&key, None, &body("dropped"));
        let ended = dropped_after(polls, write.once(&*trial.client.register)).await.is_some();
        trial.client.replace(&key, &body("next")).await?;
        trial.client.replace(&elsewhere, &body("next")).await?;
        if ended {
            break;
        }
    }
    Ok(())
}

async fn a_dropped_write_can_be_sent_again(trial: &Trial<'_>) -> Verdict {
    let key = trial.token()?;
    for polls in 0..POLLS {
        let old = trial.client.replace(&key, &body("old")).await?;
        let write = Write::new(&key, Some(old), &body("new"));
        let ended = dropped_after(polls, write.once(&*trial.client.register)).await.is_some();
        let version = trial.client.sent(&write).await?;
        trial.client.shows(&key, version, &body("new")).await?;
        if ended {
            break;
        }
    }
    Ok(())
}

async fn a_dropped_write_of_a_token_leaves_nothing_or_the_new_record(trial: &Trial<'_>) -> Verdict {
    for polls in 0..POLLS {
        let store = slow_and_lossy(trial);
        let (key, id) = (trial.name()?, WriteId::random());
        let record = TokenRecord::default();
        let ended = dropped_after(polls, store.write(&key, None, id, &record)).await.is_some();
        nothing_or_new(trial, &token_key(&key), id).await?;
        if ended {
            break;
        }
    }
    Ok(())
}

async fn a_dropped_write_of_a_circuit_leaves_nothing_or_the_new_record(
    trial: &Trial<'_>,
) -> Verdict {
    for polls in 0..POLLS {
        let store = slow_and_lossy(trial);
        let (name, id) = (trial.name()?, WriteId::random());
        let record = CircuitRecord::default();
        let write = store.update_state(&name, None, id, &record);
        let ended = dropped_after(polls, write).await.is_some();
        nothing_or_new(trial, &circuit_key(&name), id).await?;
        if ended {
            break;
        }
    }
    Ok(())
}

/// Returns the subject's register, with faults that make every await of the retries wait.
fn slow_and_lossy(trial: &Trial<'_>) -> RetryingRegister {
    let faulty = Faulty::new(Arc::clone(&trial.other.register));
    let slow = Fault::Delay(Duration::from_millis(1));
    faulty.script([slow, Fault::Refuse, slow, Fault::LoseReply, slow]);
    RetryingRegister::new(faulty)
}

async fn nothing_or_new(trial: &Trial<'_>, key: &RecordKey, id: WriteId) -> Verdict {
    if let Some(found) = trial.client.read(key).await? {
        ensure!(WriteId::from(found.version) == id, "{:?} is there, {id} was sent", found.version);
        ensure!(found.corruption.is_none(), "the record is corrupt: {:?}", found.corruption);
    }
    trial.client.replace(key, &body("next")).await.map(drop)
}

/// Checks that the record is the old one or the new one, and that it can be replaced. The dropped request
/// may still arrive between the two checks.
async fn old_or_new(
    trial: &Trial<'_>,
    key: &RecordKey,
    old: Option<(Version, Body)>,
    new: &Write,
) -> Verdict {
    let found = trial.client.read(key).await?;
    let is_new = found.as_ref().is_some_and(|found| {
        WriteId::from(found.version) == new.id
            && found.value == new.body
            && found.corruption.is_none()
    });
    let is_old = found.as_ref().map(|found| (found.version, &found.value))
        == old.as_ref().map(|(version, body)| (*version, body));
    ensure!(
        is_new || is_old || trial.client.is_stale(key),
        "neither the old record nor the new: {:?}",
        found.map(|found| found.version)
    );
    trial.client.replace(key, &body("next")).await.map(drop)
}

/// Polls `future` at most `polls` times and then drops it. `None` if it had not ended.
async fn dropped_after<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = Box::pin(future);
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(context) {
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}
