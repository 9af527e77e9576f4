//! The breaker, split by step: admit a call, run it, report how it went; and what happens when the
//! store is down or an operator steps in.

mod admit;
mod call;
mod gate;
mod guard;
mod operator;
mod outage;
mod queue;
mod report;
mod snapshot;
mod store;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicBool},
};

use arc_swap::ArcSwap;

pub(super) use call::by_result;
pub use guard::Guard;

use self::{gate::Gate, queue::Queue, snapshot::Snapshot};
use super::{
    CircuitConfigError, CircuitEvent, CircuitName, CircuitPolicy, CircuitRecord,
    CircuitStateProvider, Instance, Probe,
    event::{self, Listener},
    rules::CallOutcome,
};
use crate::{Chance, Clock, SystemClock};

/// A circuit breaker whose state the whole fleet shares.
///
/// Cheap to clone; the clones are one breaker. A healthy call costs a look at a local snapshot, a
/// refused one does not touch the store, and there is no background task: a frozen function misses
/// nothing.
///
/// # Examples
///
/// ```
/// # use funcify_core::{StoreError, circuit::*, register::*};
/// # #[derive(Debug, Default)]
/// # struct Memory(std::sync::Mutex<Option<Versioned<CircuitRecord>>>);
/// # #[async_trait::async_trait]
/// # impl CircuitStateProvider for Memory {
/// #     async fn circuit_state(&self, _: &CircuitName) -> Result<Option<Versioned<CircuitRecord>>, StoreError> {
/// #         Ok(self.0.lock().unwrap().clone())
/// #     }
/// #     async fn update_state(&self, _: &CircuitName, expected: Option<Version>, id: WriteId, next: &CircuitRecord)
/// #         -> Result<Swap<CircuitRecord>, StoreError> {
/// #         let mut record = self.0.lock().unwrap();
/// #         if record.as_ref().map(|current| current.version) != expected {
/// #             return Ok(Swap::Conflict(record.clone()));
/// #         }
/// #         *record = Some(Versioned::new(next.clone(), Version::new(id)));
/// #         Ok(Swap::Applied(Version::new(id)))
/// #     }
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
    /// What the snapshot says to nearly every call, at the price of a few loads.
    gate: Gate,
    /// Held while a new snapshot is made of the current one; never across an await.
    changing: Mutex<()>,
    /// Held across the read of a stale snapshot and the lease that may follow: of all the calls that
    /// find it stale, one looks. A waiter that is dropped leaves nothing behind.
    looking: tokio::sync::Mutex<()>,
    /// Failures that wait for a report to take them along.
    reports: Queue,
    /// The lease of a probe whose call said nothing: the next call's.
    spare: Mutex<Option<Probe>>,
    /// Whether the store was never asked: its first operation also connects.
    first: AtomicBool,
}

#[derive(Clone)]
struct Settings {
    name: CircuitName,
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
    /// # Errors
    ///
    /// [`CircuitConfigError`] with everything that is wrong with the name and the policy.
    pub fn new(
        name: impl AsRef<str>,
        policy: CircuitPolicy,
        provider: Arc<dyn CircuitStateProvider>,
    ) -> Result<Self, CircuitConfigError> {
        let faults = policy.faults();
        let name = match (CircuitName::new(name), faults.is_empty()) {
            (Ok(name), true) => name,
            (name, _) => return Err(CircuitConfigError { name: name.err(), policy: faults }),
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

    /// Reads the time from `clock`. Like every `with_*`, it begins with an empty snapshot.
    #[must_use]
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        Self::of(Settings { clock, ..self.settings().clone() })
    }

    /// Draws from `chance`: seeded, a simulation can be repeated.
    #[must_use]
    pub fn with_chance(self, chance: Chance) -> Self {
        Self::of(Settings { chance: Arc::new(chance), ..self.settings().clone() })
    }

    /// Signs failures with `instance`, as a quorum of instances tells them apart.
    #[must_use]
    pub fn with_instance(self, instance: Instance) -> Self {
        Self::of(Settings { instance, ..self.settings().clone() })
    }

    /// Tells `listener` of events, at once and on the task that saw them.
    #[must_use]
    pub fn with_listener(
        self,
        listener: impl Fn(&CircuitName, &CircuitEvent) + Send + Sync + 'static,
    ) -> Self {
        Self::of(Settings { listener: Some(Arc::new(listener)), ..self.settings().clone() })
    }

    /// The name of the circuit.
    #[must_use]
    pub fn name(&self) -> &CircuitName {
        &self.settings().name
    }

    /// The policy of the circuit.
    #[must_use]
    pub fn policy(&self) -> &CircuitPolicy {
        &self.settings().policy
    }

    /// What this process knows of the circuit, as fresh as a call would see it.
    pub async fn record(&self) -> Arc<CircuitRecord> {
        if !self.shared.snapshot.load().is_fresh(self.now()) {
            let _one_at_a_time = self.looking().await;
            self.look().await;
        }
        Arc::clone(&self.shared.snapshot.load().record)
    }

    fn of(settings: Settings) -> Self {
        Self {
            shared: Arc::new(Shared {
                settings,
                snapshot: ArcSwap::from_pointee(Snapshot::none()),
                gate: Gate::default(),
                changing: Mutex::new(()),
                looking: tokio::sync::Mutex::new(()),
                reports: Queue::default(),
                spare: Mutex::new(None),
                first: AtomicBool::new(true),
            }),
        }
    }

    fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    fn now(&self) -> crate::Timestamp {
        self.settings().clock.now()
    }

    fn tell(&self, event: &CircuitEvent) {
        event::tell(self.name(), self.settings().listener.as_ref(), event);
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

/// Locks a mutex whose content is whole at any moment: a panic elsewhere does not spoil it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
