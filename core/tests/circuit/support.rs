//! A store on virtual time, a clock that moves with that time, and breakers that use both.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use funcify_core::{
    StoreError, StoreErrorKind, Timestamp,
    circuit::{
        CircuitBreaker, CircuitError, CircuitPolicy, CircuitRecord, CircuitState,
        CircuitStateProvider, CountRule, StoreDown,
    },
    engine::{Chance, Clock, circuit::Rule, decode, encode},
    register::{PollPolicy, RecordName, Swap, Version, Versioned, WriteId},
};
use tokio::time::Instant;

pub(crate) use funcify_core::engine::VirtualClock;

/// The time at which a test begins.
pub(crate) const START: Timestamp = VirtualClock::START;

pub(crate) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// How the store behaves, or fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Up,
    /// For half a second after a write, reads return the record before it.
    Stale,
    /// Every operation fails at once.
    Down,
    /// No operation ends.
    Hung,
}

#[derive(Debug)]
pub(crate) struct Store {
    held: Mutex<Option<Versioned<CircuitRecord>>>,
    before: Mutex<Option<Versioned<CircuitRecord>>>,
    written: Mutex<Option<Instant>>,
    mode: Mutex<Mode>,
    latency: Duration,
    pub(crate) reads: AtomicUsize,
    pub(crate) writes: AtomicUsize,
    pub(crate) conflicts: AtomicUsize,
    /// The states that were written, in order, each with its epoch.
    pub(crate) states: Mutex<Vec<(CircuitState, u64)>>,
}

impl Store {
    pub(crate) fn new() -> Arc<Self> {
        Self::with_latency(millis(5))
    }

    pub(crate) fn with_latency(latency: Duration) -> Arc<Self> {
        Arc::new(Self {
            held: Mutex::default(),
            before: Mutex::default(),
            written: Mutex::default(),
            mode: Mutex::new(Mode::Up),
            latency,
            reads: AtomicUsize::new(0),
            writes: AtomicUsize::new(0),
            conflicts: AtomicUsize::new(0),
            states: Mutex::default(),
        })
    }

    pub(crate) fn set_mode(&self, mode: Mode) {
        *self.mode.lock().unwrap() = mode;
    }

    pub(crate) fn operations(&self) -> usize {
        [&self.reads, &self.writes, &self.conflicts].iter().map(|n| n.load(Ordering::SeqCst)).sum()
    }

    pub(crate) fn record(&self) -> CircuitRecord {
        self.held.lock().unwrap().clone().map(|held| held.value).unwrap_or_default()
    }

    /// Replaces the record, as another program would.
    pub(crate) fn inject(&self, record: CircuitRecord) {
        *self.held.lock().unwrap() = Some(Versioned::new(record, Version::from(WriteId::random())));
    }

    pub(crate) fn flush(&self) {
        *self.held.lock().unwrap() = None;
    }

    async fn behave(&self) -> Result<(), StoreError> {
        let mode = *self.mode.lock().unwrap();
        match mode {
            Mode::Up | Mode::Stale => {
                tokio::time::sleep(self.latency).await;
                Ok(())
            }
            Mode::Down => Err(StoreError::new("test", StoreErrorKind::Unavailable, "down")),
            Mode::Hung => std::future::pending().await,
        }
    }
}

#[async_trait]
impl CircuitStateProvider for Store {
    fn poll_policy(&self) -> PollPolicy {
        PollPolicy::default()
    }

    async fn circuit_state(
        &self,
        _: &RecordName,
    ) -> Result<Option<Versioned<CircuitRecord>>, StoreError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        self.behave().await?;
        let young = self.written.lock().unwrap().is_some_and(|at| at.elapsed() < millis(500));
        let stale = young && *self.mode.lock().unwrap() == Mode::Stale;
        let shown = if stale { &self.before } else { &self.held };
        Ok(shown.lock().unwrap().clone())
    }

    async fn update_state(
        &self,
        _: &RecordName,
        expected: Option<Version>,
        id: WriteId,
        next: &CircuitRecord,
    ) -> Result<Swap<CircuitRecord>, StoreError> {
        self.behave().await?;
        let mut held = self.held.lock().unwrap();
        if held.as_ref().map(|held| held.version) != expected {
            self.conflicts.fetch_add(1, Ordering::SeqCst);
            return Ok(Swap::Conflict(held.clone()));
        }
        self.writes.fetch_add(1, Ordering::SeqCst);
        let mut states = self.states.lock().unwrap();
        if states.last() != Some(&(next.state, next.epoch)) {
            states.push((next.state, next.epoch));
        }
        // Convert the record to its stored form and back, as a real store does.
        let version = Version::from(id);
        self.before.lock().unwrap().clone_from(&held);
        *self.written.lock().unwrap() = Some(Instant::now());
        *held = Some(decode(Versioned::new(encode(next).unwrap(), version)));
        Ok(Swap::Applied(version))
    }
}

/// Returns an empty record with the changes of `change`.
pub(crate) fn record(change: impl FnOnce(&mut CircuitRecord)) -> CircuitRecord {
    let mut record = CircuitRecord::default();
    change(&mut record);
    record
}

/// Creates a breaker on `store`, with a clock that moves with tokio's time and with its own seed.
pub(crate) fn breaker(
    store: &Arc<Store>,
    policy: CircuitPolicy,
    clock: Arc<dyn Clock>,
) -> CircuitBreaker {
    static SEED: AtomicU64 = AtomicU64::new(1);
    let seed = SEED.fetch_add(1, Ordering::Relaxed);
    let store: Arc<dyn CircuitStateProvider> = Arc::clone(store) as _;
    CircuitBreaker::new("auth0", policy, store)
        .unwrap()
        .with_clock(clock)
        .with_chance(Chance::seeded(seed))
        .with_instance(format!("i{seed}"))
}

/// Creates a fleet of breakers on one store and one clock.
pub(crate) fn fleet(
    store: &Arc<Store>,
    policy: &CircuitPolicy,
    size: usize,
) -> Vec<CircuitBreaker> {
    let clock = VirtualClock::new();
    (0..size).map(|_| breaker(store, policy.clone(), Arc::clone(&clock) as _)).collect()
}

pub(crate) async fn fail(circuit: &CircuitBreaker) -> Result<(), CircuitError<&'static str>> {
    circuit.call(async || Err("refused")).await
}

pub(crate) async fn succeed(circuit: &CircuitBreaker) -> Result<(), CircuitError<&'static str>> {
    circuit.call(async || Ok(())).await
}

pub(crate) fn is_refused<T, E>(result: &Result<T, CircuitError<E>>) -> bool {
    matches!(result, Err(CircuitError::Open(_)))
}

/// Opens for ten seconds at five failures within a minute. A call may take ten seconds too.
pub(crate) fn five_a_minute() -> CircuitPolicy {
    let mut policy = CircuitPolicy::new(CountRule::new(5, seconds(60)));
    policy.call_timeout = seconds(10);
    with_probes(with_open_duration(policy, seconds(10), seconds(40)), 1, 2)
}

/// The same policy, but the first failure opens the circuit. It is for tests of what follows.
pub(crate) fn touchy() -> CircuitPolicy {
    with_rule(five_a_minute(), CountRule::new(1, seconds(60)))
}

/// The same policy with another rule.
pub(crate) fn with_rule(policy: CircuitPolicy, rule: impl Into<Rule>) -> CircuitPolicy {
    changed(policy, |policy| policy.rule = rule.into())
}

/// The same policy with other durations.
pub(crate) fn with_open_duration(
    policy: CircuitPolicy,
    first: Duration,
    longest: Duration,
) -> CircuitPolicy {
    changed(policy, |policy| {
        (policy.open_duration, policy.max_open_duration) = (first, longest);
    })
}

/// The same policy with other probes.
pub(crate) fn with_probes(policy: CircuitPolicy, probes: u32, successes: u32) -> CircuitPolicy {
    changed(policy, |policy| (policy.probes, policy.successes) = (probes, successes))
}

/// The same policy with other snapshots.
pub(crate) fn with_snapshot_ttl(policy: CircuitPolicy, ttl: Duration) -> CircuitPolicy {
    changed(policy, |policy| {
        (policy.snapshot_ttl, policy.snapshot_ttl_after_failure) = (ttl, ttl);
    })
}

/// The same policy with another `store_down`.
pub(crate) fn with_store_down(policy: CircuitPolicy, store_down: StoreDown) -> CircuitPolicy {
    changed(policy, |policy| policy.store_down = store_down)
}

fn changed(mut policy: CircuitPolicy, change: impl FnOnce(&mut CircuitPolicy)) -> CircuitPolicy {
    change(&mut policy);
    policy
}

/// Opens at `failures` failures within a minute, from `quorum` instances.
pub(crate) fn by_quorum(failures: u32, quorum: u32) -> CountRule {
    let mut rule = CountRule::new(failures, seconds(60));
    rule.quorum = quorum;
    rule
}
