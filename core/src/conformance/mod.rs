//! The contract of a [`Register`] as checks that you can run on your own store.
//!
//! [`run`] takes a [`Subject`], the store under test, and returns a [`Report`] with one line for each check.
//! A line has the law and the name of the check, which is a sentence. If the subject cannot do what a check
//! needs, such as corrupting a record or breaking the connection, the check is reported as
//! *not exercised*, never as passed.
//!
//! Each check writes records with new random names, so the suite can run on a store that others use at the
//! same time. The load is low: one check runs after the other, with at most eight concurrent writers, and
//! with pauses if the store throttles. Only the checks of deadlines depend on the clock.
//!
//! # Examples
//!
//! ```
//! use std::sync::Arc;
//! use funcify_backend_memory::MemoryBackend;
//! use funcify_core::{StoreError, conformance::{self, Subject}, register::Register};
//!
//! #[derive(Debug)]
//! struct Memory(MemoryBackend);
//!
//! #[async_trait::async_trait]
//! impl Subject for Memory {
//!     async fn fresh(&self) -> Result<Arc<dyn Register>, StoreError> {
//!         Ok(Arc::new(self.0.clone()))
//!     }
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
//! # .block_on(async {
//! let report = conformance::run(&Memory(MemoryBackend::default())).await;
//! assert!(report.failed.is_empty(), "the register breaks its contract\n{report}");
//! assert!(!report.not_exercised.is_empty()); // no content was injected, no connection was broken
//! # });
//! ```

mod check;
mod client;
mod content;
mod fault;
mod faulty;
mod idempotency;
mod report;
mod subject;
mod trial;
mod verdict;

mod l01_applied;
mod l02_conflict;
mod l03_ambiguous;
mod l04_versions;
mod l05_fresh;
mod l06_keeping;
mod l07_deadline;
mod l08_dropped;
mod l09_corrupt;
mod l10_resent;

pub use fault::Fault;
#[doc(hidden)]
pub use faulty::Faulty;
pub use report::Report;
pub use subject::{Raw, Subject};

#[cfg(doc)]
use crate::register::Register;
use check::Promise;

/// All checks of the register, law by law.
const CHECKS: [&[Promise]; 11] = [
    l01_applied::CHECKS,
    content::CHECKS,
    l02_conflict::CHECKS,
    l03_ambiguous::CHECKS,
    l04_versions::CHECKS,
    l05_fresh::CHECKS,
    l06_keeping::CHECKS,
    l07_deadline::CHECKS,
    l08_dropped::CHECKS,
    l09_corrupt::CHECKS,
    l10_resent::CHECKS,
];

/// Runs every check on `subject`, one after the other. A check that takes longer than 60 s fails.
///
/// The example of [the module](self) runs it on the memory backend.
pub async fn run(subject: &dyn Subject) -> Report {
    let mut report = Report::default();
    for promise in CHECKS.into_iter().chain(idempotency::CHECKS).flatten() {
        report.add(promise.law, promise.name, promise.check(subject).await);
    }
    report
}
