use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use tokio::time::{Instant, sleep, timeout_at};

use super::{Body, RecordKey, Register, Swap, Version, Versioned, WriteId};
use crate::{Chance, Deadline, DeadlineExceeded, StoreError, StoreErrorKind};

/// How long one whole read or write may take, with all its retries.
pub const OPERATION: Duration = Duration::from_millis(500);

/// The same for the first operation of a process, which also connects.
pub(crate) const FIRST_OPERATION: Duration = Duration::from_secs(2);

/// The cap of the full-jitter back-off (Brooker: *Exponential Backoff And Jitter*, AWS 2015).
const BACK_OFF_CAP: Duration = Duration::from_millis(100);
const BACK_OFF_BASE: Duration = Duration::from_millis(10);

/// Whether this process still has its first operation to do: one flag a kind of record, because
/// tokens and circuits may stand in different stores, each with a connection of its own to make.
static FIRST_TOKEN: AtomicBool = AtomicBool::new(true);
static FIRST_CIRCUIT: AtomicBool = AtomicBool::new(true);

/// One operation on a one-shot [`Register`], carried to its end: retried while it was not applied,
/// sent again with the same id while it is ambiguous, never past its deadline.
///
/// What was throttled is not retried here. The next operation is the retry, at the pace of whoever
/// asks, which has its own jitter: repeated within the operation, each call of a fleet that is too
/// fast for its store would become ten, and the store would stay overwhelmed.
///
/// The provider traits use it for every register; use it directly to talk to a register as they do.
#[derive(Debug)]
pub struct RetryingRegister<'a, R: ?Sized> {
    register: &'a R,
    key: &'a RecordKey,
    ends: Instant,
    chance: Chance,
}

impl<'a, R: Register + ?Sized> RetryingRegister<'a, R> {
    /// An operation on the record at `key` that ends after 500 ms (2 s for the first of a process)
    /// or with the invocation, whichever is first.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Timeout`] with less than 50 ms left: nothing is started then.
    pub fn new(register: &'a R, key: &'a RecordKey) -> Result<Self, StoreError> {
        let first = match key {
            RecordKey::Token(_) => &FIRST_TOKEN,
            RecordKey::Circuit(_) => &FIRST_CIRCUIT,
        };
        let budget = if first.load(Ordering::Relaxed) && first.swap(false, Ordering::Relaxed) {
            FIRST_OPERATION
        } else {
            OPERATION
        };
        Self::within(register, key, budget, Chance::from_entropy())
    }

    /// The same with a budget and a chance of one's own.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Timeout`] with less than 50 ms left of the invocation.
    pub fn within(
        register: &'a R,
        key: &'a RecordKey,
        budget: Duration,
        chance: Chance,
    ) -> Result<Self, StoreError> {
        let mut ends = Instant::now() + budget;
        if let Some(deadline) = Deadline::current() {
            if deadline.remaining() < Deadline::LEAST {
                return Err(out_of_time(StoreErrorKind::Timeout));
            }
            ends = ends.min(deadline.ends());
        }
        Ok(Self { register, key, ends, chance })
    }

    /// Reads the record, again after an error that may be over in a moment.
    ///
    /// # Errors
    ///
    /// The last error of the store once the time is up; at once one that says to stay away: throttled,
    /// denied, invalid.
    pub async fn read(&self) -> Result<Option<Versioned<Body>>, StoreError> {
        let mut attempt = 0;
        loop {
            let error = match timeout_at(self.ends, self.register.read(self.key)).await {
                Ok(Ok(found)) => return Ok(found),
                Ok(Err(error)) if !is_retried(&error) => return Err(error),
                Ok(Err(error)) => error,
                Err(_) => return Err(out_of_time(StoreErrorKind::Timeout)),
            };
            if !self.back_off(&mut attempt).await {
                return Err(error);
            }
        }
    }

    /// Swaps the record.
    ///
    /// An ambiguous attempt is repeated with the same `id`: reading again would prove nothing, for
    /// the first may land later. A conflict after that is ambiguous too, for our write may be what
    /// the other one replaced. An attempt that was not applied is repeated after a look at the
    /// record, unless the store throttled it.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Ambiguous`] if the write may have been applied; otherwise the last error.
    pub async fn swap(
        &self,
        expected: Option<Version>,
        id: WriteId,
        body: &Body,
        keep_for: Duration,
    ) -> Result<Swap<Body>, StoreError> {
        let mut attempt = 0;
        let mut ambiguous = None;
        loop {
            let swap = self.register.swap(self.key, expected, id, body, keep_for);
            let refused = match timeout_at(self.ends, swap).await {
                Ok(Ok(Swap::Applied(version))) => return Ok(Swap::Applied(version)),
                Ok(Ok(conflict)) => return ambiguous.map_or(Ok(conflict), Err),
                Ok(Err(error)) if error.kind() == StoreErrorKind::Ambiguous => {
                    ambiguous = Some(error);
                    None
                }
                Ok(Err(error)) if is_retried(&error) => Some(error),
                Ok(Err(error)) => return Err(ambiguous.unwrap_or(error)),
                Err(_) => {
                    return Err(ambiguous.unwrap_or_else(|| out_of_time(StoreErrorKind::Ambiguous)));
                }
            };
            let time_is_left = self.back_off(&mut attempt).await;
            let Some(refused) = refused.filter(|_| ambiguous.is_none()) else {
                match ambiguous {
                    Some(error) if !time_is_left => return Err(error),
                    _ => continue,
                }
            };
            if !time_is_left {
                return Err(refused);
            }
            match timeout_at(self.ends, self.register.read(self.key)).await {
                Ok(Ok(current)) if current.as_ref().map(|found| found.version) != expected => {
                    return Ok(Swap::Conflict(current));
                }
                Ok(Err(error)) if !is_retried(&error) => return Err(error),
                _ => {}
            }
            // The look may have taken all the time there was.
            if Instant::now() + Deadline::LEAST > self.ends {
                return Err(refused);
            }
        }
    }

    /// Sleeps with full jitter; `false` if the time is up by then.
    async fn back_off(&self, attempt: &mut u32) -> bool {
        let bound = BACK_OFF_CAP.min(BACK_OFF_BASE * 2_u32.saturating_pow((*attempt).min(8)));
        *attempt = attempt.saturating_add(1);
        let wake = Instant::now() + self.chance.up_to(bound);
        if wake + Deadline::LEAST > self.ends {
            return false;
        }
        sleep(wake - Instant::now()).await;
        true
    }
}

/// Whether the same call may succeed in a few milliseconds.
fn is_retried(error: &StoreError) -> bool {
    error.is_transient() && error.kind() != StoreErrorKind::Throttled
}

fn out_of_time(kind: StoreErrorKind) -> StoreError {
    StoreError::new("settle", kind, DeadlineExceeded)
}
