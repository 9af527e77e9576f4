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

/// How long the records of the suite are kept, 1 h. A shared store may delete them after that.
const AN_HOUR: Duration = Duration::from_secs(3_600);

/// The first pause after a transient error, and the limit up to which each pause is twice the one before.
/// The pauses take about 6 s in all.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_secs(6);

/// How often a read that may be stale is repeated, and the pause between two reads.
const REPEATED_READS: u32 = 100;
const BETWEEN_READS: Duration = Duration::from_millis(50);

/// One client of the subject's store. It waits if the store is busy, and checks each answer.
#[derive(Clone)]
pub(super) struct Client {
    pub(super) register: Arc<dyn Register>,
    /// The same register with retries, as the provider traits use it.
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

    /// Sends the write once, without a retry.
    pub(super) async fn once(&self, register: &dyn Register) -> Result<Swap<Body>, StoreError> {
        register.swap(&self.key, self.expected, self.id, &self.body, self.keep_for).await
    }
}

impl Client {
    pub(super) fn new(register: Arc<dyn Register>, stale: Arc<[RecordKind]>) -> Self {
        let store = RetryingRegister::new(Arc::clone(&register));
        Self { register, store, stale }
    }

    /// Returns a client that expects the same stale reads, on another register.
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

    /// Reads a record. If its reads may be stale, reads again until `wanted` is true or the time is up.
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
            // This proves nothing, because the first attempt may have been applied.
            (Swap::Conflict(_), true) => {
                Err(Shortfall::NotExercised("the answer to a write was lost".to_owned()))
            }
            (swap, _) => Ok(swap),
        }
    }

    /// Sends a new write, which may have any answer.
    pub(super) async fn swap(
        &self,
        key: &RecordKey,
        expected: Option<Version>,
        body: &Body,
    ) -> Verdict<Swap<Body>> {
        self.send(&Write::new(key, expected, body)).await
    }

    /// Sends a new write, which must be applied.
    pub(super) async fn write(
        &self,
        key: &RecordKey,
        expected: Option<Version>,
        body: &Body,
    ) -> Verdict<Version> {
        self.sent(&Write::new(key, expected, body)).await
    }

    /// Sends a write, which must be applied.
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

    /// Sends a new write, which must conflict. Returns the record in the conflict.
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

    /// Checks that a read returns exactly `body` with `version`.
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

    /// Checks that a read returns no record.
    pub(super) async fn shows_nothing(&self, key: &RecordKey) -> Verdict {
        let found = self.read_until(key, |found| found.is_none()).await?;
        ensure!(found.is_none(), "expected nothing, read {:?}", found.map(|found| found.version));
        Ok(())
    }

    /// Writes `body` on top of what is read, until the write is applied.
    pub(super) async fn replace(&self, key: &RecordKey, body: &Body) -> Verdict<Version> {
        self.update(key, |_| body.clone()).await
    }

    /// Reads, changes and swaps, until the swap is applied.
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
            // If the store answers at once, no other task would run between the read and the swap.
            yield_now().await;
            if let Swap::Applied(version) = self.swap(key, expected, &body).await? {
                return Ok(version);
            }
            sleep(chance.up_to(Duration::from_millis(10) * attempt)).await;
        }
        Err(Shortfall::Broken("60 swaps on what was just read all conflicted".to_owned()))
    }
}

/// Runs an operation, and runs it again after transient errors. `true` if an attempt was ambiguous.
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

/// Creates a body with one member, by which it differs from other bodies.
pub(super) fn body(mark: impl Into<Value>) -> Body {
    Body::from(Map::from_iter([("mark".to_owned(), mark.into())]))
}

/// Returns the body as text, shortened for a line of the report.
pub(super) fn brief(body: &Body) -> String {
    body.to_string().chars().take(300).collect()
}
