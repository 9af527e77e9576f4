//! All rules of a circuit as pure functions of a record, an input, the time and a random draw.
//!
//! They do not use async, a clock or I/O. The breaker, the simulator and the model checker all run the
//! same functions:
//!
//! - [`credible`] removes the times from a record that no correct clock could have stored.
//! - [`admit`] decides whether a call may pass.
//! - [`lease`] takes a place for a probe.
//! - [`apply`] counts the outcome of a call.
//! - [`set_override`] and [`close`] are the actions of an operator.
//!
//! [`CountRule`] and [`RateRule`] decide when a closed circuit opens.
//!
//! A function that returns `None` instead of a record has nothing to write. Each change of state raises
//! the epoch by one.

mod admit;
mod apply;
mod change;
mod count;
mod credible;
mod operator;
mod quorum;
mod rate;
mod report;
mod rule;
mod verdict;

pub(in crate::circuit) use admit::open_refresh;
pub use admit::{Admission, admit, lease};
pub use apply::apply;
pub use count::CountRule;
pub use credible::credible;
pub(crate) use credible::{LONGEST_OVERRIDE, REPORTING};
pub use operator::{close, set_override};
pub use rate::RateRule;
pub use report::{CallOutcome, Permit, Report};
pub use rule::Rule;
pub use verdict::Sampling;

#[cfg(test)]
mod tests;
