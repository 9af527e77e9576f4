//! The breaker, with a file for each step: [`admit`] a call, [`run`] it, [`report`] its outcome. Other
//! files contain the copy of the record in memory ([`snapshot`]), the operations on the [`store`] and what
//! happens when they fail, and the actions of an [`operator`].

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
/// A breaker is cheap to clone, and all clones are the same breaker. A call through a closed circuit
/// reads a snapshot in memory. A refused call does not use the store either, except for one read per
/// process every few seconds. A breaker needs no background task, so it works in a function that Lambda
/// freezes between invocations.
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
/// // `store` is an `Arc<dyn CircuitStateProvider>`, such as `Stores::circuits` of `funcify`.
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
    /// The decision of the snapshot about nearly every call. Reading it takes a few atomic loads.
    fast_path: FastPath,
    /// Held while a new snapshot replaces the current one, and never across an await.
    changing: Mutex<()>,
    /// Held during the read that replaces a stale snapshot, and while a lease is taken after it. So only
    /// one of the calls that find the snapshot stale reads the store.
    refreshing: tokio::sync::Mutex<()>,
    /// The reports that wait to be written. See [`batch`].
    reports: ReportQueue,
    /// The lease of a probe whose call had no outcome. The next call uses this lease.
    parked_lease: Mutex<Option<Probe>>,
    /// Whether the next operation on the store is the first one, which also opens the connection.
    is_first_operation: AtomicBool,
    /// The metrics of the circuit.
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
    /// Creates a breaker for the circuit `name`, whose state is stored in `provider`.
    ///
    /// `name` is 1 to 64 of the characters `A-Z a-z 0-9 _ . -`. Use the same name and the same policy in
    /// every function of the fleet. This does not access the store.
    ///
    /// # Errors
    ///
    /// [`CircuitConfigError`] lists everything that is wrong with the name and the policy.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use funcify_core::circuit::{
    ///     CircuitBreaker, CircuitConfigError, CircuitPolicy, CircuitStateProvider,
    /// };
    ///
    /// fn warehouse(store: Arc<dyn CircuitStateProvider>) -> Result<CircuitBreaker, CircuitConfigError> {
    ///     CircuitBreaker::new("warehouse", CircuitPolicy::default(), store)
    /// }
    /// # let _ = warehouse;
    /// ```
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
    /// The returned breaker starts without a snapshot, so call this before you use or clone the breaker.
    ///
    /// # Examples
    ///
    /// ```
    /// use funcify_core::circuit::{CircuitBreaker, CircuitEvent};
    ///
    /// fn observe(circuit: CircuitBreaker) -> CircuitBreaker {
    ///     circuit.with_listener(|circuit, event| {
    ///         if let CircuitEvent::Opened { .. } = event {
    ///             println!("the circuit {circuit} {event}");
    ///         }
    ///     })
    /// }
    /// # let _ = observe;
    /// ```
    #[must_use]
    pub fn with_listener(
        self,
        listener: impl Fn(&RecordName, &CircuitEvent) + Send + Sync + 'static,
    ) -> Self {
        Self::of(Settings { listener: Some(Arc::new(listener)), ..self.settings().clone() })
    }

    /// Reads the time from `clock`. The returned breaker starts without a snapshot.
    #[doc(hidden)]
    #[must_use]
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        Self::of(Settings { clock, ..self.settings().clone() })
    }

    /// Draws random numbers from `chance`. With a seed, a simulation can be repeated. The returned breaker
    /// starts without a snapshot.
    #[doc(hidden)]
    #[must_use]
    pub fn with_chance(self, chance: Chance) -> Self {
        Self::of(Settings { chance: Arc::new(chance), ..self.settings().clone() })
    }

    /// Marks failures with the last eight legal characters of `tag`, by which a quorum tells instances
    /// apart. The default is a random tag. The returned breaker starts without a snapshot.
    #[doc(hidden)]
    #[must_use]
    pub fn with_instance(self, tag: impl AsRef<str>) -> Self {
        Self::of(Settings { instance: Instance::new(tag), ..self.settings().clone() })
    }

    /// Returns the name of the circuit.
    #[doc(hidden)]
    #[must_use]
    pub fn name(&self) -> &RecordName {
        &self.settings().name
    }

    /// Returns the record of the circuit, which is as fresh as the one that a call would use.
    ///
    /// While the store is down, this is the record that this process keeps for itself.
    ///
    /// # Examples
    ///
    /// ```
    /// use funcify_core::circuit::{CircuitBreaker, CircuitState};
    ///
    /// async fn is_open(circuit: &CircuitBreaker) -> bool {
    ///     circuit.record().await.state == CircuitState::Open
    /// }
    /// # let _ = is_open;
    /// ```
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
