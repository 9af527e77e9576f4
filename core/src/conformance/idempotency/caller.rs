//! One caller with a key. A check makes each step of the caller separately.

use std::{sync::Arc, time::Duration};

use tokio::{task::yield_now, time::sleep};

use super::super::{
    trial::Trial,
    verdict::{Shortfall, Verdict, ensure},
};
use crate::{
    StoreError, Timestamp,
    clock::{Clock, SystemClock},
    idempotency::{
        IdempotencyProvider, IdempotencyRecord,
        decide::{KeyDecision, decide},
        record::Claimant,
    },
    register::{RecordKey, RecordName, Register, RetryingRegister, Swap, Version, WriteId},
};

/// How long the claims of the suite last, 300 s: longer than a check can take.
pub(super) const CLAIM: Duration = Duration::from_secs(300);
const RETENTION: Duration = Duration::from_secs(3_600);

/// How often an operation is tried, with pauses, because a store may throttle it or answer too late.
const TRIES: u32 = 20;

#[derive(Clone)]
pub(super) struct Caller {
    store: RetryingRegister,
    pub(super) key: RecordName,
    payload: &'static str,
}

/// The right to work on a key, as it was written.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    pub(super) version: Version,
    pub(super) record: IdempotencyRecord,
}

/// What a caller got when it asked for the key.
#[derive(Debug)]
pub(super) enum Got {
    Claim(Claim),
    Answer(Option<String>),
    Mismatch,
    InProgress,
}

impl Caller {
    /// Creates a caller with an unused key.
    pub(super) fn new(trial: &Trial<'_>) -> Verdict<Self> {
        if let Some(why) = trial.client.register.poll_policy().no_idempotency {
            return Err(Shortfall::NotExercised(why.to_owned()));
        }
        let key = trial.name()?;
        Ok(Self::on(Arc::clone(&trial.client.register), key))
    }

    pub(super) fn on(register: Arc<dyn Register>, key: RecordName) -> Self {
        Self { store: RetryingRegister::new(register), key, payload: "one" }
    }

    /// Returns another process with the same key.
    pub(super) fn other(&self, trial: &Trial<'_>) -> Self {
        Self::on(Arc::clone(&trial.other.register), self.key.clone())
    }

    /// Returns the same process with another payload.
    pub(super) fn with_another_payload(&self) -> Self {
        Self { payload: "another", ..self.clone() }
    }

    pub(super) fn record_key(&self) -> RecordKey {
        RecordKey::of::<IdempotencyRecord>(self.key.clone())
    }

    /// Asks for the key, and takes it if it is free.
    pub(super) async fn ask(&self) -> Verdict<Got> {
        self.ask_at(SystemClock.now(), CLAIM).await
    }

    /// Asks for the key with a claim of the given length that begins at `now`.
    pub(super) async fn ask_at(&self, now: Timestamp, length: Duration) -> Verdict<Got> {
        let mut found = None;
        for _ in 0..TRIES {
            let stored = found.as_ref().map(|(record, _): &(IdempotencyRecord, _)| record.clone());
            let claimant = Claimant { fingerprint: self.payload, length, watched: Duration::ZERO };
            let record = match decide(&stored.clone().unwrap_or_default(), &claimant, now) {
                KeyDecision::Claim(record) => *record,
                KeyDecision::Replay => {
                    return Ok(Got::Answer(stored.and_then(|stored| stored.answer)));
                }
                KeyDecision::Mismatch => return Ok(Got::Mismatch),
                KeyDecision::Wait { .. } => return Ok(Got::InProgress),
            };
            match self.write(found.map(|(_, version)| version), &record).await? {
                Swap::Applied(version) => return Ok(Got::Claim(Claim { version, record })),
                Swap::Conflict(current) => {
                    found = current.map(|current| (current.value, current.version));
                }
            }
            yield_now().await;
        }
        Err(Shortfall::Broken(format!("{TRIES} writes on what was there all conflicted")))
    }

    /// Asks for the key, which must be free, and takes it.
    pub(super) async fn claims(&self) -> Verdict<Claim> {
        match self.ask().await? {
            Got::Claim(claim) => Ok(claim),
            got => Err(Shortfall::Broken(format!("expected a claim, got {got:?}"))),
        }
    }

    /// Asks for the key, which must have the given answer.
    pub(super) async fn gets(&self, answer: &str) -> Verdict {
        match self.ask().await? {
            Got::Answer(Some(got)) if got == answer => Ok(()),
            got => Err(Shortfall::Broken(format!("expected the answer {answer}, got {got:?}"))),
        }
    }

    /// Completes a claim. `false` if the store no longer holds the claim.
    pub(super) async fn completes(&self, claim: &Claim, answer: &str) -> Verdict<bool> {
        let record = claim.record.clone();
        let done = record.completed(Some(answer.to_owned()), RETENTION, SystemClock.now());
        Ok(matches!(self.write(Some(claim.version), &done).await?, Swap::Applied(_)))
    }

    pub(super) async fn must_complete(&self, claim: &Claim, answer: &str) -> Verdict {
        let done = self.completes(claim, answer).await?;
        ensure!(done, "the completion of a claim that stands conflicts");
        Ok(())
    }

    /// Releases a claim. `false` if the store no longer holds the claim.
    pub(super) async fn releases(&self, claim: &Claim) -> Verdict<bool> {
        let released = claim.record.clone().released(SystemClock.now());
        Ok(matches!(self.write(Some(claim.version), &released).await?, Swap::Applied(_)))
    }

    async fn write(
        &self,
        expected: Option<Version>,
        next: &IdempotencyRecord,
    ) -> Verdict<Swap<IdempotencyRecord>> {
        let id = WriteId::random();
        let mut last: Option<StoreError> = None;
        for attempt in 1..=TRIES {
            match IdempotencyProvider::write(&self.store, &self.key, expected, id, next).await {
                Ok(swap) => return Ok(swap),
                Err(error) if error.is_transient() => last = Some(error),
                Err(error) => return Err(error.into()),
            }
            sleep(Duration::from_millis(50) * attempt).await;
        }
        last.map_or(Err(Shortfall::Broken("no attempt".to_owned())), |error| Err(error.into()))
    }
}
