//! Step: claim the key, or wait for the answer of the call that has claimed it.

use std::{sync::Arc, time::Duration};

use funcify_core::{
    Deadline, StoreError, StoreErrorKind,
    engine::{Claimant, Clock, KeyDecision, decide_key},
    idempotency::{IdempotencyPolicy, IdempotencyRecord},
    register::{Swap, Version, Versioned, WriteId},
};
use tokio::time::{Instant, sleep_until};

use super::{
    error::Refusal,
    finish::Held,
    key::Key,
    shared::{Shared, is_transient},
};

/// A call gives up after this many conflicts. Only a broken store produces so many.
const MOST_CONFLICTS: u32 = 100;

pub(super) enum Acquired {
    /// This call does the work.
    Claim(Held),
    /// Another call did the work. `None` if its answer was not kept.
    Answer(Option<String>),
}

/// One call with one key.
pub(super) struct Call<'a> {
    pub(super) shared: &'a Arc<Shared>,
    pub(super) policy: &'a IdempotencyPolicy,
    pub(super) clock: &'a Arc<dyn Clock>,
    pub(super) key: &'a Key,
    pub(super) fingerprint: &'a str,
}

impl Call<'_> {
    pub(super) async fn acquire(&self, reads_first: bool) -> Result<Acquired, Refusal> {
        let (shared, counters) = (self.shared, &self.shared.counters);
        let (key, fingerprint) = (self.key, self.fingerprint);
        let mut stored = match reads_first {
            true => self.read().await.map_err(Refusal::Unclaimed)?,
            false => None,
        };
        let mut began = Instant::now();
        let wait_ends = self.wait_ends(began);
        let (mut watch, mut conflicts, mut has_waited) = (None, 0, false);
        loop {
            let length = self.time_left().ok_or(Refusal::Deadline)?;
            let now = self.clock.now();
            let version = stored.as_ref().map(|stored| stored.version);
            let since = watched_since(&mut watch, version, began);
            let claimant = Claimant { fingerprint, length, watched: began - since };
            let nothing = IdempotencyRecord::default();
            let record = stored.as_ref().map_or(&nothing, |stored| &stored.value);
            match decide_key(record, &claimant, now) {
                KeyDecision::Replay => {
                    counters.replayed.increment();
                    tracing::debug!(key = %key.0, waited = has_waited, "answer replayed");
                    return Ok(Acquired::Answer(stored.and_then(|stored| stored.value.answer)));
                }
                KeyDecision::Mismatch => {
                    counters.mismatches.increment();
                    tracing::warn!(key = %key.0, "an idempotency key was used with another payload");
                    return Err(Refusal::Mismatch);
                }
                KeyDecision::Claim(record) => {
                    let write = shared.store.write(&key.0, version, WriteId::random(), &record);
                    match write.await {
                        Ok(Swap::Applied(version)) => {
                            counters.executions.increment();
                            if record.attempt > 1 {
                                counters.takeovers.increment();
                                let attempt = record.attempt;
                                tracing::info!(key = %key.0, attempt, "key claimed again");
                            }
                            let held = self.held(version, *record, began, length);
                            return Ok(Acquired::Claim(held));
                        }
                        Ok(Swap::Conflict(current)) if conflicts < MOST_CONFLICTS => {
                            conflicts += 1;
                            stored = current;
                        }
                        Ok(Swap::Conflict(_)) => {
                            let kind = StoreErrorKind::Unavailable;
                            let error = StoreError::new("store", kind, "every write conflicts");
                            return Err(self.unclaimed(error));
                        }
                        Err(error) => return Err(self.unclaimed(error)),
                    }
                }
                KeyDecision::Wait { until } => {
                    let left = until.since(now);
                    if began >= wait_ends {
                        counters.in_progress.increment();
                        let retry_after = self.come_back(left);
                        return Err(Refusal::InProgress { retry_after });
                    }
                    if !std::mem::replace(&mut has_waited, true) {
                        counters.waited.increment();
                    }
                    // The last reads are at the end of the claim and at the end of the wait.
                    let poll = began + shared.poll.interval(&shared.chance).min(left);
                    sleep_until(poll.min(wait_ends)).await;
                    match self.read().await {
                        Ok(current) => stored = current,
                        // The store may recover before the wait is over.
                        Err(error) if is_transient(&error) => {}
                        Err(error) => return Err(Refusal::Unclaimed(error)),
                    }
                }
            }
            began = Instant::now();
        }
    }

    async fn read(&self) -> Result<Option<Versioned<IdempotencyRecord>>, StoreError> {
        let read = self.shared.store.read(&self.key.0).await;
        if read.is_err() {
            self.shared.counters.store_errors.increment();
        }
        read
    }

    fn unclaimed(&self, error: StoreError) -> Refusal {
        self.shared.counters.store_errors.increment();
        Refusal::Unclaimed(error)
    }

    /// How long a claim of this call may last. Returns `None` if there is no time left to work.
    fn time_left(&self) -> Option<Duration> {
        let longest = self.policy.longest_claim;
        let Some(deadline) = Deadline::current() else { return Some(longest) };
        let has_time = deadline.remaining() >= Deadline::LEAST;
        has_time.then(|| deadline.for_report().remaining().min(longest))
    }

    /// How long a caller that gets `InProgress` should wait before it calls again.
    fn come_back(&self, left: Duration) -> Duration {
        const SECOND: Duration = Duration::from_secs(1);
        left.min(self.policy.wait.max(SECOND))
    }

    fn held(
        &self,
        version: Version,
        record: IdempotencyRecord,
        began: Instant,
        length: Duration,
    ) -> Held {
        Held {
            shared: Arc::clone(self.shared),
            clock: Arc::clone(self.clock),
            retention: self.policy.retention,
            name: self.key.0.clone(),
            version,
            ends: began + length,
            ends_by_wall_clock: record.since + length,
            record,
            is_open: true,
        }
    }

    /// When this call stops waiting: early enough before the deadline for a last read.
    fn wait_ends(&self, began: Instant) -> Instant {
        let ends = began + self.policy.wait;
        match Deadline::current() {
            Some(deadline) => {
                let last = deadline.ends().checked_sub(Deadline::LEAST * 2);
                ends.min(last.unwrap_or(began))
            }
            None => ends,
        }
    }
}

/// Since when this call has seen the current version of the record.
fn watched_since(
    watch: &mut Option<(Version, Instant)>,
    version: Option<Version>,
    now: Instant,
) -> Instant {
    *watch = version.map(|version| match *watch {
        Some((watched, since)) if watched == version => (version, since),
        _ => (version, now),
    });
    watch.map_or(now, |(_, since)| since)
}
