//! The types, the contracts and the pure rules of [funcify](https://docs.rs/funcify).
//!
//! A fleet is every process that uses the same store and prefix. It shares three things: an access
//! token, the state of its circuit breakers, and what was done for an idempotency key. Each of them is a
//! record in a [`Register`](register::Register): a process reads the record, and replaces it only if the
//! record is still the one that it read. A store only keeps records. This crate makes every decision
//! about them, in pure functions.
//!
//! You need this crate if you write a store of your own. A function needs only `funcify`, which
//! re-exports what a function uses.
//!
//! This crate contains no HTTP, AWS or Lambda code.

mod chance;
pub mod circuit;
mod clock;
#[cfg(feature = "conformance")]
pub mod conformance;
mod deadline;
mod diagnosis;
#[doc(hidden)]
pub mod engine;
mod error;
mod error_chain;
mod hex;
pub mod idempotency;
mod metrics;
mod name;
pub mod register;
mod stored_time;
mod timestamp;
pub mod token;
mod virtual_clock;

pub(crate) use chance::Chance;
pub(crate) use clock::{Clock, SystemClock};
pub use deadline::{Deadline, DeadlineExceeded};
pub use error::{StoreError, StoreErrorKind};
pub use timestamp::Timestamp;

/// Compiles the examples of the README together with those of the documentation.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
