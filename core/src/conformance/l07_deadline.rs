//! L7: no call outlives its deadline, and with less than 50 ms left no operation is started.

use std::{future::Future, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    Fault, Faulty,
    check::checks,
    client::body,
    trial::{Trial, token_key},
    verdict::{Shortfall, Verdict, ensure},
};
use crate::{
    Deadline, StoreError, StoreErrorKind,
    circuit::{CircuitRecord, CircuitStateProvider},
    register::{RetryingRegister, WriteId},
    token::{TokenPersistenceProvider, TokenRecord},
};

checks! { L7:
    with_no_time_left_nothing_is_started,
    with_one_millisecond_left_nothing_is_started,
    with_49_milliseconds_left_nothing_is_started,
    a_read_that_hangs_ends_with_the_invocation,
    a_write_that_hangs_ends_with_the_invocation_and_is_ambiguous,
    a_refused_write_is_not_retried_past_the_invocation,
    a_read_that_hangs_ends_without_an_invocation,
    a_write_that_hangs_ends_without_an_invocation,
    an_operation_on_a_store_that_hangs_ends_at_the_deadline,
    after_a_hang_the_store_works_again,
}

/// How late a timer may fire on a busy machine, 300 ms.
const LATENESS: Duration = Duration::from_millis(300);

/// How often a call is tried. On a very busy machine it may be later than that, but a store that does not
/// keep deadlines is late every time.
const ATTEMPTS: u32 = 3;

/// The longest deadline of an operation, 2 s: that of the first operation on a store.
const LONGEST: Duration = Duration::from_secs(2);

async fn with_no_time_left_nothing_is_started(trial: &Trial<'_>) -> Verdict {
    nothing_is_started(trial, Duration::ZERO).await
}

async fn with_one_millisecond_left_nothing_is_started(trial: &Trial<'_>) -> Verdict {
    nothing_is_started(trial, Duration::from_millis(1)).await
}

async fn with_49_milliseconds_left_nothing_is_started(trial: &Trial<'_>) -> Verdict {
    nothing_is_started(trial, Duration::from_millis(49)).await
}

async fn a_read_that_hangs_ends_with_the_invocation(trial: &Trial<'_>) -> Verdict {
    let (store, key) = (with_fault(trial, Fault::Hang), trial.name()?);
    let error = ends_in(TIGHT, || within(TIGHT, store.read(&key))).await?;
    is_a(StoreErrorKind::Timeout, &error)
}

async fn a_write_that_hangs_ends_with_the_invocation_and_is_ambiguous(
    trial: &Trial<'_>,
) -> Verdict {
    let (store, key) = (with_fault(trial, Fault::HangAfter), trial.name()?);
    let record = TokenRecord::default();
    let write = || within(TIGHT, store.write(&key, None, WriteId::random(), &record));
    let error = ends_in(TIGHT, write).await?;
    is_a(StoreErrorKind::Ambiguous, &error)
}

async fn a_refused_write_is_not_retried_past_the_invocation(trial: &Trial<'_>) -> Verdict {
    let (store, name) = (with_fault(trial, Fault::Refuse), trial.name()?);
    let record = CircuitRecord::default();
    let write = || within(TIGHT, store.update_state(&name, None, WriteId::random(), &record));
    let error = ends_in(TIGHT, write).await?;
    is_a(StoreErrorKind::Unavailable, &error)
}

async fn a_read_that_hangs_ends_without_an_invocation(trial: &Trial<'_>) -> Verdict {
    let (store, name) = (with_fault(trial, Fault::Hang), trial.name()?);
    let error = ends_in(LONGEST, || store.circuit_state(&name)).await?;
    is_a(StoreErrorKind::Timeout, &error)
}

async fn a_write_that_hangs_ends_without_an_invocation(trial: &Trial<'_>) -> Verdict {
    let (store, key) = (with_fault(trial, Fault::Hang), trial.name()?);
    let record = TokenRecord::default();
    let write = || store.write(&key, None, WriteId::random(), &record);
    let error = ends_in(LONGEST, write).await?;
    is_a(StoreErrorKind::Ambiguous, &error)
}

/// This uses the subject's own client, which might block, wait or retry.
async fn an_operation_on_a_store_that_hangs_ends_at_the_deadline(trial: &Trial<'_>) -> Verdict {
    let faulty = trial.faulty()?;
    for fault in [Fault::Hang, Fault::HangAfter] {
        let (store, key) = (RetryingRegister::new(Arc::clone(&faulty)), trial.name()?);
        let record = TokenRecord::default();
        let write = || store.write(&key, None, WriteId::random(), &record);
        with_fault_of_subject(trial, fault, write).await?;
        with_fault_of_subject(trial, fault, || store.read(&key)).await?;
    }
    Ok(())
}

async fn after_a_hang_the_store_works_again(trial: &Trial<'_>) -> Verdict {
    let faulty = trial.faulty()?;
    for fault in [Fault::Hang, Fault::HangAfter] {
        let (store, key) = (RetryingRegister::new(Arc::clone(&faulty)), trial.name()?);
        let record = TokenRecord::default();
        let write = || store.write(&key, None, WriteId::random(), &record);
        if with_fault_of_subject(trial, fault, write).await? {
            // The same client must not wait for the answer that never comes.
            let same = trial.client.on(Arc::clone(&faulty));
            same.replace(&token_key(&key), &body("after")).await?;
        }
    }
    Ok(())
}

/// The time left in an invocation, 150 ms, which ends long before the operation's own deadline.
const TIGHT: Duration = Duration::from_millis(150);

async fn nothing_is_started(trial: &Trial<'_>, left: Duration) -> Verdict {
    let faulty = Faulty::new(Arc::clone(&trial.client.register));
    let store = RetryingRegister::new(faulty.clone());
    let (key, name) = (trial.name()?, trial.name()?);
    let (token, circuit) = (TokenRecord::default(), CircuitRecord::default());
    let id = WriteId::random();
    for error in [
        within(left, store.read(&key)).await.err(),
        within(left, store.circuit_state(&name)).await.err(),
        within(left, store.write(&key, None, id, &token)).await.err(),
        within(left, store.update_state(&name, None, id, &circuit)).await.err(),
    ] {
        let Some(error) = error else {
            return Err(Shortfall::Broken(format!("an answer with {left:?} left")));
        };
        is_a(StoreErrorKind::Timeout, &error)?;
    }
    let started = faulty.reads() + faulty.swaps();
    ensure!(started == 0, "{started} operations were started");
    Ok(())
}

/// Returns the subject's register, with `fault` on every operation.
fn with_fault(trial: &Trial<'_>, fault: Fault) -> RetryingRegister {
    let faulty = Faulty::new(Arc::clone(&trial.client.register));
    faulty.always(fault);
    RetryingRegister::new(faulty)
}

async fn within<T>(
    left: Duration,
    call: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    Deadline::within(left).scope(call).await
}

/// Makes the call until it ends in time, [`ATTEMPTS`] times at most, and returns its error.
async fn ends_in<T, F: Future<Output = Result<T, StoreError>>>(
    limit: Duration,
    call: impl Fn() -> F,
) -> Verdict<StoreError> {
    let mut attempts = 1;
    loop {
        match once(limit, call()).await? {
            Ok(error) => return Ok(error),
            Err(elapsed) if attempts == ATTEMPTS => return Err(too_late(elapsed, limit)),
            Err(_) => attempts += 1,
        }
    }
}

/// The same with a fault that the subject enables for each call. `false` if the subject cannot.
async fn with_fault_of_subject<T, F: Future<Output = Result<T, StoreError>>>(
    trial: &Trial<'_>,
    fault: Fault,
    call: impl Fn() -> F,
) -> Verdict<bool> {
    let mut late = Ok(false);
    for _ in 0..ATTEMPTS {
        if !trial.subject.enable_fault(fault).await {
            return late;
        }
        match once(TIGHT, within(TIGHT, call())).await? {
            Ok(_) => return Ok(true),
            Err(elapsed) => late = Err(too_late(elapsed, TIGHT)),
        }
    }
    late
}

/// Makes the call once. Returns its error, or how long it took if that was too long.
async fn once<T>(
    limit: Duration,
    call: impl Future<Output = Result<T, StoreError>>,
) -> Verdict<Result<StoreError, Duration>> {
    let start = Instant::now();
    let answer = call.await;
    let elapsed = start.elapsed();
    match answer {
        Err(error) if elapsed <= limit + LATENESS => Ok(Ok(error)),
        Err(_) => Ok(Err(elapsed)),
        Ok(_) => Err(Shortfall::Broken("an answer from a store that gives no answer".to_owned())),
    }
}

fn too_late(elapsed: Duration, limit: Duration) -> Shortfall {
    Shortfall::Broken(format!("it took {elapsed:?}, {limit:?} were left"))
}

fn is_a(kind: StoreErrorKind, error: &StoreError) -> Verdict {
    ensure!(error.kind() == kind, "expected {kind:?}, got {:?}", error.kind());
    Ok(())
}
