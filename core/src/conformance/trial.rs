//! What one check uses: two clients of the same store, and unused names.

use std::{
    sync::Arc,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{
    Subject,
    client::Client,
    verdict::{Shortfall, Verdict},
};
use crate::{
    Timestamp,
    circuit::CircuitRecord,
    idempotency::IdempotencyRecord,
    register::{Record, RecordKey, RecordKind, RecordName, Register, WriteId},
    token::TokenRecord,
};

pub(super) struct Trial<'a> {
    pub(super) subject: &'a dyn Subject,
    pub(super) client: Client,
    pub(super) other: Client,
    unique: String,
    names: AtomicU32,
}

/// A kind of record that no store knows.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct NewRecord {}

impl Record for NewRecord {
    const KIND: RecordKind = RecordKind::new("conformance");

    fn keep_for(&self, _now: Timestamp) -> Duration {
        Duration::from_secs(3_600)
    }
}

impl<'a> Trial<'a> {
    pub(super) async fn of(subject: &'a dyn Subject) -> Verdict<Self> {
        let any = RecordName::try_from("any")?;
        let keys = [
            RecordKey::of::<TokenRecord>(any.clone()),
            RecordKey::of::<CircuitRecord>(any.clone()),
            RecordKey::of::<IdempotencyRecord>(any.clone()),
            RecordKey::of::<NewRecord>(any),
        ];
        let stale_keys = keys.into_iter().filter(|key| subject.reads_may_be_stale(key));
        let stale: Arc<[RecordKind]> = stale_keys.map(|key| key.kind).collect();
        let client = Client::new(subject.fresh().await?, Arc::clone(&stale));
        let other = Client::new(subject.fresh().await?, stale);
        let mut unique = WriteId::random().to_string();
        unique.truncate(20);
        Ok(Self { subject, client, other, unique, names: AtomicU32::new(0) })
    }

    /// Returns a name that nobody has used.
    pub(super) fn name(&self) -> Verdict<RecordName> {
        let number = self.names.fetch_add(1, Ordering::Relaxed);
        Ok(RecordName::try_from(format!("check-{}-{number}", self.unique))?)
    }

    /// Returns the key of a token that nobody has written.
    pub(super) fn token(&self) -> Verdict<RecordKey> {
        Ok(token_key(&self.name()?))
    }

    /// Returns the key of a circuit that nobody has written.
    pub(super) fn circuit(&self) -> Verdict<RecordKey> {
        Ok(circuit_key(&self.name()?))
    }

    /// Returns the subject's register whose connection can be broken.
    pub(super) fn faulty(&self) -> Verdict<Arc<dyn Register>> {
        self.subject.faulty().ok_or_else(Shortfall::cannot_break)
    }
}

pub(super) fn token_key(name: &RecordName) -> RecordKey {
    RecordKey::of::<TokenRecord>(name.clone())
}

pub(super) fn circuit_key(name: &RecordName) -> RecordKey {
    RecordKey::of::<CircuitRecord>(name.clone())
}
