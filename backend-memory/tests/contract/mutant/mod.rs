//! A register that can break the contract in one way at a time.

mod flaw;
mod subject;

use std::{
    collections::{HashMap, HashSet, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;
use funcify_core::{
    StoreError, StoreErrorKind,
    conformance::Fault,
    register::{
        Body, Corruption, PollPolicy, RecordKey, Register, Swap, Version, Versioned, WriteId,
    },
};
use serde_json::{Value, json};
use tokio::{task::yield_now, time::Instant};

pub(crate) use flaw::Flaw;

/// The kinds that a store which is not open to others would know.
const KNOWN_KINDS: [&str; 2] = ["circuit", "token"];

/// A register that shares its store with its clones, but not its cache.
#[derive(Clone, Debug)]
pub(crate) struct Mutant {
    flaw: Flaw,
    store: Arc<Mutex<Store>>,
    cache: Arc<Mutex<HashMap<String, Option<Version>>>>,
    fault: Arc<Mutex<Option<Fault>>>,
}

#[derive(Debug, Default)]
struct Store {
    items: HashMap<String, Item>,
    replica: HashMap<String, Item>,
    ids: HashSet<WriteId>,
    later: Option<(Instant, String, Item)>,
    locked: bool,
}

#[derive(Clone, Debug)]
struct Item {
    version: Option<Version>,
    id: WriteId,
    body: Result<Body, Corruption>,
    count: u64,
    until: Option<Instant>,
}

impl Mutant {
    pub(crate) fn new(flaw: Flaw) -> Self {
        Self { flaw, store: Arc::default(), cache: Arc::default(), fault: Arc::default() }
    }

    fn is(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        let mut store = self.store.lock().unwrap();
        if let Some((when, key, item)) = store.later.take_if(|(when, ..)| *when <= Instant::now()) {
            let _ = when;
            store.items.insert(key, item);
        }
        store
    }

    fn key(&self, key: &RecordKey) -> String {
        match self.flaw {
            Flaw::OneNameSpace => key.name.to_string(),
            Flaw::FoldsCase => key.to_string().to_lowercase(),
            Flaw::OnlyKnownKinds if !KNOWN_KINDS.contains(&&*key.kind.to_string()) => {
                format!("unknown:{}", WriteId::random())
            }
            _ => key.to_string(),
        }
    }

    fn current(&self, items: &HashMap<String, Item>, key: &str) -> Option<Item> {
        let item = items.get(key)?;
        let forgotten = item.until.is_some_and(|until| until <= Instant::now());
        let empty = item.body == Ok(Body::default()) && self.is(Flaw::EmptyIsNothing);
        (!forgotten && !empty).then(|| item.clone())
    }

    /// What the item reads as.
    fn record(&self, item: Item) -> Option<Versioned<Body>> {
        let version = match item.version {
            Some(version) => version,
            None if self.is(Flaw::ForeignIsARecord) => {
                return Some(Versioned::new(Body::default(), Version::from(item.id)));
            }
            None => return None,
        };
        match item.body {
            Ok(body) => Some(Versioned::new(body, version)),
            Err(_) if self.is(Flaw::CorruptionIsNothing) => None,
            Err(_) if self.is(Flaw::CorruptionIsARecord) => {
                Some(Versioned::new(Body::default(), version))
            }
            Err(corruption) => {
                Some(Versioned { value: Body::default(), version, corruption: Some(corruption) })
            }
        }
    }

    /// The part of a body that is kept.
    fn kept(&self, body: &Body, before: Option<&Item>) -> Body {
        let mut members = body.as_ref().clone();
        match self.flaw {
            Flaw::MergesMembers => {
                if let Some(Ok(before)) = before.map(|before| &before.body) {
                    let mut merged = before.as_ref().clone();
                    merged.append(&mut members);
                    members = merged;
                }
            }
            Flaw::NumbersAreFloats => members.values_mut().for_each(floats),
            Flaw::TemplatesInText => {
                let text = body.to_string().replace("{{ssm:name}}", "a secret");
                members = text.parse::<Body>().unwrap().into();
            }
            Flaw::CutsLongBodies => members.values_mut().for_each(|value| {
                if let Value::String(text) = value {
                    text.truncate(4_096);
                }
            }),
            Flaw::DropsUnknownMembers => members.retain(|name, _| name != "from_the_future"),
            _ => {}
        }
        Body::from(members)
    }

    fn version(&self, id: WriteId, body: &Body, count: u64) -> Version {
        match self.flaw {
            Flaw::CounterForVersion => Version::from(WriteId::from_bits(count.into())),
            Flaw::DigestForVersion => {
                let mut digest = DefaultHasher::new();
                body.to_string().hash(&mut digest);
                Version::from(WriteId::from_bits(digest.finish().into()))
            }
            Flaw::AnotherVersionEachTime => Version::at(id, count),
            _ => Version::from(id),
        }
    }

    fn until(&self, keep_for: Duration) -> Option<Instant> {
        match self.flaw {
            Flaw::ForgetsAfterKeeping => Instant::now().checked_add(keep_for),
            // An absolute time, by a clock that is five minutes slow.
            Flaw::ForgetsBySkewedClock => {
                Instant::now().checked_add(keep_for.saturating_sub(Duration::from_secs(300)))
            }
            _ => None,
        }
    }

    async fn swap_in_store(
        &self,
        key: &str,
        expected: Option<Version>,
        id: WriteId,
        body: &Body,
        keep_for: Duration,
    ) -> Result<Swap<Body>, StoreError> {
        let seen = self.current(&self.store().items, key);
        if self.is(Flaw::ReadsThenWrites) {
            yield_now().await;
        }
        let mut store = self.store();
        let current = match self.flaw {
            Flaw::ReadsThenWrites => seen,
            _ => self.current(&store.items, key),
        };
        let mut version = current.as_ref().and_then(|item| item.version);
        if self.is(Flaw::SwapsOnACache) {
            version = *self.cache.lock().unwrap().entry(key.to_owned()).or_insert(version);
        }
        if self.is(Flaw::OnlyUpdates) && current.is_none() {
            return Ok(Swap::Conflict(None));
        }
        if self.is(Flaw::ForeignBlocks) && current.is_some() && version.is_none() {
            return Ok(Swap::Conflict(None));
        }
        let mine = current.as_ref().is_some_and(|item| item.id == id && item.version.is_some());
        let mine = mine || self.is(Flaw::RemembersEveryId) && store.ids.contains(&id);
        match self.flaw {
            Flaw::NoIdempotency | Flaw::AnotherVersionEachTime => {}
            Flaw::ComparesFirst if version != expected => {}
            _ if mine => {
                return Ok(Swap::Applied(version.unwrap_or(Version::from(id))));
            }
            _ => {}
        }
        let again = mine && self.is(Flaw::AnotherVersionEachTime);
        let count = current.as_ref().map_or(0, |item| item.count) + 1;
        let body = self.kept(body, current.as_ref());
        let next = Item {
            version: Some(self.version(id, &body, count)),
            id,
            count,
            until: self.until(keep_for),
            body: Ok(body),
        };
        if version != expected && !self.is(Flaw::BlindWrite) && !again {
            match self.flaw {
                Flaw::AppliesConflicts => drop(store.items.insert(key.to_owned(), next)),
                Flaw::AppliesConflictsLater => {
                    let soon = Instant::now() + Duration::from_millis(60);
                    store.later = Some((soon, key.to_owned(), next));
                }
                _ => {}
            }
            self.cache.lock().unwrap().remove(key);
            let carried = current.filter(|_| !self.is(Flaw::ConflictCarriesNothing));
            return Ok(Swap::Conflict(carried.and_then(|item| self.record(item))));
        }
        let applied = next.version.unwrap();
        store.ids.insert(id);
        if let Some(before) = current {
            store.replica.insert(key.to_owned(), before);
        }
        if !self.is(Flaw::LosesWrites) {
            store.items.insert(key.to_owned(), next);
        }
        self.cache.lock().unwrap().insert(key.to_owned(), Some(applied));
        Ok(Swap::Applied(applied))
    }

    /// One member each time that the task runs.
    async fn write_piece_by_piece(&self, key: &str, body: &Body) {
        let mut members = serde_json::Map::new();
        for (name, value) in body.as_ref() {
            members.insert(name.clone(), value.clone());
            if let Some(item) = self.store().items.get_mut(key) {
                item.body = Ok(Body::from(members.clone()));
            }
            yield_now().await;
        }
    }
}

fn floats(value: &mut Value) {
    match value {
        Value::Number(number) => *value = json!(number.as_f64()),
        Value::Array(values) => values.iter_mut().for_each(floats),
        Value::Object(members) => members.values_mut().for_each(floats),
        _ => {}
    }
}

fn failed(kind: StoreErrorKind) -> StoreError {
    StoreError::new("mutant", kind, "the injected fault")
}

#[async_trait]
impl Register for Mutant {
    async fn read(&self, key: &RecordKey) -> Result<Option<Versioned<Body>>, StoreError> {
        let fault = self.fault.lock().unwrap().take();
        match fault {
            Some(Fault::Hang | Fault::HangAfter) if self.is(Flaw::Blocks) => {
                std::thread::sleep(Duration::from_secs(1));
            }
            Some(Fault::Hang | Fault::HangAfter) => std::future::pending().await,
            _ => {}
        }
        let key = self.key(key);
        let store = self.store();
        let items = match self.flaw {
            Flaw::ReadsAReplica if store.replica.contains_key(&key) => &store.replica,
            Flaw::ReadsWhatWasDeleted if !store.items.contains_key(&key) => &store.replica,
            _ => &store.items,
        };
        let item = self.current(items, &key);
        drop(store);
        if item.as_ref().is_some_and(|item| item.body.is_err() && item.version.is_some())
            && self.is(Flaw::CorruptionIsAnError)
        {
            return Err(failed(StoreErrorKind::Invalid));
        }
        let mut record = item.and_then(|item| self.record(item));
        if self.is(Flaw::NothingIsARecord) {
            let nothing = Versioned::new(Body::default(), Version::from(WriteId::from_bits(0)));
            record.get_or_insert(nothing);
        }
        let version = record.as_ref().map(|record| record.version);
        self.cache.lock().unwrap().insert(key, version);
        Ok(record)
    }

    async fn swap(
        &self,
        key: &RecordKey,
        expected: Option<Version>,
        id: WriteId,
        body: &Body,
        keep_for: Duration,
    ) -> Result<Swap<Body>, StoreError> {
        let key = self.key(key);
        let fault = self.fault.lock().unwrap().take();
        match fault {
            Some(Fault::Hang | Fault::HangAfter) if self.is(Flaw::Blocks) => {
                std::thread::sleep(Duration::from_secs(1));
            }
            Some(Fault::Hang | Fault::HangAfter) => std::future::pending().await,
            Some(Fault::LoseRequest) if self.is(Flaw::LostRequestIsApplied) => {
                return Ok(Swap::Applied(Version::from(id)));
            }
            Some(Fault::LoseRequest) => return Err(failed(StoreErrorKind::Ambiguous)),
            Some(Fault::Refuse | Fault::Throttle | Fault::Deny) => {
                if self.is(Flaw::RefusalThatWrites) {
                    self.swap_in_store(&key, expected, id, body, keep_for).await?;
                }
                return Err(failed(StoreErrorKind::Unavailable));
            }
            _ => {}
        }
        if self.is(Flaw::LeavesALock) {
            if std::mem::replace(&mut self.store().locked, true) {
                return Err(failed(StoreErrorKind::Unavailable));
            }
            yield_now().await;
        }
        let swap = self.swap_in_store(&key, expected, id, body, keep_for).await;
        if self.is(Flaw::LeavesALock) {
            self.store().locked = false;
        }
        if self.is(Flaw::WritesPieceByPiece) && matches!(swap, Ok(Swap::Applied(_))) {
            self.write_piece_by_piece(&key, body).await;
        }
        match fault {
            Some(Fault::LoseReply) if self.is(Flaw::LostReplyIsAConflict) => {
                Ok(Swap::Conflict(None))
            }
            Some(Fault::LoseReply) => Err(failed(StoreErrorKind::Ambiguous)),
            _ => swap,
        }
    }

    fn poll_policy(&self) -> PollPolicy {
        PollPolicy::default()
    }
}
