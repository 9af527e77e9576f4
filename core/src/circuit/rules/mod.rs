//! The whole policy of a circuit as pure functions: decisions about a record, an input, the time and
//! a random draw.
//!
//! No async, no clock, no I/O. The breaker runs exactly these functions, and so can a simulation or
//! a model checker.
//!
//! - [`credible`] takes the times out of a record that no correct clock could have stored;
//! - [`admit`] says whether a call may pass;
//! - [`lease`] takes a place for a probe;
//! - [`apply`] counts the outcome of a call;
//! - [`set_override`] and [`close`] are what an operator does.
//!
//! [`CountRule`] and [`RateRule`] say what opens a closed circuit, each in its own file.
//!
//! `None` means that nothing is to be written. Each change of state raises the epoch by one.

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
