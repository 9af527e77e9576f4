//! Whether a store answers, as the operations of this process have found: once one of them has waited in
//! vain, the others do not wait too.

use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::{StoreError, StoreErrorKind, error_chain::error_chain};

/// How long no operation is started after one that got no answer, 1 s. It is the shortest pause between
/// two tries of a circuit, so a circuit that tries the store again does reach it.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Health {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Whether the first operation is over.
    is_connected: bool,
    /// How often the store has answered.
    answers: u64,
    down: Option<Down>,
}

/// An operation under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Started {
    /// How often the store had answered before.
    answers: u64,
}

/// The store gave no answer to a whole operation.
#[derive(Debug)]
struct Down {
    /// Until then no operation is started.
    until: Instant,
    failure: NotTried,
}

/// An operation that was not started, because the one before it got no answer.
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
    /// Whether an operation was finished before. If not, this one may take the time to connect.
    pub(super) fn is_connected(&self) -> bool {
        self.lock().is_connected
    }

    /// Starts an operation that takes until `ends` at most. While the store is down there is one at a
    /// time, a second after the one before it.
    ///
    /// # Errors
    ///
    /// That it is not tried.
    pub(super) fn start(&self, ends: Instant) -> Result<Started, StoreError> {
        let now = Instant::now();
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

    /// The store answered, if only to refuse.
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

    /// An operation has used all of its time and failed. If the store has answered nobody meanwhile, it
    /// is down.
    pub(super) fn failed(&self, error: &StoreError, operation: Started) {
        let kind = error.kind();
        // Only a read can tell what became of the write, so it is let through.
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

    /// An operation is over, however it ended. If it was given up, another may try at once.
    pub(super) fn ended(&self, was_given_up: bool) {
        let mut state = self.lock();
        state.is_connected = true;
        if let Some(down) = state.down.as_mut().filter(|_| was_given_up) {
            down.until = down.until.min(Instant::now());
        }
    }

    /// No code that holds the lock can leave the state half updated, so a panic does not matter.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
