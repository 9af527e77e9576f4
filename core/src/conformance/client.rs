use std::{future::Future, sync::Arc, time::Duration};

use serde_json::{Map, Value};
use tokio::{task::yield_now, time::sleep};

use super::verdict::{Shortfall, Verdict, ensure};
use crate::{
    StoreError, StoreErrorKind,
    chance::Chance,
    register::{
        Body, RecordKey, RecordKind, Register, RetryingRegister, Swap, Version, Versioned, WriteId,
    },
};

/// How long the records of the suite are kept: a shared store deletes them afterwards.
const AN_HOUR: Duration = Duration::from_secs(3_600);

/// The pauses after transient errors double from here to there: 12 s in all.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_secs(6);

/// How often a stale read is repeated, and how long the pause in between is.
const REPEATED_READS: u32 = 100;
const BETWEEN_READS: Duration = Duration::from_millis(50);

/// One client of the subject's store. It waits while the store is busy, and it checks each answer.
#[derive(Clone)]
pub(super) struct Client {
    pub(super) register: Arc<dyn Register>,
    /// The same register, as the provider traits use it.
    pub(super) store: RetryingRegister,
    /// The kinds of records whose reads may be stale.
    stale: Arc<[RecordKind]>,
}

/// One write, so that it can be sent more than once.
#[derive(Clone, Debug)]
pub(super) struct Write {
    pub(super) key: RecordKey,
    pub(super) expected: Option<Version>,
    pub(super) id: WriteId,
    pub(super) body: Body,
    pub(super) keep_for: Duration,
}

impl Write {
    pub(super) fn new(key: &RecordKey, expected: Option<Version>, body: &Body) -> Self {
        let (key, body) = (key.clone(), body.clone());
        Self { key, expected, id: WriteId::random(), body, keep_for: AN_HOUR }
    }

    /// Sends it once, whatever happens.
    pub(super) async fn once(&self, register: &dyn Register) -> Result<Swap<Body>, StoreError> {
        register.swap(&self.key, self.expected, self.id, &self.body, self.keep_for).await
    }
}

impl Client {
    pub(super) fn new(register: Arc<dyn Register>, stale: Arc<[RecordKind]>) -> Self {
        let store = RetryingRegister::new(Arc::clone(&register));
        Self { register, store, stale }
    }

    /// A client with the same knowledge, on another register.
    pub(super) fn on(&self, register: Arc<dyn Register>) -> Self {
        Self::new(register, Arc::clone(&self.stale))
    }

    /// Whether a read of this record may be stale.
    pub(super) fn is_stale(&self, key: &RecordKey) -> bool {
        self.stale.contains(&key.kind)
    }

    pub(super) async fn read(&self, key: &RecordKey) -> Verdict<Option<Versioned<Body>>> {
        retried(|| self.register.read(key)).await.map(|(found, _)| found)
    }

    /// Reads. Where reads may be stale, reads again until the record is `wanted` or the time is up.
    pub(super) async fn read_until(
        &self,
        key: &RecordKey,
        wanted: impl Fn(Option<&Versioned<Body>>) -> bool,
    ) -> Verdict<Option<Versioned<Body>>> {
        let mut found = self.read(key).await?;
        for _ in 0..REPEATED_READS {
            if !self.is_stale(key) || wanted(found.as_ref()) {
                break;
            }
            sleep(BETWEEN_READS).await;
            found = self.read(key).await?;
        }
        Ok(found)
    }

    pub(super) async fn send(&self, write: &Write) -> Verdict<Swap<Body>> {
        match retried(|| write.once(&*self.register)).await? {
            // Nothing follows from this: the first attempt may have been the one that was applied.
            (Swap::Conflict(_), true) => {
                Err(Shortfall::NotExercised("the answer to a write was lost".to_owned()))
            }
            (swap, _) => Ok(swap),
        }
    }

    /// A new write, with any answer.
    pub(super) async fn swap(
        &self,
        key: &RecordKey,
        expected: Option<Version>,
        body: &Body,
    ) -> Verdict<Swap<Body>> {
        self.send(&Write::new(key, expected, body)).await
    }

    /// A new write that must be applied.
    pub(super) async fn write(
        &self,
        key: &RecordKey,
        expected: Option<Version>,
        body: &Body,
    ) -> Verdict<Version> {
        self.sent(&Write::new(key, expected, body)).await
    }

    /// A write that must be applied.
    pub(super) async fn sent(&self, write: &Write) -> Verdict<Version> {
        match self.send(write).await? {
            Swap::Applied(version) => Ok(version),
            Swap::Conflict(current) => Err(Shortfall::Broken(format!(
                "expected a write on {:?} to be applied, got a conflict with {:?}",
                write.expected,
                current.map(|current| current.version)
            ))),
        }
    }

    /// A new write that must be refused. Returns what is there instead.
    pub(super) async fn refused(
        &self,
        key: &RecordKey,
        expected: Option<Version>,
        body: &Body,
    ) -> Verdict<Option<Versioned<Body>>> {
        match self.swap(key, expected, body).await? {
            Swap::Conflict(current) => Ok(current),
            Swap::Applied(version) => Err(Shortfall::Broken(format!(
                "expected a conflict with {expected:?}, the write was applied as {version:?}"
            ))),
        }
    }

    /// What is read must be exactly `body`, with `version`.
    pub(super) async fn shows(&self, key: &RecordKey, version: Version, body: &Body) -> Verdict {
        let is_it = |found: Option<&Versioned<Body>>| {
            found.is_some_and(|found| found.version == version && found.value == *body)
        };
        let found = self.read_until(key, is_it).await?;
        let Some(found) = found else {
            return Err(Shortfall::Broken(format!("expected {version:?}, read nothing")));
        };
        ensure!(found.version == version, "expected {version:?}, read {:?}", found.version);
        ensure!(found.corruption.is_none(), "the record is corrupt: {:?}", found.corruption);
        ensure!(found.value == *body, "wrote {}, read {}", brief(body), brief(&found.value));
        Ok(())
    }

    /// What is read must be nothing.
    pub(super) async fn shows_nothing(&self, key: &RecordKey) -> Verdict {
        let found = self.read_until(key, |found| found.is_none()).await?;
        ensure!(found.is_none(), "expected nothing, read {:?}", found.map(|found| found.version));
        Ok(())
    }

    /// Writes `body` on top of whatever is read, until it is applied.
    pub(super) async fn replace(&self, key: &RecordKey, body: &Body) -> Verdict<Version> {
        self.update(key, |_| body.clone()).await
    }

    /// Reads, changes and swaps until the swap is applied.
    pub(super) async fn update(
        &self,
        key: &RecordKey,
        next: impl Fn(Option<Body>) -> Body,
    ) -> Verdict<Version> {
        let chance = Chance::from_entropy();
        for attempt in 1..=60 {
            let found = self.read(key).await?;
            let expected = found.as_ref().map(|found| found.version);
            let body = next(found.map(|found| found.value));
            // On a store that answers at once, no other task would run in between.
            yield_now().await;
            if let Swap::Applied(version) = self.swap(key, expected, &body).await? {
                return Ok(version);
            }
            sleep(chance.up_to(Duration::from_millis(10) * attempt)).await;
        }
        Err(Shortfall::Broken("60 swaps on what was just read all conflicted".to_owned()))
    }
}

/// Runs an operation, again after transient errors. `true` if an attempt was ambiguous.
async fn retried<T, F>(operation: impl Fn() -> F) -> Verdict<(T, bool)>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let mut pause = FIRST_PAUSE;
    let mut ambiguous = false;
    loop {
        let error = match operation().await {
            Ok(answer) => return Ok((answer, ambiguous)),
            Err(error) => error,
        };
        if pause > LAST_PAUSE || !error.is_transient() {
            return Err(error.into());
        }
        ambiguous |= error.kind() == StoreErrorKind::Ambiguous;
        sleep(pause).await;
        pause *= 2;
    }
}

/// A body with one member that distinguishes it from others.
pub(super) fn body(mark: impl Into<Value>) -> Body {
    Body::from(Map::from_iter([("mark".to_owned(), mark.into())]))
}

/// The body as text, shortened to a line of the report.
pub(super) fn brief(body: &Body) -> String {
    body.to_string().chars().take(300).collect()
}
