//! L3: after an ambiguous error, the write took effect at most once. After every other error it did not.

use std::sync::Arc;

use super::{
    Fault, Faulty,
    check::checks,
    client::{Write, body},
    trial::{Trial, token_key},
    verdict::{Shortfall, Verdict, ensure},
};
use crate::{
    StoreErrorKind,
    circuit::{CircuitRecord, CircuitState, CircuitStateProvider},
    register::{
        Body, RetryingRegister, Swap, Versioned, WriteId,
        body::{MAX_RECORD_BYTES, text_of},
    },
    token::{TokenPersistenceProvider, TokenRecord},
};

checks! { L3:
    a_lost_reply_is_answered_truthfully,
    a_lost_request_is_answered_truthfully,
    a_refused_write_changes_nothing,
    a_throttled_write_changes_nothing,
    a_denied_write_changes_nothing,
    after_a_fault_the_store_works_again,
    a_token_is_written_once_although_the_reply_was_lost,
    a_token_is_written_once_although_the_request_was_lost,
    a_circuit_is_written_once_although_three_replies_were_lost,
    a_write_whose_replies_are_all_lost_is_ambiguous_and_the_next_read_shows_it,
    a_write_whose_requests_are_all_refused_changes_nothing,
    a_body_of_five_kilobytes_is_kept_whole_or_refused,
    a_body_of_400_kb_is_kept_whole_or_refused,
    a_number_too_large_for_a_store_is_kept_or_refused,
}

async fn a_lost_reply_is_answered_truthfully(trial: &Trial<'_>) -> Verdict {
    one_fault(trial, Fault::LoseReply).await
}

async fn a_lost_request_is_answered_truthfully(trial: &Trial<'_>) -> Verdict {
    one_fault(trial, Fault::LoseRequest).await
}

async fn a_refused_write_changes_nothing(trial: &Trial<'_>) -> Verdict {
    one_fault(trial, Fault::Refuse).await
}

async fn a_throttled_write_changes_nothing(trial: &Trial<'_>) -> Verdict {
    one_fault(trial, Fault::Throttle).await
}

async fn a_denied_write_changes_nothing(trial: &Trial<'_>) -> Verdict {
    one_fault(trial, Fault::Deny).await
}

async fn after_a_fault_the_store_works_again(trial: &Trial<'_>) -> Verdict {
    let faulty = trial.faulty()?;
    let key = trial.token()?;
    for fault in [Fault::LoseReply, Fault::LoseRequest, Fault::Refuse, Fault::Throttle] {
        if trial.subject.enable_fault(fault).await {
            let write = Write::new(&key, None, &body("first"));
            drop(write.once(&*faulty).await);
            trial.client.replace(&key, &body("after")).await?;
        }
    }
    Ok(())
}

async fn a_token_is_written_once_although_the_reply_was_lost(trial: &Trial<'_>) -> Verdict {
    token_is_written_once(trial, &[Fault::LoseReply]).await
}

async fn a_token_is_written_once_although_the_request_was_lost(trial: &Trial<'_>) -> Verdict {
    token_is_written_once(trial, &[Fault::LoseRequest]).await
}

async fn a_circuit_is_written_once_although_three_replies_were_lost(trial: &Trial<'_>) -> Verdict {
    let faulty = Faulty::new(Arc::clone(&trial.client.register));
    faulty.script([Fault::LoseReply; 3]);
    let name = trial.name()?;
    let open = CircuitRecord { state: CircuitState::Open, epoch: 1, ..CircuitRecord::default() };
    let id = WriteId::random();
    let swap = RetryingRegister::new(faulty).update_state(&name, None, id, &open).await?;
    let Swap::Applied(version) = swap else {
        return Err(Shortfall::Broken("a conflict with its own write".to_owned()));
    };
    ensure!(WriteId::from(version) == id, "applied as {version:?}, sent as {id}");
    let swap = trial.other.store.update_state(&name, Some(version), WriteId::random(), &open);
    ensure!(matches!(swap.await?, Swap::Applied(_)), "what was applied is not what is there");
    Ok(())
}

async fn a_write_whose_replies_are_all_lost_is_ambiguous_and_the_next_read_shows_it(
    trial: &Trial<'_>,
) -> Verdict {
    let faulty = Faulty::new(Arc::clone(&trial.client.register));
    faulty.always(Fault::LoseReply);
    let key = trial.name()?;
    let id = WriteId::random();
    let Err(error) =
        RetryingRegister::new(faulty).write(&key, None, id, &TokenRecord::default()).await
    else {
        return Err(Shortfall::Broken("an answer although every reply was lost".to_owned()));
    };
    ensure!(error.kind() == StoreErrorKind::Ambiguous, "it is {:?}", error.kind());
    let is_it = |found: Option<&Versioned<Body>>| {
        found.is_some_and(|found| WriteId::from(found.version) == id)
    };
    let found = trial.other.read_until(&token_key(&key), is_it).await?;
    ensure!(is_it(found.as_ref()), "the write was applied and is not read");
    Ok(())
}

async fn a_write_whose_requests_are_all_refused_changes_nothing(trial: &Trial<'_>) -> Verdict {
    let faulty = Faulty::new(Arc::clone(&trial.client.register));
    faulty.always(Fault::Refuse);
    let key = trial.name()?;
    let Err(error) = RetryingRegister::new(faulty)
        .write(&key, None, WriteId::random(), &TokenRecord::default())
        .await
    else {
        return Err(Shortfall::Broken("an answer although every request was refused".to_owned()));
    };
    ensure!(error.kind() == StoreErrorKind::Unavailable, "it is {:?}", error.kind());
    trial.other.shows_nothing(&token_key(&key)).await
}

async fn a_body_of_five_kilobytes_is_kept_whole_or_refused(trial: &Trial<'_>) -> Verdict {
    kept_or_refused(trial, &body("x".repeat(5_000))).await
}

async fn a_body_of_400_kb_is_kept_whole_or_refused(trial: &Trial<'_>) -> Verdict {
    // The largest body that can be read: `{"mark":"x…"}` has eleven bytes beside the letters.
    let largest = body("x".repeat(MAX_RECORD_BYTES - 11));
    ensure!(text_of(&largest).len() == MAX_RECORD_BYTES, "the largest body has another size");
    kept_or_refused(trial, &largest).await
}

async fn a_number_too_large_for_a_store_is_kept_or_refused(trial: &Trial<'_>) -> Verdict {
    kept_or_refused(trial, &body(1e300)).await
}

/// Makes one write with a fault. The answer must agree with the record.
async fn one_fault(trial: &Trial<'_>, fault: Fault) -> Verdict {
    let faulty = trial.faulty()?;
    for key in [trial.token()?, trial.circuit()?] {
        let first = trial.client.write(&key, None, &body("first")).await?;
        let second = Write::new(&key, Some(first), &body("second"));
        if !trial.subject.enable_fault(fault).await {
            return Err(Shortfall::cannot_break());
        }
        match second.once(&*faulty).await {
            Ok(Swap::Applied(version)) => trial.client.shows(&key, version, &second.body).await?,
            Ok(Swap::Conflict(_)) => {
                return Err(Shortfall::Broken("a conflict, although nobody else wrote".to_owned()));
            }
            Err(error) if error.kind() == StoreErrorKind::Ambiguous => {
                // The write may still arrive. Sending it again finds out whether it did.
                let version = trial.client.sent(&second).await?;
                trial.client.shows(&key, version, &second.body).await?;
            }
            Err(_) => trial.client.shows(&key, first, &body("first")).await?,
        }
    }
    Ok(())
}

async fn token_is_written_once(trial: &Trial<'_>, faults: &[Fault]) -> Verdict {
    let faulty = Faulty::new(Arc::clone(&trial.client.register));
    let key = trial.name()?;
    faulty.script(faults.iter().copied());
    let first = TokenRecord { digest: "first".to_owned(), ..TokenRecord::default() };
    let id = WriteId::random();
    let Swap::Applied(version) =
        RetryingRegister::new(faulty).write(&key, None, id, &first).await?
    else {
        return Err(Shortfall::Broken("a conflict with its own write".to_owned()));
    };
    ensure!(WriteId::from(version) == id, "applied as {version:?}, sent as {id}");
    let is_it =
        |found: Option<&Versioned<Body>>| found.is_some_and(|found| found.version == version);
    let found = trial.other.read_until(&token_key(&key), is_it).await?;
    ensure!(is_it(found.as_ref()), "what was applied is not what is there");
    Ok(())
}

/// Checks that a write is applied completely, or is refused as `Invalid` and changes nothing.
async fn kept_or_refused(trial: &Trial<'_>, next: &Body) -> Verdict {
    let key = trial.token()?;
    let first = trial.client.write(&key, None, &body("first")).await?;
    match Write::new(&key, Some(first), next).once(&*trial.client.register).await {
        Ok(Swap::Applied(version)) => trial.client.shows(&key, version, next).await,
        Ok(Swap::Conflict(_)) => Err(Shortfall::Broken("a conflict with nobody".to_owned())),
        Err(error) if error.kind() == StoreErrorKind::Invalid => {
            trial.client.shows(&key, first, &body("first")).await?;
            trial.client.write(&key, Some(first), &body("after")).await.map(drop)
        }
        Err(error) => Err(error.into()),
    }
}
