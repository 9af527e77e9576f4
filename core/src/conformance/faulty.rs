use std::{
    collections::VecDeque,
    fmt,
    future::pending,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tokio::time::sleep;

use super::Fault;
use crate::{
    StoreError, StoreErrorKind,
    chance::Chance,
    register::{Body, PollPolicy, RecordKey, Register, Swap, Version, Versioned, WriteId},
};

/// A register whose operations fail on request.
///
/// Set faults for single operations with [`script`](Self::script), for all later operations with
/// [`always`](Self::always), or draw them from a seed with [`random`](Self::random). Clones share the
/// faults.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use funcify_backend_memory::MemoryBackend;
/// use funcify_core::{
///     StoreErrorKind,
///     circuit::CircuitStateProvider,
///     conformance::{Fault, Faulty},
///     register::RetryingRegister,
/// };
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let faulty = Faulty::new(Arc::new(MemoryBackend::default()));
/// let store = RetryingRegister::new(faulty.clone());
/// let circuit = "auth0".parse().unwrap();
///
/// faulty.script([Fault::Refuse, Fault::Refuse]);
/// assert!(store.circuit_state(&circuit).await.unwrap().is_none()); // at the third attempt
/// assert_eq!(faulty.reads(), 3);
///
/// faulty.always(Fault::Deny);
/// let error = store.circuit_state(&circuit).await.unwrap_err();
/// assert_eq!(error.kind(), StoreErrorKind::Denied);
/// # });
/// ```
pub struct Faulty<R: ?Sized> {
    state: Arc<Mutex<State>>,
    store: Arc<R>,
}

#[derive(Default)]
struct State {
    script: VecDeque<Fault>,
    afterwards: Afterwards,
    late: Vec<Late>,
    reads: u64,
    swaps: u64,
}

#[derive(Default)]
enum Afterwards {
    #[default]
    Pass,
    Always(Fault),
    Random {
        chance: Chance,
        rate: f64,
    },
}

/// A write that arrives later.
struct Late {
    after: u32,
    write: Write,
}

#[derive(Clone)]
struct Write {
    key: RecordKey,
    expected: Option<Version>,
    id: WriteId,
    body: Body,
    keep_for: Duration,
}

impl<R: Register + ?Sized> Faulty<R> {
    /// Wraps a register. Nothing fails until a fault is set.
    #[must_use]
    pub fn new(store: Arc<R>) -> Self {
        Self { state: Arc::default(), store }
    }

    /// Sets the faults of the next operations, in this order. They follow those of earlier scripts.
    pub fn script(&self, faults: impl IntoIterator<Item = Fault>) {
        self.state().script.extend(faults);
    }

    /// Sets the fault of every operation after the script.
    pub fn always(&self, fault: Fault) {
        self.state().afterwards = Afterwards::Always(fault);
    }

    /// Sets random faults, drawn from `seed`, for the fraction `rate` (0 to 1) of the operations after the
    /// script. No operation hangs or is denied.
    pub fn random(&self, seed: u64, rate: f64) {
        self.state().afterwards = Afterwards::Random { chance: Chance::seeded(seed), rate };
    }

    /// Removes all faults. Writes that are late still arrive.
    pub fn heal(&self) {
        let mut state = self.state();
        state.script.clear();
        state.afterwards = Afterwards::Pass;
    }

    /// Returns how many reads were requested.
    #[must_use]
    pub fn reads(&self) -> u64 {
        self.state().reads
    }

    /// Returns how many swaps were requested.
    #[must_use]
    pub fn swaps(&self) -> u64 {
        self.state().swaps
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends the late writes that are due. Then applies the part of the fault that comes before the store.
    async fn before_the_store(&self, fault: Fault, due: Vec<Write>) -> Result<(), StoreError> {
        for Write { key, expected, id, body, keep_for } in due {
            // The caller of a late write no longer waits for its answer.
            let _ = self.store.swap(&key, expected, id, &body, keep_for).await;
        }
        match fault {
            Fault::Delay(time) => sleep(time).await,
            Fault::Hang => pending().await,
            Fault::Refuse => return Err(failed(StoreErrorKind::Unavailable, fault)),
            Fault::Throttle => return Err(failed(StoreErrorKind::Throttled, fault)),
            Fault::Deny => return Err(failed(StoreErrorKind::Denied, fault)),
            Fault::Pass
            | Fault::LoseRequest
            | Fault::LoseReply
            | Fault::HangAfter
            | Fault::Late { .. }
            | Fault::Duplicate { .. } => {}
        }
        Ok(())
    }
}

#[async_trait]
impl<R: Register + ?Sized> Register for Faulty<R> {
    async fn read(&self, key: &RecordKey) -> Result<Option<Versioned<Body>>, StoreError> {
        let (fault, due) = self.state().next_read();
        self.before_the_store(fault, due).await?;
        match fault {
            Fault::LoseRequest | Fault::LoseReply | Fault::Late { .. } => {
                Err(failed(StoreErrorKind::Unavailable, fault))
            }
            Fault::HangAfter => pending().await,
            _ => self.store.read(key).await,
        }
    }

    async fn swap(
        &self,
        key: &RecordKey,
        expected: Option<Version>,
        id: WriteId,
        body: &Body,
        keep_for: Duration,
    ) -> Result<Swap<Body>, StoreError> {
        let write = Write { key: key.clone(), expected, id, body: body.clone(), keep_for };
        let (fault, due) = self.state().next_swap(write);
        self.before_the_store(fault, due).await?;
        if matches!(fault, Fault::LoseRequest | Fault::Late { .. }) {
            return Err(failed(StoreErrorKind::Ambiguous, fault));
        }
        let swap = self.store.swap(key, expected, id, body, keep_for).await;
        match fault {
            Fault::LoseReply => Err(failed(StoreErrorKind::Ambiguous, fault)),
            Fault::HangAfter => pending().await,
            _ => swap,
        }
    }

    fn poll_policy(&self) -> PollPolicy {
        self.store.poll_policy()
    }
}

impl<R: ?Sized> Clone for Faulty<R> {
    fn clone(&self) -> Self {
        Self { state: Arc::clone(&self.state), store: Arc::clone(&self.store) }
    }
}

impl State {
    fn next_read(&mut self) -> (Fault, Vec<Write>) {
        self.reads += 1;
        (self.next_fault(), self.due())
    }

    fn next_swap(&mut self, write: Write) -> (Fault, Vec<Write>) {
        self.swaps += 1;
        let (fault, due) = (self.next_fault(), self.due());
        if let Fault::Late { later } | Fault::Duplicate { later } = fault {
            self.late.push(Late { after: later, write });
        }
        (fault, due)
    }

    fn next_fault(&mut self) -> Fault {
        self.script.pop_front().unwrap_or_else(|| match &self.afterwards {
            Afterwards::Pass => Fault::Pass,
            Afterwards::Always(fault) => *fault,
            Afterwards::Random { chance, rate } if chance.draw() < *rate => draw(chance),
            Afterwards::Random { .. } => Fault::Pass,
        })
    }

    /// Returns the late writes that arrive before this operation.
    fn due(&mut self) -> Vec<Write> {
        let (due, late) =
            std::mem::take(&mut self.late).into_iter().partition(|late| late.after == 0);
        self.late = late;
        for late in &mut self.late {
            late.after -= 1;
        }
        let due: Vec<Late> = due;
        due.into_iter().map(|late| late.write).collect()
    }
}

fn draw(chance: &Chance) -> Fault {
    match chance.bits() % 7 {
        0 => Fault::LoseRequest,
        1 => Fault::LoseReply,
        2 => Fault::Refuse,
        3 => Fault::Throttle,
        4 => Fault::Delay(chance.up_to(Duration::from_millis(20))),
        5 => Fault::Late { later: 1 + (chance.bits() % 5) as u32 },
        _ => Fault::Duplicate { later: 1 + (chance.bits() % 5) as u32 },
    }
}

fn failed(kind: StoreErrorKind, fault: Fault) -> StoreError {
    StoreError::new("faulty", kind, format!("the injected fault {fault:?}"))
}

impl<R: fmt::Debug + ?Sized> fmt::Debug for Faulty<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faulty").field("store", &&*self.store).finish_non_exhaustive()
    }
}
