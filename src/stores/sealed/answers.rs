//! Sealed answers of idempotency. Somebody who can read the store learns no answer, and somebody who can
//! write to it cannot forge or move one.

use std::sync::Arc;

use async_trait::async_trait;
use funcify_core::{
    StoreError,
    idempotency::{IdempotencyProvider, IdempotencyRecord},
    register::{PollPolicy, RecordName, Swap, Version, Versioned, WriteId},
};

use super::keys::{SealKeys, is_sealed, parts};

/// A store that seals the answer of each record.
#[derive(Debug)]
pub(super) struct SealedAnswers {
    pub(super) store: Arc<dyn IdempotencyProvider>,
    pub(super) keys: Arc<SealKeys>,
}

impl SealedAnswers {
    /// Unseals the answer of a record. One that cannot be unsealed counts as not kept: the record still says
    /// that the work was done.
    fn open(
        &self,
        key: &RecordName,
        mut stored: Versioned<IdempotencyRecord>,
    ) -> Versioned<IdempotencyRecord> {
        let Some(sealed) = stored.value.answer.take() else { return stored };
        if self.keys.reads_unsealed() && !is_sealed(&sealed) {
            stored.value.answer = Some(sealed);
            return stored;
        }
        let (write, record) = (WriteId::from(stored.version), &stored.value);
        stored.value.answer = self
            .keys
            .open_text(|id| covered(key, id, write, record), &sealed)
            .and_then(|answer| String::from_utf8(answer.to_vec()).ok());
        if stored.value.answer.is_none() {
            tracing::warn!(%key, "a stored answer cannot be unsealed, so it counts as not kept");
        }
        stored
    }
}

#[async_trait]
impl IdempotencyProvider for SealedAnswers {
    async fn read(
        &self,
        key: &RecordName,
    ) -> Result<Option<Versioned<IdempotencyRecord>>, StoreError> {
        Ok(self.store.read(key).await?.map(|stored| self.open(key, stored)))
    }

    async fn write(
        &self,
        key: &RecordName,
        expected: Option<Version>,
        id: WriteId,
        next: &IdempotencyRecord,
    ) -> Result<Swap<IdempotencyRecord>, StoreError> {
        let mut sealed = next.clone();
        if let Some(answer) = &mut sealed.answer {
            let covered = |seal: &str| covered(key, seal, id, next);
            if let Some(sealed) = self.keys.seal_text(covered, answer)? {
                *answer = sealed;
            }
        }
        Ok(match self.store.write(key, expected, id, &sealed).await? {
            Swap::Applied(version) => Swap::Applied(version),
            Swap::Conflict(current) => Swap::Conflict(current.map(|stored| self.open(key, stored))),
        })
    }

    fn poll_policy(&self) -> PollPolicy {
        self.store.poll_policy()
    }
}

/// The data that the seal covers in addition to the answer.
fn covered(key: &RecordName, seal: &str, write: WriteId, record: &IdempotencyRecord) -> Vec<u8> {
    let numbers = [record.fence, record.since.as_millis(), record.until.as_millis()];
    let [fence, since, until] = numbers.map(i64::to_be_bytes);
    parts(&[
        b"answer",
        key.as_ref().as_bytes(),
        seal.as_bytes(),
        &write.bits().to_be_bytes(),
        record.fingerprint.as_bytes(),
        &record.attempt.to_be_bytes(),
        &fence,
        &since,
        &until,
    ])
}

#[cfg(test)]
mod tests {
    use funcify_backend_memory::MemoryBackend;
    use funcify_core::register::RetryingRegister;

    use super::*;

    const KEYS: &str = "a:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    fn record(answer: &str) -> IdempotencyRecord {
        IdempotencyRecord {
            status: funcify_core::engine::KeyStatus::Completed,
            fingerprint: "f".to_owned(),
            answer: Some(answer.to_owned()),
            ..IdempotencyRecord::default()
        }
    }

    #[tokio::test]
    async fn answers_without_a_seal_are_used_and_written_as_none_in_the_keys_says() {
        let store: Arc<dyn IdempotencyProvider> =
            Arc::new(RetryingRegister::new(MemoryBackend::new()));
        let with = |keys: String| SealedAnswers {
            store: Arc::clone(&store),
            keys: Arc::new(SealKeys::parse(&keys).unwrap()),
        };
        let steps = [format!("none,{KEYS}"), format!("{KEYS},none"), KEYS.to_owned()].map(with);
        for (writer, is_stored_sealed) in [(0, false), (1, true), (2, true)] {
            let key = RecordName::try_from(format!("written_{writer}").as_str()).unwrap();
            let id = WriteId::random();
            steps[writer].write(&key, None, id, &record("canary")).await.unwrap();
            let stored = store.read(&key).await.unwrap().unwrap().value.answer.unwrap();
            assert_eq!(is_sealed(&stored), is_stored_sealed, "{writer}: {stored}");
            for (reader, step) in steps.iter().enumerate() {
                let answer = step.read(&key).await.unwrap().unwrap().value.answer;
                // Two neighbouring steps run at the same time, never the first and the last.
                let expected = (writer, reader) != (0, 2);
                assert_eq!(answer.is_some(), expected, "{writer} {reader}");
            }
        }
    }

    #[tokio::test]
    async fn an_answer_is_stored_sealed_and_one_that_was_altered_or_moved_counts_as_not_kept() {
        let store: Arc<dyn IdempotencyProvider> =
            Arc::new(RetryingRegister::new(MemoryBackend::new()));
        let keys = Arc::new(SealKeys::parse(KEYS).unwrap());
        let sealed = SealedAnswers { store: Arc::clone(&store), keys };
        let [one, other] = ["one", "other"].map(|name| RecordName::try_from(name).unwrap());

        let id = WriteId::random();
        sealed.write(&one, None, id, &record("canary")).await.unwrap();
        let stored = store.read(&one).await.unwrap().unwrap().value;
        assert!(stored.answer.as_ref().unwrap().starts_with("sealed:v1:a:"));
        assert!(!serde_json::to_string(&stored).unwrap().contains("canary"));
        let opened = sealed.read(&one).await.unwrap().unwrap().value;
        assert_eq!(opened, record("canary"));
        // The record in a conflict is unsealed too.
        let late = sealed.write(&one, None, WriteId::random(), &record("late")).await.unwrap();
        let Swap::Conflict(Some(current)) = late else { panic!("{late:?}") };
        assert_eq!(current.value.answer.as_deref(), Some("canary"));

        let mut altered = stored.clone();
        altered.fence += 1;
        for (key, record) in [(&other, stored), (&other, altered)] {
            let expected = store.read(key).await.unwrap().map(|stored| stored.version);
            store.write(key, expected, WriteId::random(), &record).await.unwrap();
            let opened = sealed.read(key).await.unwrap().unwrap();
            assert_eq!((opened.value.answer, opened.corruption), (None, None));
            assert_eq!(opened.value.status, funcify_core::engine::KeyStatus::Completed);
        }
    }
}
