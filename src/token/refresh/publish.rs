//! Step: publish the new token, so that the fleet uses it.

use funcify_core::{
    Deadline, StoreError, StoreErrorKind,
    engine::{Minted, error_chain},
    register::{Swap, WriteId},
    token::TokenRecord,
};
use tokio::time::{Instant, sleep_until};

use super::lease::HeldLease;
use super::read::trouble;
use super::request::Refresh;
use super::store_retry::Trouble;

impl Refresh<'_> {
    /// Writes the record with the new token. While the store is slow, the write is repeated until the lease
    /// ends, because no other process asks the provider before that.
    pub(super) async fn publish(&mut self, lease: &HeldLease, next: &TokenRecord, minted: &Minted) {
        let settings = self.settings;
        let (since, id) = (Instant::now(), WriteId::random());
        let written = loop {
            // The id is the same each time, so that the store treats repetitions as one write.
            let write = settings.store.write(self.key, Some(lease.version), id, next);
            match as_report(write).await {
                Err(error) if is_only_unchecked(&error) => break Err(error),
                Err(error) if trouble(&error) != Trouble::Down => {
                    let pause = match trouble(&error) {
                        Trouble::Throttles => settings.poll.interval(&settings.chance),
                        Trouble::Hangs | Trouble::Down => {
                            settings.chance.up_to(settings.poll.shortest)
                        }
                    };
                    let again = Instant::now() + pause;
                    let ends = report_ends().map_or(lease.ends, |ends| lease.ends.min(ends));
                    if again + Deadline::LEAST >= ends {
                        break Err(error);
                    }
                    sleep_until(again).await;
                }
                written => break written,
            }
        };
        match written {
            Ok(Swap::Applied(version)) => self.state.wrote(version, since),
            Ok(Swap::Conflict(_)) => {
                tracing::info!(key = %settings.key, "another process refreshed the token meanwhile");
            }
            Err(error) if error.kind() == StoreErrorKind::Invalid => {
                self.counters.store_errors.increment();
                if !std::mem::replace(&mut self.state.has_logged_invalid, true) {
                    tracing::error!(
                        key = %settings.key,
                        error = error_chain(&error),
                        "the store cannot hold this token: each process asks the provider for itself"
                    );
                }
                self.give_up_sharing(lease, minted).await;
            }
            Err(error) if is_only_unchecked(&error) => {
                self.counters.store_errors.increment();
                self.state.store_failed(trouble(&error), &settings.chance);
                tracing::debug!(
                    key = %settings.key,
                    error = error_chain(&error),
                    "the token was stored, but the store throttled the read that confirms it"
                );
            }
            Err(error) => {
                self.counters.store_errors.increment();
                self.state.store_failed(trouble(&error), &settings.chance);
                tracing::warn!(
                    key = %settings.key,
                    error = error_chain(&error),
                    "the token could not be stored"
                );
            }
        }
    }
}

impl Refresh<'_> {
    /// Stores in the record that this token is not shared, so that no other process waits for it.
    async fn give_up_sharing(&mut self, lease: &HeldLease, minted: &Minted) {
        let settings = self.settings;
        let next = lease.record.clone().unshared(minted, &settings.policy, self.now());
        let write = settings.store.write(self.key, Some(lease.version), WriteId::random(), &next);
        if let Err(error) = as_report(write).await {
            tracing::warn!(key = %settings.key, error = error_chain(&error), "the lease could not be given back");
        }
    }
}

/// Whether the write was sent, and the store throttled only the request that would confirm it. The token is
/// then stored. In SSM, another write would add a version that every process has to read.
fn is_only_unchecked(error: &StoreError) -> bool {
    error.kind() == StoreErrorKind::Ambiguous && error.is_throttled()
}

/// Runs a write that informs other processes. It gets the time that a deadline keeps for reports, after the
/// time for work has ended.
pub(super) async fn as_report<F: Future>(write: F) -> F::Output {
    match Deadline::current() {
        Some(deadline) => deadline.for_report().scope(write).await,
        None => write.await,
    }
}

/// When every report of the invocation must have ended.
fn report_ends() -> Option<Instant> {
    Deadline::current().map(|deadline| deadline.report_ends())
}
