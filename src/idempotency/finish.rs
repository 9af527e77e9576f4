//! Step: store the answer, or free the key.

use std::{sync::Arc, time::Duration};

use funcify_core::{
    Deadline, StoreErrorKind, Timestamp,
    engine::{Clock, LostClaim, PendingReport, decide_lost, error_chain},
    idempotency::IdempotencyRecord,
    register::{RecordName, Swap, Version, WriteId},
};
use tokio::{
    runtime::Handle,
    time::{Instant, sleep},
};

use super::shared::{Shared, is_transient};

/// How long to try to store an answer outside of an invocation.
const REPORT: Duration = Duration::from_secs(5);

/// How often an answer is written anew if the store keeps losing the record of a claim that has not ended.
const MOST_LOSSES: u32 = 3;

/// A claim that this process holds. If it is dropped while the work runs, the key is freed.
pub(super) struct Held {
    pub(super) shared: Arc<Shared>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) retention: Duration,
    pub(super) name: RecordName,
    pub(super) version: Version,
    pub(super) record: IdempotencyRecord,
    pub(super) ends: Instant,
    pub(super) ends_by_wall_clock: Timestamp,
    pub(super) is_open: bool,
}

pub(super) enum Completed {
    /// The output of this call is the answer.
    Here,
    /// The answer is that of another call. `None` if it was not kept.
    Elsewhere(Option<String>),
    Superseded,
}

impl Held {
    pub(super) fn fence(&self) -> i64 {
        self.record.fence
    }

    pub(super) fn attempt(&self) -> u32 {
        self.record.attempt
    }

    /// Stores the answer. The write is repeated until the deadline for reports.
    pub(super) async fn complete(mut self, answer: Option<String>) -> Completed {
        // The work is done: from here on, nothing may free the key.
        self.is_open = false;
        let _pending = PendingReport::begin();
        let deadline =
            Deadline::current().map_or_else(|| Deadline::within(REPORT), Deadline::for_report);
        deadline.scope(self.store_answer(answer, deadline)).await
    }

    async fn store_answer(&self, answer: Option<String>, deadline: Deadline) -> Completed {
        let (shared, name) = (&*self.shared, &self.name);
        let complete =
            |answer| self.record.clone().completed(answer, self.retention, self.clock.now());
        let mut next = complete(answer);
        let (mut expected, mut id, mut losses) = (Some(self.version), WriteId::random(), 0);
        loop {
            let error = match shared.store.write(name, expected, id, &next).await {
                Ok(Swap::Applied(_)) => return Completed::Here,
                Ok(Swap::Conflict(stored)) => {
                    let record = stored.as_ref().map(|stored| &stored.value);
                    match decide_lost(record, &self.record, self.stands(), self.clock.now()) {
                        LostClaim::WriteAnew if losses < MOST_LOSSES => {
                            losses += 1;
                            tracing::warn!(
                                key = %name,
                                "the store lost the record of a claim that has not ended"
                            );
                            (expected, id) =
                                (stored.map(|stored| stored.version), WriteId::random());
                            continue;
                        }
                        LostClaim::Answered => {
                            shared.counters.superseded.increment();
                            tracing::warn!(key = %name, "another call completed the same work");
                            return Completed::Elsewhere(
                                stored.and_then(|stored| stored.value.answer),
                            );
                        }
                        LostClaim::WriteAnew | LostClaim::Superseded => {
                            shared.counters.superseded.increment();
                            tracing::warn!(key = %name, "another call took the key over");
                            return Completed::Superseded;
                        }
                    }
                }
                Err(error) => error,
            };
            shared.counters.store_errors.increment();
            if error.kind() == StoreErrorKind::Invalid && next.answer.is_some() {
                let error = error_chain(&error);
                tracing::warn!(key = %name, error, "the store cannot hold an answer, it is not kept");
                (next, id) = (complete(None), WriteId::random());
                continue;
            }
            let pause = shared.poll.interval(&shared.chance).min(deadline.remaining() / 2);
            if !is_transient(&error) || deadline.remaining() < pause + Deadline::LEAST {
                shared.counters.not_remembered.increment();
                let error = error_chain(&error);
                tracing::error!(key = %name, error, "work was done and its answer was not remembered");
                // Once the claim is over, another call may have done the work with another answer.
                return if self.stands() { Completed::Here } else { Completed::Superseded };
            }
            sleep(pause).await;
        }
    }

    /// Frees the key. If that fails, the key becomes free when the claim ends.
    pub(super) async fn release(mut self) {
        self.is_open = false;
        let _pending = PendingReport::begin();
        let deadline =
            Deadline::current().map_or_else(|| Deadline::within(REPORT), Deadline::for_report);
        deadline.scope(self.store_release()).await;
    }

    async fn store_release(&self) {
        let counters = &self.shared.counters;
        let released = self.record.clone().released(self.clock.now());
        let id = WriteId::random();
        match self.shared.store.write(&self.name, Some(self.version), id, &released).await {
            Ok(Swap::Applied(_)) => {
                counters.released.increment();
                tracing::debug!(key = %self.name, "key released");
            }
            // Another call has the key by now.
            Ok(Swap::Conflict(_)) => counters.superseded.increment(),
            Err(error) => {
                counters.store_errors.increment();
                let error = error_chain(&error);
                tracing::warn!(key = %self.name, error, "a key was not released, its claim ends by itself");
            }
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if !std::mem::take(&mut self.is_open) {
            return;
        }
        let Ok(runtime) = Handle::try_current() else { return };
        let held = Self {
            shared: Arc::clone(&self.shared),
            clock: Arc::clone(&self.clock),
            name: self.name.clone(),
            record: self.record.clone(),
            is_open: false,
            ..*self
        };
        runtime.spawn(async move {
            Deadline::within(REPORT).scope(held.store_release()).await;
        });
    }
}
