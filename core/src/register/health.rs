//! Whether a store answers, as far as the operations of this process have found out. Once one of them has
//! waited without an answer, the others fail at once instead of waiting too.

use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::{StoreError, StoreErrorKind, error_chain::error_chain};

/// How long no operation is started after one that got no answer, 1 s. A circuit waits at least as long
/// before it tries the store again, so its try is not refused here.
const PAUSE: Duration = Duration::from_secs(1);

/// What the operations of this process have found out about one store.
#[derive(Debug, Default)]
pub(super) struct Health {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Whether an operation has ended before.
    is_connected: bool,
    /// How often the store has answered so far.
    answers: u64,
    down: Option<Down>,
}

/// An operation that has been started.
#[derive(Clone, Copy, Debug)]
pub(super) struct Started {
    /// How often the store had answered before the operation started.
    answers: u64,
}

/// The store did not answer during a whole operation.
#[derive(Debug)]
struct Down {
    /// No operation is started before this time.
    until: Instant,
    failure: NotTried,
}

/// The error of an operation that was not started, because an earlier one got no answer.
#[derive(Clone, Debug)]
pub(super) struct NotTried {
    backend: &'static str,
    kind: StoreErrorKind,
    before: String,
}

impl fmt::Display for NotTried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not tried, because it did not answer a moment ago ({})", self.before)
    }
}

impl std::error::Error for NotTried {}

impl Health {
    /// Whether an operation has ended before. If not, the next one gets additional time to connect.
    pub(super) fn is_connected(&self) -> bool {
        self.lock().is_connected
    }

    /// Starts an operation `now` that ends at `ends` at the latest. While the store is down, one operation is
    /// started at a time, at the earliest a second after the last one failed.
    ///
    /// # Errors
    ///
    /// The last error of the store if the operation must not be started now.
    pub(super) fn start(&self, now: Instant, ends: Instant) -> Result<Started, StoreError> {
        let mut state = self.lock();
        match &mut state.down {
            Some(down) if now < down.until => {
                let failure = down.failure.clone();
                return Err(StoreError::new(failure.backend, failure.kind, failure));
            }
            Some(down) => down.until = ends,
            None => {}
        }
        Ok(Started { answers: state.answers })
    }

    /// Notes that the store answered. A refusal is an answer too.
    pub(super) fn answered(&self) {
        let was_down = {
            let mut state = self.lock();
            state.answers = state.answers.wrapping_add(1);
            state.down.take()
        };
        if let Some(Down { failure, .. }) = was_down {
            tracing::info!(store = failure.backend, "the store answers again");
        }
    }

    /// Notes that an operation has used all of its time and failed. If the store has not answered any other
    /// operation meanwhile, it is down.
    pub(super) fn failed(&self, error: &StoreError, operation: Started) {
        let kind = error.kind();
        // Only a read can find out what became of the write, so the next operation must be started.
        if kind == StoreErrorKind::Ambiguous {
            return;
        }
        let is_news = {
            let mut state = self.lock();
            if state.answers != operation.answers {
                return;
            }
            let failure = NotTried { backend: error.backend(), kind, before: error_chain(error) };
            let until = Instant::now() + PAUSE;
            state.down.replace(Down { until, failure }).is_none()
        };
        if is_news {
            let (store, error) = (error.backend(), error_chain(error));
            tracing::warn!(store, error, "the store does not answer");
        }
    }

    /// Notes that an operation is over, however it ended. After one that was given up, another may be
    /// started at once.
    pub(super) fn ended(&self, was_given_up: bool) {
        let mut state = self.lock();
        state.is_connected = true;
        if let Some(down) = state.down.as_mut().filter(|_| was_given_up) {
            down.until = down.until.min(Instant::now());
        }
    }

    /// Locks the state. A panic cannot leave the state half updated, so a poisoned lock is used as it is.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
