//! The contract of a [`Register`] as checks that anyone can run on a store of their own.
//!
//! [`run`] takes a [`Subject`], the store under test, and answers a [`Report`]: a line a check,
//! each named as a sentence, each under the law that it checks. What a subject cannot do (corruption a
//! record, break the wire) is reported as *not exercised*, never as passed.
//!
//! Every check writes under names of its own, drawn anew in each run: the suite can run against a
//! store that others use at the same time. It is gentle: a check after the other, a handful of
//! contenders, pauses where the store asks for fewer requests. Only the checks of deadlines look at
//! the clock.
//!
//! [`Faulty`] stands here too: any register, with a store that fails on request.
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
//! report.assert_passed();
//! assert!(report.not_exercised() > 0); // nothing was planted, no wire was broken
//! # });
//! ```

mod check;
mod client;
mod content;
mod faulty;
mod report;
mod subject;

mod l01_done;
mod l02_conflict;
mod l03_ambiguous;
mod l04_versions;
mod l05_fresh;
mod l06_keeping;
mod l07_deadline;
mod l08_dropped;
mod l09_corrupt;
mod l10_resent;

pub use faulty::{Fault, Faulty};
pub use report::{CheckResult, Law, Outcome, Report};
pub use subject::{Breakable, Raw, Subject};

#[cfg(doc)]
use crate::register::Register;
use check::Check;

/// Every check, law by law.
const CHECKS: [&[Check]; 11] = [
    l01_done::CHECKS,
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

/// Runs every check on `subject`, one after the other.
pub async fn run(subject: &dyn Subject) -> Report {
    let mut report = Report::default();
    for check in CHECKS.into_iter().flatten() {
        report.add(check.law, check.name, check.run(subject).await);
    }
    report
}
