//! The whole policy of a circuit, pure: decisions of a record, an input, the time and a draw.
//!
//! No async, no clock, no I/O. The breaker runs exactly these functions, and so can a simulation or
//! a model checker.
//!
//! - [`clamp`] makes what was read a record that an honest writer could have stored;
//! - [`admit`] says whether a call may pass;
//! - [`lease`] takes the place of a probe;
//! - [`apply`] counts the outcome of a call;
//! - [`order`] sets or clears an operator's override.
//!
//! `None` means: write nothing. Each change of state raises the epoch by one.

mod admit;
mod apply;
mod change;
mod clamp;
mod count;
mod rate;

pub use admit::{Admission, admit, lease};
pub use apply::{CallOutcome, Permit, Report, apply};
pub(crate) use clamp::REPORTING;
pub use clamp::{clamp, order};
pub use count::alone;
pub use rate::{Sampling, sampling};

use super::{CircuitPolicy, CircuitRecord, Rule};
use crate::Timestamp;

/// Whether there is reason to look at the store more often.
#[must_use]
pub fn suspect(record: &CircuitRecord, policy: &CircuitPolicy, now: Timestamp) -> bool {
    match policy.rule {
        Rule::Count { window, .. } => record.failures.iter().any(|f| now.since(f.at) < window),
        Rule::Rate { .. } => rate::suspect(record, policy, now),
    }
}

#[cfg(test)]
mod tests;
