use std::{fmt, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep, timeout_at};

use super::{
    Body, PollPolicy, Record, RecordKey, RecordName, Register, Swap, Version, Versioned, WriteId,
    decode, encode,
    health::{Health, Started},
    metrics::StoreSeries,
    time_limits::{Advice, TimeLimits},
};
use crate::{
    Deadline, DeadlineExceeded, StoreError, StoreErrorKind,
    chance::Chance,
    clock::{Clock, SystemClock},
};

/// The base and the cap of the back-off with full jitter, 10 ms and 100 ms (Brooker: *Exponential Backoff
/// And Jitter*, AWS 2015). The cap leaves time for several attempts within one operation.
const BACK_OFF_BASE: Duration = Duration::from_millis(10);
const BACK_OFF_CAP: Duration = Duration::from_millis(100);

/// A store with retries and time limits. It wraps a [`Register`], which sends each request only once.
///
/// An attempt that was not applied is retried. An ambiguous write is sent again with the same id. The
/// operation ends after 500 ms or at the deadline of the invocation, whichever comes first. A store that is
/// far away sets another limit in [`PollPolicy::timeout`]. Until the first operation on the store is over,
/// the limit is 2 s, or twice `timeout` if that is more, because the first operation also connects.
///
/// If the store does not answer during a whole operation, the store is down, unless the operation is an
/// ambiguous write. For one second, operations then fail at once with the kind `Unavailable` or `Timeout`.
/// After that, one operation at a time is tried until the store answers.
///
/// A throttled operation is not retried here. The caller's next operation is the retry, at the caller's
/// own rate and with its own jitter. If this type retried each operation, one call of a fleet that is too
/// fast for its store would become ten, and the store would stay overloaded.
///
/// Create one value for each store. Clones share the store and the knowledge whether it is down.
///
/// # Examples
///
/// ```
/// use funcify_backend_memory::MemoryBackend;
/// use funcify_core::{
///     circuit::CircuitRecord,
///     register::{RetryingRegister, Swap, WriteId},
/// };
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let store = RetryingRegister::new(MemoryBackend::default());
/// let name = "auth0".parse()?;
///
/// let record = CircuitRecord::default();
/// let swap = store.swap_record(&name, None, WriteId::random(), &record).await?;
/// assert!(matches!(swap, Swap::Applied(_)));
/// assert_eq!(store.read_record(&name).await?.map(|found| found.value), Some(record));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct RetryingRegister {
    register: Arc<dyn Register>,
    health: Arc<Health>,
    series: Arc<StoreSeries>,
}

impl RetryingRegister {
    /// Wraps a store. This does not access the store.
    #[must_use]
    pub fn new(register: impl Register) -> Self {
        Self { register: Arc::new(register), health: Arc::default(), series: Arc::default() }
    }

    /// Sets the name of the backend in the metrics, such as `redis`. The default is `custom`.
    #[doc(hidden)]
    #[must_use]
    pub fn of_backend(self, backend: &'static str) -> Self {
        Self { series: Arc::new(StoreSeries::new(backend)), ..self }
    }

    /// Reads the record of type `T` at `name`. `None` if there is none. A corrupt record is read as the empty
    /// record.
    ///
    /// # Errors
    ///
    /// The last error of the store once the time is up. If the store throttled the request, denied it, or can
    /// never accept it, the error is returned at once. [`StoreErrorKind::Timeout`] if less than 50 ms of the
    /// invocation are left; the operation is not started then.
    pub async fn read_record<T: Record>(
        &self,
        name: &RecordName,
    ) -> Result<Option<Versioned<T>>, StoreError> {
        let key = RecordKey::of::<T>(name.clone());
        Ok(self.start(&key)?.read().await?.map(decode))
    }

    /// Replaces the record of type `T` at `name` by `next` if its version is still `expected`. With `None`
    /// there must be no record yet.
    ///
    /// An ambiguous attempt is repeated with the same `id`. Reading the record instead would prove nothing,
    /// because the first attempt may still arrive. A conflict after an ambiguous attempt is ambiguous too,
    /// because the other write may have replaced this one. An attempt that was not applied is repeated after
    /// a read of the record, unless the store throttled it.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Ambiguous`] if the write may have been applied. After any other error it was not.
    /// [`StoreErrorKind::Invalid`] if `next` cannot be stored, because it is not a JSON object or has more
    /// than 400 KB. Otherwise the errors of [`read_record`](Self::read_record).
    pub async fn swap_record<T: Record>(
        &self,
        name: &RecordName,
        expected: Option<Version>,
        id: WriteId,
        next: &T,
    ) -> Result<Swap<T>, StoreError> {
        let key = RecordKey::of::<T>(name.clone());
        let operation = self.start(&key)?;
        let keep_for = next.keep_for(SystemClock.now());
        let write = Write { expected, id, body: &encode(next)?, keep_for };
        Ok(operation.swap(&write).await?.decode())
    }

    pub(crate) fn poll_policy(&self) -> PollPolicy {
        self.register.poll_policy()
    }

    fn start<'a>(&'a self, key: &'a RecordKey) -> Result<Operation<'a>, StoreError> {
        let policy = self.poll_policy();
        let is_connected = self.health.is_connected();
        let limit = if is_connected { policy.timeout } else { policy.first_timeout() };
        let began = Instant::now();
        let (mut ends, mut is_cut_short) = (began + limit, false);
        if let Some(deadline) = Deadline::current() {
            if deadline.ends().saturating_duration_since(began) < Deadline::LEAST {
                return Err(StoreError::new("store", StoreErrorKind::Timeout, DeadlineExceeded));
            }
            is_cut_short = deadline.ends() < ends;
            ends = ends.min(deadline.ends());
        }
        let started = self.health.start(began, ends)?;
        Ok(Operation { store: self, key, started, began, ends, is_cut_short, is_over: false })
    }
}

/// One operation on the record at `key`.
struct Operation<'a> {
    store: &'a RetryingRegister,
    key: &'a RecordKey,
    started: Started,
    began: Instant,
    ends: Instant,
    /// Whether the deadline of the invocation ends it before the store has had all of its time.
    is_cut_short: bool,
    /// Whether it ended by itself. Otherwise its caller gave it up.
    is_over: bool,
}

/// The arguments of a swap.
struct Write<'a> {
    expected: Option<Version>,
    id: WriteId,
    body: &'a Body,
    keep_for: Duration,
}

impl Operation<'_> {
    async fn read(mut self) -> Result<Option<Versioned<Body>>, StoreError> {
        let found = self.read_with_retries().await;
        self.store.series.read(&found, self.began);
        self.over(found.as_ref().err());
        found
    }

    async fn swap(mut self, write: &Write<'_>) -> Result<Swap<Body>, StoreError> {
        let swapped = self.swap_with_retries(write).await;
        self.store.series.swapped(&swapped, self.began);
        self.over(swapped.as_ref().err());
        swapped
    }

    /// Ends the operation. If it failed although it had all of its time, the store may be down.
    fn over(&mut self, error: Option<&StoreError>) {
        self.is_over = true;
        if let Some(error) = error.filter(|error| is_retried(error) && !self.is_cut_short) {
            self.store.health.failed(error, self.started);
        }
    }

    async fn read_with_retries(&self) -> Result<Option<Versioned<Body>>, StoreError> {
        let mut attempts = 0;
        loop {
            let error = match self.try_read().await {
                Ok(found) => return Ok(found),
                Err(error) => error,
            };
            if !is_retried(&error) || !Box::pin(self.back_off(&mut attempts)).await {
                return Err(error);
            }
        }
    }

    async fn swap_with_retries(&self, write: &Write<'_>) -> Result<Swap<Body>, StoreError> {
        let mut attempts = 0;
        let mut ambiguous: Option<StoreError> = None;
        loop {
            let error = match (self.try_swap(write).await, ambiguous.take()) {
                (Ok(Swap::Conflict(_)), Some(ambiguous)) => return Err(ambiguous),
                (Ok(swap), _) => return Ok(swap),
                (Err(error), before) => Failed::of(error, before),
            };
            if !error.is_retried || !Box::pin(self.back_off(&mut attempts)).await {
                return Err(error.answer);
            }
            if error.answer.kind() == StoreErrorKind::Ambiguous {
                ambiguous = Some(error.answer);
                continue;
            }
            if let Some(current) = Box::pin(self.changed(write.expected)).await? {
                return Ok(Swap::Conflict(current));
            }
            // The read may have taken the rest of the time.
            if !self.has_time_at(Instant::now()) {
                return Err(error.answer);
            }
        }
    }

    /// Reads the record, and returns it if its version is not `expected`. A read that fails for the moment
    /// proves nothing.
    async fn changed(
        &self,
        expected: Option<Version>,
    ) -> Result<Option<Option<Versioned<Body>>>, StoreError> {
        match self.try_read().await {
            Ok(current) => {
                let is_changed = current.as_ref().map(|found| found.version) != expected;
                Ok(is_changed.then_some(current))
            }
            Err(error) if is_retried(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn try_read(&self) -> Result<Option<Versioned<Body>>, StoreError> {
        let read = timeout_at(self.ends, self.register().read(self.key)).await;
        self.heard(read.unwrap_or_else(|_| Err(self.out_of_time(StoreErrorKind::Timeout))))
    }

    /// The register itself: that of the `Arc` would allocate a future of its own.
    fn register(&self) -> &dyn Register {
        &*self.store.register
    }

    async fn try_swap(&self, write: &Write<'_>) -> Result<Swap<Body>, StoreError> {
        let Write { expected, id, body, keep_for } = *write;
        let swap = self.register().swap(self.key, expected, id, body, keep_for);
        let swap = timeout_at(self.ends, swap).await;
        self.heard(swap.unwrap_or_else(|_| Err(self.out_of_time(StoreErrorKind::Ambiguous))))
    }

    /// Notes it if the store has answered.
    fn heard<T>(&self, answer: Result<T, StoreError>) -> Result<T, StoreError> {
        if answer.as_ref().err().is_none_or(|error| !is_retried(error)) {
            self.store.health.answered();
        }
        answer
    }

    fn out_of_time(&self, kind: StoreErrorKind) -> StoreError {
        if self.is_cut_short {
            return StoreError::new("store", kind, DeadlineExceeded);
        }
        let limits = TimeLimits::default().with_timeout(self.store.poll_policy().timeout);
        StoreError::new("store", kind, TimeIsUp { advice: limits.advice() })
    }

    /// Sleeps with full jitter. If there is no time for another attempt, returns `false` and does not sleep.
    async fn back_off(&self, attempts: &mut u32) -> bool {
        let bound = BACK_OFF_CAP.min(BACK_OFF_BASE * 2_u32.saturating_pow((*attempts).min(8)));
        *attempts = attempts.saturating_add(1);
        // The draw uses fresh entropy, because copies of one process image must not retry at the same time.
        let wake = Instant::now() + Chance::from_entropy().up_to(bound);
        if !self.has_time_at(wake) {
            return false;
        }
        sleep(wake - Instant::now()).await;
        true
    }

    fn has_time_at(&self, moment: Instant) -> bool {
        moment + Deadline::LEAST <= self.ends
    }
}

impl Drop for Operation<'_> {
    /// Ends the operation even if its caller gave it up.
    fn drop(&mut self) {
        self.store.health.ended(!self.is_over || self.is_cut_short);
    }
}

/// The error of an attempt, combined with those of the attempts before it.
struct Failed {
    /// The error that the caller gets if this was the last attempt.
    answer: StoreError,
    is_retried: bool,
}

impl Failed {
    /// Combines an error with an earlier ambiguous one. After an ambiguous attempt the operation stays
    /// ambiguous, whatever error a later attempt has.
    fn of(error: StoreError, ambiguous: Option<StoreError>) -> Self {
        let is_retried = is_retried(&error);
        let is_ambiguous = error.kind() == StoreErrorKind::Ambiguous;
        let answer = ambiguous.filter(|_| !is_ambiguous).unwrap_or(error);
        Self { answer, is_retried }
    }
}

/// Whether the same request may succeed in a few milliseconds.
fn is_retried(error: &StoreError) -> bool {
    error.is_transient() && !error.is_throttled()
}

/// The store has not answered within the time of one operation.
#[derive(Debug)]
struct TimeIsUp {
    advice: Advice,
}

impl fmt::Display for TimeIsUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no answer within the time of an operation; {}", self.advice)
    }
}

impl std::error::Error for TimeIsUp {}
