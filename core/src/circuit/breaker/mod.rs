//! The breaker, split by step: [`admit`] a call, [`run`] it, [`report`] how it went. Beside them
//! stand what a process knows of the circuit ([`snapshot`]), the operations on the [`store`] and what
//! happens when they fail, and the override of an [`operator`].

mod admit;
mod batch;
mod lock;
mod metrics;
mod operator;
mod report;
mod run;
mod snapshot;
mod store;

use std::{
    fmt,
    sync::{Arc, Mutex, atomic::AtomicBool},
};

use arc_swap::ArcSwap;

pub use self::run::Guard;
use self::{
    batch::ReportQueue,
    metrics::CircuitSeries,
    snapshot::{FastPath, Snapshot},
};
use super::{
    CircuitConfigError, CircuitEvent, CircuitPolicy, CircuitRecord, CircuitStateProvider, Instance,
    Probe,
    event::{self, Listener},
};
use crate::{Chance, Clock, SystemClock, register::RecordName};

/// A circuit breaker whose state the whole fleet shares.
///
/// A breaker is cheap to clone, and its clones are one breaker. A healthy call reads a snapshot in
/// memory, and a refused call does not use the store. There is no background task, so a function that
/// is frozen misses nothing.
///
/// # Examples
///
/// ```
/// # use funcify_core::{StoreError, circuit::*, register::*};
/// # #[derive(Debug, Default)]
/// # struct Memory(std::sync::Mutex<Option<Versioned<CircuitRecord>>>);
/// # #[async_trait::async_trait]
/// # impl CircuitStateProvider for Memory {
/// #     async fn circuit_state(&self, _: &RecordName) -> Result<Option<Versioned<CircuitRecord>>, StoreError> {
/// #         Ok(self.0.lock().unwrap().clone())
/// #     }
/// #     async fn update_state(&self, _: &RecordName, expected: Option<Version>, id: WriteId, next: &CircuitRecord)
/// #         -> Result<Swap<CircuitRecord>, StoreError> {
/// #         let mut record = self.0.lock().unwrap();
/// #         if record.as_ref().map(|current| current.version) != expected {
/// #             return Ok(Swap::Conflict(record.clone()));
/// #         }
/// #         *record = Some(Versioned::new(next.clone(), Version::from(id)));
/// #         Ok(Swap::Applied(Version::from(id)))
/// #     }
/// #     fn poll_policy(&self) -> PollPolicy { PollPolicy::default() }
/// # }
/// # let store = std::sync::Arc::new(Memory::default());
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// use funcify_core::circuit::{CircuitBreaker, CircuitError, CircuitPolicy};
///
/// // `store` is any `Arc<dyn CircuitStateProvider>`: every register is one.
/// let circuit = CircuitBreaker::new("auth0", CircuitPolicy::for_token_endpoint(), store)?;
/// for _ in 0..3 {
///     let _ = circuit.call(async || Err::<(), _>("connection refused")).await;
/// }
/// match circuit.call(async || Ok::<_, &str>("token")).await {
///     Err(CircuitError::Open(open)) => assert!(open.retry_after.as_secs() > 200),
///     other => panic!("expected a refusal, got {other:?}"),
/// }
/// # Ok::<(), funcify_core::circuit::CircuitConfigError>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct CircuitBreaker {
    shared: Arc<Shared>,
}

/// What the clones of a breaker share.
struct Shared {
    settings: Settings,
    snapshot: ArcSwap<Snapshot>,
    /// What the snapshot decides about nearly every call, at the price of a few loads.
    fast_path: FastPath,
    /// Held while a new snapshot replaces the current one; never across an await.
    changing: Mutex<()>,
    /// Held across the read for a stale snapshot and the lease that may follow: of all the calls that
    /// find it stale, one reads. A dropped waiter leaves nothing behind.
    refreshing: tokio::sync::Mutex<()>,
    /// Reports that wait for the leader of a batch.
    reports: ReportQueue,
    /// The lease of a probe whose call recorded nothing. The next call uses it.
    parked_lease: Mutex<Option<Probe>>,
    /// Whether the store was not asked yet: the first operation also connects.
    is_first_operation: AtomicBool,
    /// What is counted.
    series: CircuitSeries,
}

#[derive(Clone)]
struct Settings {
    name: RecordName,
    policy: CircuitPolicy,
    provider: Arc<dyn CircuitStateProvider>,
    clock: Arc<dyn Clock>,
    chance: Arc<Chance>,
    instance: Instance,
    listener: Option<Listener>,
}

impl CircuitBreaker {
    /// A breaker for the circuit `name`, with its state in `provider`.
    ///
    /// `name` is 1 to 64 of `A-Z a-z 0-9 _ . -`, the same in every function of the fleet.
    ///
    /// # Errors
    ///
    /// [`CircuitConfigError`] with everything that is wrong with the name and the policy.
    pub fn new(
        name: impl AsRef<str>,
        policy: CircuitPolicy,
        provider: Arc<dyn CircuitStateProvider>,
    ) -> Result<Self, CircuitConfigError> {
        let faults = policy.faults();
        let name = match (RecordName::try_from(name.as_ref()), faults.is_empty()) {
            (Ok(name), true) => name,
            (name, _) => return Err(CircuitConfigError::new(name.err(), faults)),
        };
        Ok(Self::of(Settings {
            name,
            policy,
            provider,
            clock: Arc::new(SystemClock),
            chance: Arc::new(Chance::from_entropy()),
            instance: Instance::random(),
            listener: None,
        }))
    }

    /// Calls `listener` with each event, on the task that saw it. The listener must not block.
    ///
    /// The breaker that is returned starts with an empty snapshot.
    ///
    /// # Examples
    ///
    /// ```
    /// # use funcify_core::circuit::CircuitBreaker;
    /// # fn observe(circuit: CircuitBreaker) -> CircuitBreaker {
    /// circuit.with_listener(|circuit, event| println!("{circuit}: {event}"))
    /// # }
    /// ```
    #[must_use]
    pub fn with_listener(
        self,
        listener: impl Fn(&RecordName, &CircuitEvent) + Send + Sync + 'static,
    ) -> Self {
        Self::of(Settings { listener: Some(Arc::new(listener)), ..self.settings().clone() })
    }

    /// Reads the time from `clock`. As every `with_*`, it starts with an empty snapshot.
    #[doc(hidden)]
    #[must_use]
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        Self::of(Settings { clock, ..self.settings().clone() })
    }

    /// Draws from `chance`: with a seed, a simulation can be repeated.
    #[doc(hidden)]
    #[must_use]
    pub fn with_chance(self, chance: Chance) -> Self {
        Self::of(Settings { chance: Arc::new(chance), ..self.settings().clone() })
    }

    /// Marks failures with the last eight legal characters of `tag`, by which a quorum tells instances
    /// apart. A breaker has a random tag unless it gets another.
    #[doc(hidden)]
    #[must_use]
    pub fn with_instance(self, tag: impl AsRef<str>) -> Self {
        Self::of(Settings { instance: Instance::new(tag), ..self.settings().clone() })
    }

    /// The name of the circuit.
    #[doc(hidden)]
    #[must_use]
    pub fn name(&self) -> &RecordName {
        &self.settings().name
    }

    /// The record of the circuit, as fresh as a call would see it.
    ///
    /// While the store is down this is the record of this process.
    pub async fn record(&self) -> Arc<CircuitRecord> {
        if !self.shared.snapshot.load().is_fresh(self.now()) {
            let _one_at_a_time = self.refreshing().await;
            self.refresh().await;
        }
        Arc::clone(&self.shared.snapshot.load().record)
    }

    fn of(settings: Settings) -> Self {
        Self {
            shared: Arc::new(Shared {
                settings,
                snapshot: ArcSwap::from_pointee(Snapshot::none()),
                fast_path: FastPath::new(),
                changing: Mutex::new(()),
                refreshing: tokio::sync::Mutex::new(()),
                reports: ReportQueue::default(),
                parked_lease: Mutex::new(None),
                is_first_operation: AtomicBool::new(true),
                series: CircuitSeries::default(),
            }),
        }
    }

    fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    fn policy(&self) -> &CircuitPolicy {
        &self.settings().policy
    }

    fn instance(&self) -> Instance {
        self.settings().instance
    }

    fn now(&self) -> crate::Timestamp {
        self.settings().clock.now()
    }

    fn emit(&self, event: &CircuitEvent) {
        event::emit(self.name(), self.settings().listener.as_ref(), event);
    }
}

impl fmt::Debug for CircuitBreaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitBreaker")
            .field("name", self.name())
            .field("provider", &self.settings().provider)
            .field("instance", &self.settings().instance)
            .finish_non_exhaustive()
    }
}
